//! Commands that are killed at calls which change a file, or in which such a call fails: what is there
//! under its name is whole, the umask is kept, and the next run ends with the same bytes.
//!
//! `INTERRUPTIONS` is the number of points of each kind [default: 3]; `scripts/interruptions.sh`
//! asks for 50.

mod traced;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::bias;
use crate::language::{ALL, MARK, server};
use crate::program::{repository, small};
use traced::{Call, End, Fate, Seen, Traced, trace};

const CHANGES: [Call; 6] =
    [Call::Create, Call::Write, Call::Sync, Call::Rename, Call::Folder, Call::Delete];

/// What happens to a program: at which calls, and what.
const FATES: [(&str, &[Call], Fate); 7] = [
    ("killed", &CHANGES, Fate::Killed),
    ("no file made", &[Call::Create, Call::Folder], Fate::Fails(Errno::EDQUOT)),
    ("disk full", &[Call::Write], Fate::Fails(Errno::ENOSPC)),
    ("not synced", &[Call::Sync], Fate::Fails(Errno::EIO)),
    ("not renamed", &[Call::Rename], Fate::Fails(Errno::EIO)),
    ("not mapped", &[Call::Map], Fate::Fails(Errno::ENODEV)),
    ("no memory", &[Call::Memory], Fate::Fails(Errno::ENOMEM)),
];

/// The first characters of what is being written.
const UNFINISHED: &str = ".unfinished-";

/// Files that say when something was done.
const DATED: [&str; 2] = ["timing.json", "kept.jsonl"];

/// A command, and what it leaves.
struct Subject<'a> {
    args: &'a [&'a str],
    /// Files and folders that it writes.
    outputs: &'a [&'a str],
    /// Files of outputs that grow or are replaced, so that they are not the final ones all along:
    /// JSON, or lines of JSON of which the last may be cut.
    growing: &'a [&'a str],
    /// Whether what a killed run was writing is cleared by the next run.
    clears: bool,
    /// The points of each kind.
    points: usize,
}

fn points() -> usize {
    std::env::var("INTERRUPTIONS").map_or(3, |own| own.parse().unwrap())
}

/// Every file below a path, by its path in `folder`.
fn content(folder: &Path, below: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let path = folder.join(below);
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            content(folder, &below.join(entry.unwrap().file_name()), found);
        }
    } else if path.exists() {
        found.insert(below.into(), fs::read(path).unwrap());
    }
}

/// Whether a path is about what is still being written.
fn unfinished(path: &Path) -> bool {
    path.iter().any(|part| part.to_string_lossy().starts_with(UNFINISHED))
}

impl Subject<'_> {
    fn run(&self, folder: &Path, kinds: &[Call], fate: Option<(usize, Fate)>) -> Traced {
        let file = bias::file();
        let command: Vec<&str> =
            std::iter::once(file.to_str().unwrap()).chain(self.args.iter().copied()).collect();
        trace(&command, folder, kinds, fate)
    }

    /// What is there under its name; a lock says nothing.
    fn named(&self, folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        self.outputs.iter().for_each(|own| content(folder, own.as_ref(), &mut found));
        found.retain(|path, _| !unfinished(path) && !path.ends_with(".lock"));
        found
    }

    /// The same without what differs from run to run.
    fn written(&self, folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = self.named(folder);
        found.retain(|path, _| !DATED.iter().any(|own| path.ends_with(own)));
        found
    }

    /// What is half-written.
    fn left(&self, folder: &Path) -> Vec<PathBuf> {
        let mut found = BTreeMap::new();
        self.outputs.iter().for_each(|own| content(folder, own.as_ref(), &mut found));
        found.into_keys().filter(|path| unfinished(path)).collect()
    }

    fn clear(&self, folder: &Path) {
        for own in self.outputs.iter().map(|own| folder.join(own)) {
            if own.is_dir() {
                fs::remove_dir_all(own).unwrap();
            } else if own.exists() {
                fs::remove_file(own).unwrap();
            }
        }
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if unfinished(entry.file_name().as_ref()) {
                let own = entry.path();
                if own.is_dir() { fs::remove_dir_all(own) } else { fs::remove_file(own) }.unwrap();
            }
        }
    }

    /// That nothing is half-written under its name, and nobody else may read anything.
    fn check(&self, folder: &Path, whole: &BTreeMap<PathBuf, Vec<u8>>, what: &str) {
        for (path, bytes) in self.named(folder) {
            let mut changing = self.growing.iter().chain(&DATED);
            let good = if changing.any(|own| path.ends_with(own)) {
                is_json(&bytes)
            } else {
                whole.get(&path) == Some(&bytes)
            };
            assert!(good, "{what}: {}", path.display());
        }
        let mut all = BTreeMap::new();
        content(folder, Path::new(""), &mut all);
        let made = |path: &&PathBuf| {
            unfinished(path) || self.outputs.iter().any(|own| path.starts_with(own))
        };
        for path in all.keys().filter(made) {
            let mode = fs::metadata(folder.join(path)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{what}: {} has mode {mode:o}", path.display());
        }
    }

    /// Interrupts the command at random points, and goes on each time, until it is done.
    fn interrupt(&self, folder: &Path) {
        self.clear(folder);
        let all: Vec<Call> = FATES.iter().flat_map(|(_, kinds, _)| kinds.iter().copied()).collect();
        let undisturbed = self.run(folder, &all, None);
        assert_eq!(undisturbed.end, End::Exit(0), "{:?}\n{}", self.args, undisturbed.said);
        let whole = self.written(folder);
        assert!(!whole.is_empty());
        is_durable(&undisturbed.seen, folder);
        let mut rng = ChaCha8Rng::seed_from_u64(26);
        let mut row = String::new();
        for (name, kinds, fate) in FATES {
            let calls = undisturbed.seen.iter().filter(|seen| kinds.contains(&seen.call)).count();
            let (mut met, mut finished) = (0, 0);
            // A run that goes on makes fewer calls, so points are drawn among fewer and fewer.
            let mut span = calls;
            self.clear(folder);
            while met < self.points && calls > 0 {
                let at = rng.random_range(0..span.max(1));
                let ran = self.run(folder, kinds, Some((at, fate)));
                let what = format!("{:?}, {name} at call {at} of {calls}\n{}", self.args, ran.said);
                self.check(folder, &whole, &what);
                let reached = ran.seen.len() > at;
                met += usize::from(reached);
                match (ran.end, fate) {
                    (End::Exit(0), _) => {
                        assert!(self.written(folder) == whole, "{what}: other files");
                        finished += usize::from(reached);
                        self.clear(folder);
                        span = calls;
                        continue;
                    }
                    (End::Signal(Signal::SIGKILL), Fate::Killed) => {}
                    // The answer of the allocator, the loader or a thread that does not begin.
                    (
                        End::Signal(Signal::SIGABRT) | End::Exit(101 | 127),
                        Fate::Fails(Errno::ENOMEM),
                    ) => {}
                    // Within the loader.
                    (End::Signal(Signal::SIGSEGV), Fate::Fails(Errno::ENOMEM)) if at < 4 => {}
                    (End::Exit(1), Fate::Fails(error)) => {
                        let typed = ran.said.lines().any(|line| line.starts_with("error: "));
                        let panicked = ran.said.contains("panicked");
                        assert!(typed && (!panicked || error == Errno::ENOMEM), "{what}");
                    }
                    (end, _) => panic!("{end:?}: {what}"),
                }
                span = (span * 2 / 3).max(1);
                // Some commands refuse to write over what is whole.
                let all = self.written(folder) == whole;
                if all || rng.random_bool(0.2) {
                    if !all {
                        self.goes_on(folder, &whole, &what);
                    }
                    self.clear(folder);
                    span = calls;
                }
            }
            self.goes_on(folder, &whole, name);
            write!(row, " {name} {met}/{calls} ({finished} were done all the same);").unwrap();
        }
        println!("\n{}:{row}", self.args.join(" "));
    }

    /// That the next run does the rest.
    fn goes_on(&self, folder: &Path, whole: &BTreeMap<PathBuf, Vec<u8>>, what: &str) {
        let ran = self.run(folder, &[], None);
        assert_eq!(ran.end, End::Exit(0), "after {what}\n{}", ran.said);
        assert!(self.written(folder) == *whole, "other files after {what}");
        if self.clears {
            assert_eq!(self.left(folder), Vec::<PathBuf>::new(), "after {what}");
        }
    }
}

/// Whether this is JSON, or lines of JSON of which the last may be cut.
fn is_json(bytes: &[u8]) -> bool {
    let json = |own: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(own).is_ok();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(&[][..], |at| &bytes[..at]);
    json(bytes) || whole.is_empty() || whole.split(|byte| *byte == b'\n').all(json)
}

/// That what gets its name is on the disk by then, and its name thereafter.
fn is_durable(seen: &[Seen], here: &Path) {
    let synced = |path: &Path, among: &[Seen]| {
        among.iter().any(|own| own.call == Call::Sync && own.path == path)
    };
    let made = seen.iter().enumerate().filter(|(_, own)| own.call == Call::Folder);
    // The folder that the command runs in is there already.
    for (i, made) in made.filter(|(_, own)| own.path != here) {
        let folder = made.path.parent().unwrap();
        assert!(synced(folder, &seen[i..]), "{made:?}: its name is not synced");
    }
    for (i, renamed) in seen.iter().enumerate().filter(|(_, own)| own.call == Call::Rename) {
        let from = renamed.from.as_deref().unwrap();
        let about: Vec<Seen> =
            seen[..i].iter().filter(|own| own.path.starts_with(from)).cloned().collect();
        for (j, wrote) in about.iter().enumerate().filter(|(_, own)| own.call == Call::Write) {
            assert!(synced(&wrote.path, &about[j..]), "{renamed:?}: {wrote:?} is not synced");
        }
        let folder = renamed.path.parent().unwrap();
        assert!(synced(folder, &seen[i..]), "{renamed:?}: its name is not synced");
    }
}

#[test]
fn a_study() {
    let folder = small(2);
    Subject {
        args: &["study", "--quick", "--model", "model", "--out", "out", "--markdown", "out.md"],
        outputs: &["out", "out.md"],
        growing: &["manifest.json"],
        clears: true,
        points: points(),
    }
    .interrupt(&folder.path().canonicalize().unwrap());
}

#[test]
fn a_protocol() {
    let folder = small(4);
    let args = "generalize --model model --prompts my.csv --neutral model/neutral.txt --methods \
                signed-gap --homes hiring --levels 0.2 --most 0.02 --probes 1 --names 2,2 --out out";
    Subject {
        args: &args.split_whitespace().collect::<Vec<_>>(),
        outputs: &["out"],
        growing: &[],
        clears: true,
        // It keeps its work as a study does.
        points: points().div_ceil(3),
    }
    .interrupt(&folder.path().canonicalize().unwrap());
}

/// Interrupts a command that writes one file or folder.
fn interrupt(folder: &Path, args: &[&str], output: &str) {
    Subject { args, outputs: &[output], growing: &[], clears: false, points: points() }
        .interrupt(folder);
}

#[test]
fn masks_models_and_scores() {
    let folder = small(2);
    let folder = folder.path().canonicalize().unwrap();
    let of_model = |command: &str, args: &str, output: &str| {
        let args = format!("{command} --model model {args} {output}");
        interrupt(&folder, &args.split(' ').collect::<Vec<_>>(), output);
    };
    of_model("attribute", "--method signed-gap --out", "made");
    of_model("prune", "--mask made --out", "pruned");
    of_model("capture", "--out", "captured");
    of_model("audit", "--save-answers", "answers.csv");
    let tasks = repository("fixtures/frameworks/tasks_embedded.jsonl");
    of_model("frameworks", &format!("--tasks {} --items", tasks.display()), "items.csv");
}

#[test]
fn a_hosted_audit() {
    let own = server(ALL);
    let folder = tempfile::tempdir().unwrap();
    let mut text = "scenario,variation,name_group,name,prompt_text\n".to_owned();
    for (group, name) in
        [("white", "Emily"), ("white", "Todd"), ("black", "Jamal"), ("black", "Tyra")]
    {
        writeln!(text, "offers,bicycle,{group},{name},An offer to {name}. {MARK}").unwrap();
    }
    fs::write(folder.path().join("my.csv"), text).unwrap();
    let url = format!("http://{}", own.at);
    Subject {
        args: &[
            "audit",
            "--hosted",
            "fake",
            "--url",
            &url,
            "--prompts",
            "my.csv",
            "--raw",
            "--record",
            "kept.jsonl",
            "--save-answers",
            "answers.csv",
        ],
        outputs: &["kept.jsonl", "answers.csv"],
        growing: &[],
        clears: false,
        points: points(),
    }
    .interrupt(&folder.path().canonicalize().unwrap());
}
