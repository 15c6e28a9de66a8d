//! A program whose calls to the system are watched, and one of which fails or is its last.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// A file is made, or opened to be written.
    Create,
    /// Bytes are written to a file.
    Write,
    /// A file or folder is written to the disk.
    Sync,
    /// A file or folder gets its name.
    Rename,
    /// A folder is made.
    Folder,
    /// A file or folder is deleted.
    Delete,
    /// A file is mapped.
    Map,
    /// Memory is asked for.
    Memory,
}

/// A call, and the file that it is about: to where it is renamed, for a rename.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub call: Call,
    pub path: PathBuf,
    /// From where it is renamed.
    pub from: Option<PathBuf>,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The program is killed in its place.
    Killed,
    /// It is not made, and fails.
    Fails(Errno),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(Signal),
}

/// What a program did.
#[derive(Debug)]
pub struct Traced {
    pub end: End,
    /// The calls of the kinds that were asked for, in their order.
    pub seen: Vec<Seen>,
    /// Its standard error.
    pub said: String,
}

/// Enough for a busy machine; a program that hangs is killed.
const LIMIT: Duration = Duration::from_secs(240);

/// Runs a program in a folder, with a umask by which only the owner may read new files. Calls that change files
/// outside the folder are none of the calls; `fate` is that of the `n`-th of them, from 0.
pub fn trace(
    command: &[&str],
    folder: &Path,
    kinds: &[Call],
    fate: Option<(usize, Fate)>,
) -> Traced {
    let said = tempfile::tempfile().unwrap();
    // It waits until it is watched.
    let mut child = Command::new("/bin/sh")
        .args(["-c", "umask 077 && read -r go && exec \"$@\"", "sh"])
        .args(command)
        .current_dir(folder)
        .env("HF_HUB_OFFLINE", "1")
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(said.try_clone().unwrap())
        .spawn()
        .unwrap();
    let mut tracer = Tracer { folder, kinds, fate, seen: Vec::new(), failing: BTreeMap::new() };
    let (ended, waits) = channel::<()>();
    let main = Pid::from_raw(child.id().try_into().unwrap());
    let watch = std::thread::spawn(move || {
        let hangs = waits.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout);
        if hangs {
            let _ = nix::sys::signal::kill(main, Signal::SIGKILL);
        }
        hangs
    });
    let end = tracer.follow(&mut child);
    drop(ended);
    assert!(!watch.join().unwrap(), "{command:?}, {fate:?}: not done within {LIMIT:?}");
    let mut text = vec![0; usize::try_from(said.metadata().unwrap().len()).unwrap()];
    said.read_exact_at(&mut text, 0).unwrap();
    Traced { end, seen: tracer.seen, said: String::from_utf8_lossy(&text).into_owned() }
}

struct Tracer<'a> {
    folder: &'a Path,
    kinds: &'a [Call],
    fate: Option<(usize, Fate)>,
    seen: Vec<Seen>,
    /// Threads in a call that is not made, and what it returns.
    failing: BTreeMap<Pid, Errno>,
}

impl Tracer<'_> {
    fn follow(&mut self, child: &mut Child) -> End {
        let main = Pid::from_raw(child.id().try_into().unwrap());
        ptrace::seize(
            main,
            Options::PTRACE_O_TRACESYSGOOD
                | Options::PTRACE_O_TRACECLONE
                | Options::PTRACE_O_EXITKILL,
        )
        .unwrap();
        ptrace::interrupt(main).unwrap();
        let mut go = child.stdin.take();
        // Only what this thread watches: other tests wait for programs of their own.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        loop {
            let (thread, signal) = match waitpid(None, Some(flags)).unwrap() {
                WaitStatus::Exited(own, code) if own == main => return End::Exit(code),
                WaitStatus::Signaled(own, signal, _) if own == main => return End::Signal(signal),
                WaitStatus::PtraceSyscall(own) => {
                    self.call(main, own);
                    (own, None)
                }
                WaitStatus::Stopped(own, signal) => (own, Some(signal)),
                WaitStatus::PtraceEvent(own, ..) => (own, None),
                _ => continue,
            };
            // A thread that has been killed meanwhile cannot go on.
            let _ = ptrace::syscall(thread, signal);
            if let Some(mut go) = go.take() {
                go.write_all(b"go\n").unwrap();
            }
        }
    }

    /// A thread is before or behind a call.
    fn call(&mut self, main: Pid, thread: Pid) {
        let Ok(mut registers) = ptrace::getregs(thread) else { return };
        if let Some(error) = self.failing.remove(&thread) {
            registers.rax = i64::from(-(error as i32)) as u64;
            let _ = ptrace::setregs(thread, registers);
            return;
        }
        // Before a call, this is what its result would be.
        if registers.rax as i64 != -i64::from(libc::ENOSYS) {
            return;
        }
        let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8];
        let Some(seen) = self.known(main, registers.orig_rax as i64, arguments) else { return };
        let at = self.seen.len();
        self.seen.push(seen);
        match self.fate {
            Some((own, Fate::Killed)) if own == at => {
                nix::sys::signal::kill(main, Signal::SIGKILL).unwrap();
            }
            Some((own, Fate::Fails(error))) if own == at => {
                registers.orig_rax = u64::MAX;
                ptrace::setregs(thread, registers).unwrap();
                self.failing.insert(thread, error);
            }
            _ => {}
        }
    }

    /// The call, if it is of a kind that was asked for and about a file in the folder.
    fn known(&self, main: Pid, number: i64, arguments: [u64; 5]) -> Option<Seen> {
        let [first, second, third, fourth, fifth] = arguments;
        let open = |folder: u64, path: u64, flags: u64| {
            let writes = flags as i32 & (libc::O_CREAT | libc::O_WRONLY | libc::O_RDWR) != 0;
            writes.then(|| (Call::Create, self.named(main, folder, path), None))
        };
        let here = libc::AT_FDCWD as u64;
        let (call, path, from) = match number {
            libc::SYS_open => open(here, first, second)?,
            libc::SYS_openat => open(first, second, third)?,
            libc::SYS_write
            | libc::SYS_pwrite64
            | libc::SYS_writev
            | libc::SYS_pwritev
            | libc::SYS_sendfile
            | libc::SYS_ftruncate
            | libc::SYS_fallocate => (Call::Write, opened(main, first), None),
            libc::SYS_copy_file_range => (Call::Write, opened(main, third), None),
            libc::SYS_fsync | libc::SYS_fdatasync => (Call::Sync, opened(main, first), None),
            libc::SYS_rename => {
                (Call::Rename, self.named(main, here, second), self.named(main, here, first))
            }
            libc::SYS_link => {
                (Call::Rename, self.named(main, here, second), self.named(main, here, first))
            }
            libc::SYS_renameat | libc::SYS_renameat2 | libc::SYS_linkat => {
                (Call::Rename, self.named(main, third, fourth), self.named(main, first, second))
            }
            libc::SYS_mkdir => (Call::Folder, self.named(main, here, first), None),
            libc::SYS_mkdirat => (Call::Folder, self.named(main, first, second), None),
            libc::SYS_unlink | libc::SYS_rmdir => {
                (Call::Delete, self.named(main, here, first), None)
            }
            libc::SYS_unlinkat => (Call::Delete, self.named(main, first, second), None),
            libc::SYS_mmap if fourth as i32 & libc::MAP_ANONYMOUS != 0 => {
                (Call::Memory, Some(self.folder.into()), None)
            }
            libc::SYS_mmap => (Call::Map, opened(main, fifth), None),
            _ => return None,
        };
        let path = path.filter(|path| path.starts_with(self.folder))?;
        self.kinds.contains(&call).then_some(Seen { call, path, from })
    }

    /// The path that a call names by where it lies in the program's memory.
    fn named(&self, main: Pid, folder: u64, address: u64) -> Option<PathBuf> {
        let mut bytes = vec![0; libc::PATH_MAX as usize];
        let memory = File::open(format!("/proc/{main}/mem")).ok()?;
        let read = memory.read_at(&mut bytes, address).ok()?;
        let end = bytes[..read].iter().position(|byte| *byte == 0)?;
        let path = PathBuf::from(String::from_utf8(bytes[..end].into()).ok()?);
        let folder = match folder as i32 {
            libc::AT_FDCWD => self.folder.into(),
            _ => opened(main, folder)?,
        };
        Some(folder.join(path))
    }
}

/// The path of an open file.
fn opened(main: Pid, descriptor: u64) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{main}/fd/{}", descriptor as i32)).ok()
}
