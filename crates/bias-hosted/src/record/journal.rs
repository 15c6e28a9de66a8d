use std::collections::HashMap;
use std::fmt::Display;
use std::fs::{File, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bias_files::{hex, open_file_with};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::key::Name;
use crate::error::HostedError;
use crate::http::MOST_BYTES;

/// What a record is of. A run of something else is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Of {
    /// The form of the file.
    pub record: String,
    /// The server's address.
    pub url: String,
    /// The protocol.
    pub protocol: String,
    /// The model's name.
    pub model: String,
    /// How answers are drawn and how long they may be, in words.
    pub settings: String,
}

impl Of {
    /// The form that this version writes.
    pub const FORMAT: &'static str = "bias-hosted/1";

    fn parts(&self) -> [(&'static str, &str); 5] {
        [
            ("the form", &self.record),
            ("the server", &self.url),
            ("the protocol", &self.protocol),
            ("the model", &self.model),
            ("the settings", &self.settings),
        ]
    }
}

/// A line of a response.
#[derive(Serialize)]
struct Written<'a> {
    key: String,
    draw: u32,
    at: String,
    /// [`hash`] of the response.
    sha256: String,
    response: &'a Value,
}

#[derive(Deserialize)]
struct Line {
    key: Option<String>,
    learnt: Option<Value>,
}

#[derive(Deserialize)]
struct Kept {
    at: String,
    /// Missing in records of earlier versions.
    sha256: Option<String>,
    response: Value,
}

/// A response that was kept.
#[derive(Debug, Clone)]
pub struct Response {
    /// When it came.
    pub at: Timestamp,
    /// Its body.
    pub body: Value,
}

/// The record of a run. Threads may share it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    inner: Mutex<Inner>,
    /// Whether the last line was torn, and dropped.
    torn: bool,
}

#[derive(Debug)]
struct Inner {
    file: File,
    end: u64,
    /// Where the line of each response begins. Half of a name tells requests apart, and there may be
    /// millions.
    index: HashMap<[u8; 16], u64>,
    learnt: Option<Value>,
    synced: Instant,
}

/// Lines are synced to the disk this often.
const SYNC: Duration = Duration::from_secs(1);
/// No line is longer: a response and what stands around it. Text that JSON escapes may be longer
/// than it was.
const LONGEST_LINE: u64 = 8 * MOST_BYTES;

impl Journal {
    /// Opens a record, or begins one.
    ///
    /// # Errors
    /// [`HostedError::Record`], also if another run writes to it; [`HostedError::OtherRecord`];
    /// [`HostedError::Damaged`].
    pub fn open(path: &Path, of: &Of) -> Result<Self, HostedError> {
        let failed = |source| HostedError::Record { path: path.into(), source };
        let file = open_file_with(path, File::options().read(true).append(true).create(true));
        let mut file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(failed(io::Error::other("another run writes to it")));
            }
            // Some file systems have no locks.
            Err(TryLockError::Error(_)) => {}
        }
        let mut read = Reading { path, of, index: HashMap::new(), learnt: None };
        let (end, torn) = read.all(&file)?;
        let Reading { index, learnt, .. } = read;
        if torn {
            file.set_len(end).map_err(failed)?;
        }
        let mut end = end;
        if end == 0 {
            let line = line_of(of).map_err(failed)?;
            file.write_all(&line).and_then(|()| file.sync_all()).map_err(failed)?;
            end = line.len() as u64;
        }
        let inner = Inner { file, end, index, learnt, synced: Instant::now() };
        Ok(Self { path: path.into(), inner: Mutex::new(inner), torn })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: io::Error) -> HostedError {
        HostedError::Record { path: self.path.clone(), source }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the last line was torn, as a killed run leaves it, and dropped.
    #[must_use]
    pub fn was_torn(&self) -> bool {
        self.torn
    }

    /// The number of responses.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner().index.len()
    }

    /// Whether it has no response.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The response to a request, if it is known.
    pub(crate) fn get(&self, name: &Name) -> Result<Option<Response>, HostedError> {
        let bytes = {
            let mut own = self.inner();
            let Some(start) = own.index.get(&name.half()).copied() else { return Ok(None) };
            let mut bytes = Vec::new();
            let read = own.file.seek(SeekFrom::Start(start));
            let read = read.and_then(|_| {
                let mut line = BufReader::new(&own.file).take(LONGEST_LINE);
                line.read_until(b'\n', &mut bytes)
            });
            read.map_err(|error| self.failed(error))?;
            bytes
        };
        let odd = |error: &dyn Display| {
            let key = name.text();
            let error = format!("the response with the key {key} cannot be read: {error}");
            self.failed(io::Error::new(io::ErrorKind::InvalidData, error))
        };
        let own: Kept = serde_json::from_slice(&bytes).map_err(|error| odd(&error))?;
        if own.sha256.is_some_and(|known| known != hash(&own.response)) {
            return Err(odd(&"it does not match its own hash; delete its line to ask again"));
        }
        let at = own.at.parse().map_err(|error: jiff::Error| odd(&error))?;
        Ok(Some(Response { at, body: own.response }))
    }

    /// Keeps a response. The line has left the program when this returns.
    pub(crate) fn put(
        &self,
        name: Name,
        draw: u32,
        at: Timestamp,
        response: &Value,
    ) -> Result<(), HostedError> {
        let (key, at, sha256) = (name.text(), at.to_string(), hash(response));
        let line = line_of(&Written { key, draw, at, sha256, response });
        let line = line.map_err(|error| self.failed(error))?;
        let mut own = self.inner();
        let start = own.append(&line).map_err(|error| self.failed(error))?;
        own.index.entry(name.half()).or_insert(start);
        Ok(())
    }

    /// What was learnt of the server last.
    pub(crate) fn learnt(&self) -> Option<Value> {
        self.inner().learnt.clone()
    }

    /// Keeps what was learnt of the server.
    pub(crate) fn learn(&self, learnt: &Value) -> Result<(), HostedError> {
        let line = line_of(&serde_json::json!({ "learnt": learnt }));
        let line = line.map_err(|error| self.failed(error))?;
        let mut own = self.inner();
        own.append(&line).map_err(|error| self.failed(error))?;
        own.learnt = Some(learnt.clone());
        Ok(())
    }

    /// Brings everything to the disk.
    pub(crate) fn sync(&self) -> Result<(), HostedError> {
        self.inner().file.sync_data().map_err(|error| self.failed(error))
    }
}

impl Inner {
    fn append(&mut self, line: &[u8]) -> io::Result<u64> {
        let start = self.end;
        if let Err(error) = self.file.write_all(line) {
            // A disk that is full leaves half a line, which the next must not continue.
            drop(self.file.set_len(start));
            return Err(error);
        }
        self.end += line.len() as u64;
        if self.synced.elapsed() >= SYNC {
            self.file.sync_data()?;
            self.synced = Instant::now();
        }
        Ok(start)
    }
}

/// SHA-256 of a value as it is written.
fn hash(value: &Value) -> String {
    hex(&Sha256::digest(value.to_string()))
}

fn line_of(own: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(own)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads a record from its beginning.
struct Reading<'r> {
    path: &'r Path,
    of: &'r Of,
    index: HashMap<[u8; 16], u64>,
    learnt: Option<Value>,
}

impl Reading<'_> {
    /// Where the last whole line ends, and whether something stands behind it.
    fn all(&mut self, file: &File) -> Result<(u64, bool), HostedError> {
        let failed = |source| HostedError::Record { path: self.path.into(), source };
        let mut lines = BufReader::new(file);
        let (mut line, mut end) = (Vec::new(), 0);
        for number in 1.. {
            line.clear();
            let found = (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line);
            if found.map_err(failed)? == 0 {
                break;
            }
            let Some(whole) = line.strip_suffix(b"\n") else {
                if line.len() as u64 >= LONGEST_LINE {
                    return Err(self.damaged(number, "it is longer than any response"));
                }
                // Only what this run would have written may be a line that was torn; any other file is
                // somebody's.
                let begun = || line_of(self.of).map_err(failed);
                if number == 1 && !begun()?.starts_with(&line) {
                    return Err(self.damaged(number, "it does not begin a record of responses"));
                }
                return Ok((end, true));
            };
            if number == 1 {
                self.check(whole)?;
            } else {
                self.add(number, whole, end)?;
            }
            end += line.len() as u64;
        }
        Ok((end, false))
    }

    fn damaged(&self, line: usize, reason: impl ToString) -> HostedError {
        HostedError::Damaged { path: self.path.into(), line, reason: reason.to_string() }
    }

    fn check(&self, line: &[u8]) -> Result<(), HostedError> {
        let own: Of = serde_json::from_slice(line)
            .map_err(|_| self.damaged(1, "it does not begin a record of responses"))?;
        for ((what, found), (_, expected)) in own.parts().into_iter().zip(self.of.parts()) {
            if found != expected {
                let (found, expected) = (found.into(), expected.into());
                return Err(HostedError::OtherRecord {
                    path: self.path.into(),
                    what,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }

    fn add(&mut self, at: usize, line: &[u8], start: u64) -> Result<(), HostedError> {
        let own: Line = serde_json::from_slice(line).map_err(|error| self.damaged(at, error))?;
        if let Some(learnt) = own.learnt {
            self.learnt = Some(learnt);
            return Ok(());
        }
        let name = own.key.as_deref().and_then(Name::parse);
        let name = name.ok_or_else(|| self.damaged(at, "it has no key"))?;
        // The first answer to a question is its answer.
        self.index.entry(name.half()).or_insert(start);
        Ok(())
    }
}
