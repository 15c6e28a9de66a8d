//! Runs the programs that `cargo test` built, as a user does: in a folder of its own, with a time
//! limit.
#![allow(dead_code)] // every test file uses a part

pub mod shown;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Enough for a busy machine; a program that hangs is ended, and what it said is shown.
const LIMIT: Duration = Duration::from_secs(240);

/// A file or folder of the repository.
pub fn repository(inner: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|own| own.join("Cargo.lock").exists());
    root.unwrap().join(inner)
}

/// A program about to be run.
pub struct Program {
    command: Command,
    shown: String,
}

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    /// The command, for messages.
    pub shown: String,
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Program {
    /// A program with arguments, to be run in a folder.
    pub fn new<S: AsRef<OsStr>>(
        file: &Path,
        folder: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        let mut command = Command::new(file);
        command.args(args).current_dir(folder).stdin(Stdio::null());
        // No test reaches for the network, or for the cache of whoever runs it.
        command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", folder.join("no-cache"));
        let words: Vec<_> =
            command.get_args().map(|own| own.to_string_lossy().into_owned()).collect();
        let name = file.file_name().unwrap().to_string_lossy();
        Self { shown: format!("{name} {}", words.join(" ")), command }
    }

    /// The same with an environment variable.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// The same without one.
    pub fn without(mut self, key: &str) -> Self {
        self.command.env_remove(key);
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Ran {
        let started = Instant::now();
        let mut child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (heard(child.stdout.take()), heard(child.stderr.take()));
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if started.elapsed() > LIMIT {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let (out, err) = (out.join().unwrap(), err.join().unwrap());
        let shown = self.shown;
        println!("{:>6.2} s  {shown}", started.elapsed().as_secs_f64());
        let Some(status) = status else {
            panic!("{shown}: not done within {} s; it said\n{out}\n{err}", LIMIT.as_secs())
        };
        Ran { shown, code: status.code(), out, err }
    }
}

/// Everything that comes out of a pipe.
fn heard(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    let mut pipe = pipe.unwrap();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Ran {
    /// What it printed, if it did what it was asked for.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}\n{}", self.shown, self.out, self.err);
        self.out
    }

    /// That it ended with one line of error which holds `about`, and says somewhere all of `words`.
    #[track_caller]
    pub fn refused(self, about: &str, words: &[&str]) {
        let Self { shown, code, out, err } = self;
        assert!(matches!(code, Some(1 | 2)), "{shown}: {code:?}\n{out}\n{err}");
        let lines: Vec<&str> = err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(
            matches!(lines[..], [line] if line.contains(about)),
            "{shown}: no `{about}` in\n{err}"
        );
        assert!(!err.contains("panicked"), "{shown}\n{err}");
        for word in words {
            assert!(err.contains(word), "{shown}: no `{word}` in\n{err}");
        }
    }
}

/// The programs of a package: name, file, and what its help says that it does.
pub type Programs = [(&'static str, &'static str, &'static str)];

/// Runs one of them in a folder; arguments are split at spaces.
pub fn run_of(programs: &Programs, name: &str, folder: &Path, args: &str) -> Ran {
    let (_, file, _) = programs.iter().find(|(own, ..)| *own == name).unwrap();
    Program::new(Path::new(file), folder, args.split_whitespace()).run()
}

/// That each says in its help what it does, and refuses a flag that it does not know.
pub fn each_says_what_it_does(programs: &Programs) {
    let folder = tempfile::tempdir().unwrap();
    for (name, _, about) in programs {
        let run = |args: &str| run_of(programs, name, folder.path(), args);
        let help = run("--help").done();
        let text = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(about) && text.contains(&format!("Usage: {name}")), "{help}");
        assert_eq!(flags(&run("-h").done()), flags(&help));
        run("--guess").refused("--guess", &["--help"]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

/// A program, arguments that are wrong, the argument's name, and what is said to be allowed.
pub type Wrong = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// That they are refused, and nothing is left behind.
pub fn each_is_refused(wrong: &[Wrong], run: impl Fn(&str, &Path, &str) -> Ran) {
    let folder = tempfile::tempdir().unwrap();
    for (name, args, about, words) in wrong {
        run(name, folder.path(), args).refused(about, words);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

/// That commands of pages which call these programs are understood, as far as their arguments go;
/// the names of those that are called.
pub fn what_is_shown_is_understood(programs: &Programs) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let shown = shown::pages().into_iter().flat_map(|page| shown::in_page(&page));
    let mut seen = BTreeSet::new();
    for own in shown {
        let Some(call) =
            own.call().filter(|call| programs.iter().any(|(name, ..)| *name == call.name))
        else {
            continue;
        };
        let args = format!("{} --help", call.args.replace(['[', ']'], ""));
        let ran = run_of(programs, &call.name, folder.path(), &args);
        // A device that this build does not have is well said for all that.
        let known = ran.code == Some(0) || ran.err.contains("build with --features");
        assert!(known, "{}: `{}`\n{}", own.place, own.line, ran.err);
        seen.insert(call.name);
    }
    seen
}

/// The names of all flags that a help text lists.
pub fn flags(help: &str) -> Vec<String> {
    let listed = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let names =
        listed.filter_map(|line| line.split([' ', ',', '=']).find(|word| word.starts_with("--")));
    names.map(|name| name.trim_end_matches("...").to_owned()).collect()
}

/// A folder with `model`, a small model (fixtures/kinds/small) that brings few prompts: two
/// contexts, two variations to attribute on and one held out, `names` names of each group. The same
/// prompts lie beside it as `my.csv`.
pub fn small(names: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (repository("fixtures/kinds/small"), folder.path().join("model"));
    fs::create_dir(&to).unwrap();
    for name in ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
    {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    fs::copy(from.join("model.safetensors"), to.join("model.safetensors")).unwrap();
    // Its template takes an argument, as those of models that think do.
    let config = fs::read_to_string(to.join("tokenizer_config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    let template = config["chat_template"].as_str().unwrap();
    let asking = format!("{{%- if enable_thinking is defined %}}{{%- endif %}}{template}");
    config["chat_template"] = asking.into();
    fs::write(to.join("tokenizer_config.json"), config.to_string()).unwrap();
    let neutral = fs::read_to_string(from.join("neutral.txt")).unwrap();
    let few: Vec<&str> = neutral.lines().take(6).collect();
    fs::write(to.join("neutral.txt"), few.join("\n")).unwrap();
    let prompts = few_prompts(&fs::read_to_string(from.join("prompts.csv")).unwrap(), names);
    fs::write(to.join("prompts.csv"), &prompts).unwrap();
    fs::write(folder.path().join("my.csv"), &prompts).unwrap();
    folder
}

/// Some lines of a prompt file.
fn few_prompts(all: &str, names: usize) -> String {
    const VARIATIONS: [&str; 6] = ["bicycle", "sofa", "boat", "lawyer", "guard", "cook"];
    let mut lines = all.lines();
    let mut few = vec![lines.next().unwrap()];
    let mut before = ("", "", 0);
    for line in lines {
        let cells: Vec<&str> = line.splitn(4, ',').collect();
        let (variation, group) = (cells[1], cells[2]);
        let count = if (before.0, before.1) == (variation, group) { before.2 + 1 } else { 1 };
        before = (variation, group, count);
        if VARIATIONS.contains(&variation) && count <= names {
            few.push(line);
        }
    }
    assert_eq!(few.len(), 1 + VARIATIONS.len() * 4 * names);
    few.join("\n") + "\n"
}
