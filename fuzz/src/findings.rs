//! What went wrong: told once for each place, and kept as a file.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bias_files::hex;
use bias_fuzz::{Target, temporary};
use peak_alloc::PeakAlloc;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::watch::{self, LIMIT};

/// The memory that an input may take besides four times its own size.
const MEMORY: usize = 64 << 20;

/// Where the last panic was, and what it said.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// What became of an input.
struct Tried {
    panic: Option<String>,
    took: Duration,
    memory: usize,
}

/// Runs a target on an input.
fn tried(target: &Target, bytes: &[u8]) -> Tried {
    let run = || {
        let (before, started) = (PeakAlloc.current_usage(), Instant::now());
        PeakAlloc.reset_peak_usage();
        watch::begins(target.name);
        let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
        watch::ends();
        let memory = PeakAlloc.peak_usage().saturating_sub(before);
        let panic = ran.err().map(|_| PANIC.lock().unwrap().clone());
        Tried { panic, took: started.elapsed(), memory }
    };
    let first = run();
    if first.took <= LIMIT || first.panic.is_some() {
        return first;
    }
    // Something else may have kept the machine busy.
    let second = run();
    Tried { took: first.took.min(second.took), ..first }
}

/// Everything that was found.
pub struct Findings {
    out: PathBuf,
    /// The input that runs, in a folder that stays where it ends the program.
    running: PathBuf,
    _folder: TempDir,
    known: BTreeSet<String>,
    slowest: Duration,
    most: usize,
}

impl Findings {
    pub fn new(out: &Path) -> Self {
        fs::create_dir_all(out).unwrap();
        let folder = temporary();
        let running = folder.path().join("running");
        println!("the input that runs is kept as {}", running.display());
        watch::start(running.display().to_string());
        std::panic::set_hook(Box::new(|panic| *PANIC.lock().unwrap() = panic.to_string()));
        let (slowest, most) = (Duration::ZERO, 0);
        let (out, known) = (out.into(), BTreeSet::new());
        Self { out, running, _folder: folder, known, slowest, most }
    }

    /// Runs a target on an input, which is kept as long as it runs: nothing is said of one that
    /// overflows the stack.
    pub fn run(&mut self, target: &Target, bytes: &[u8]) {
        fs::write(&self.running, bytes).unwrap();
        self.take(target, bytes, tried(target, bytes));
    }

    /// Keeps an input that did not do what it should, unless another one did the same.
    fn take(&mut self, target: &Target, bytes: &[u8], tried: Tried) {
        self.slowest = self.slowest.max(tried.took);
        self.most = self.most.max(tried.memory);
        let wrong = if let Some(panic) = tried.panic {
            panic
        } else if tried.took > LIMIT {
            format!("takes {:.1} s", tried.took.as_secs_f64())
        } else if tried.memory > MEMORY + 4 * bytes.len() {
            format!("takes {} MiB for {} bytes", tried.memory >> 20, bytes.len())
        } else {
            return;
        };
        // The place of a panic; the rest differs with the input.
        let place = wrong.lines().next().unwrap_or_default().to_owned();
        let place = if place.starts_with("takes") { "takes".into() } else { place };
        if self.known.insert(format!("{} {place}", target.name)) {
            let path =
                self.out.join(format!("{}-{}", target.name, &hex(&Sha256::digest(bytes))[..12]));
            fs::write(&path, bytes).unwrap();
            println!("FOUND {}: {} {wrong}", target.name, path.display());
        }
    }

    /// The slowest input since this was asked last, and the most memory of one.
    pub fn of_target(&mut self) -> (Duration, usize) {
        (std::mem::take(&mut self.slowest), std::mem::take(&mut self.most))
    }

    pub fn code(&self) -> ExitCode {
        ExitCode::from(u8::from(!self.known.is_empty()))
    }
}
