//! Finished pieces of work, each kept once.

use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bias_files::{create_folder, hex, read_file};
use bias_mask::{Mask, MaskError};
use bias_types::prompt::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::folder::{FIGURES, MASKS, PIECES, PROVENANCE, clear, lock};
use super::provenance::Provenance;
use super::record::Record;
use crate::StudyError;
use crate::plan::{DialJob, Job};
use crate::save::{LARGEST, write};
use crate::shard::Shard;

/// A piece of work of a study.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Piece<'a> {
    /// The unpruned model's answers in a context.
    Answers(&'a Context),
    /// Perplexity on neutral text, of the unpruned model or a changed one.
    Perplexity(Option<&'a str>),
    /// The masks and changes that a job found.
    Found(&'a Job),
    /// A changed model's answers to some variations, as numbers.
    Tested(&'a str, Vec<(&'a Context, &'a str)>),
    /// The items of a benchmark without their texts, by their digest.
    AlsoItems(&'a str),
    /// The scores of these items, by the digest of their texts, of the unpruned model or a changed
    /// one.
    Also(&'a str, Option<&'a str>),
    /// The changes of a generalization job, one for each limit of damage.
    Dialled(&'a DialJob),
    /// A changed model's answers to the variations that an approach sees, about the people that it
    /// sees, as numbers; with shuffled groups or not.
    Seen(&'a str, Vec<(&'a Context, &'a str)>, bool),
    /// What a gate between the masks of these homes chooses for every question.
    Gate(&'a [Context]),
    /// The homes that were chosen among these when a run with this limit, in minutes, began.
    Homes(&'a [Context], f64),
}

/// The place of finished pieces: a folder, or memory for a study that is never continued.
///
/// A piece's name is the hash of everything that decides its content. So it is never computed
/// twice, never mistaken for another study's, and the same whoever computes it.
#[derive(Debug)]
pub(crate) struct Store {
    study: String,
    kept: Kept,
    /// The pieces that this process has made.
    made: AtomicU64,
}

#[derive(Debug)]
enum Kept {
    Memory(Mutex<HashMap<String, Vec<u8>>>, Mutex<HashMap<String, Mask>>),
    Folder {
        folder: PathBuf,
        /// The lock, held as long as the store exists.
        _lock: Option<File>,
    },
}

impl Store {
    pub(crate) fn in_memory(provenance: &Provenance) -> Result<Self, StudyError> {
        Ok(Self {
            study: provenance.id()?,
            kept: Kept::Memory(Mutex::default(), Mutex::default()),
            made: AtomicU64::new(0),
        })
    }

    /// Opens the folder of a study that may have been begun. Pieces of other studies are ignored.
    /// Parts of one study may share a folder; a whole study has it to itself.
    pub(crate) fn open(
        folder: &Path,
        provenance: &Provenance,
        shard: Option<Shard>,
    ) -> Result<Self, StudyError> {
        let failed = |source| StudyError::Write { path: folder.into(), source };
        for part in [PIECES, MASKS] {
            create_folder(&folder.join(part)).map_err(failed)?;
        }
        let lock = lock(folder, shard.is_some())?;
        let known = folder.join(PROVENANCE);
        let begun = known
            .try_exists()
            .map_err(|source| StudyError::Read { path: known.clone(), source })?;
        let mut same = false;
        if begun {
            let found = Provenance::load(&known)?;
            found.check(provenance, folder)?;
            same = found == *provenance;
        }
        // What the model is called may be new: results and folder say the same name.
        if !same {
            write(&known, &provenance.to_json()?)?;
        }
        if shard.is_none() && lock.is_some() {
            // Nobody else writes here now: what a killed run left half-written is of no use.
            for part in ["", PIECES, MASKS, FIGURES] {
                clear(&folder.join(part)).map_err(failed)?;
            }
        }
        Ok(Self {
            study: provenance.id()?,
            kept: Kept::Folder { folder: folder.into(), _lock: lock },
            made: AtomicU64::new(0),
        })
    }

    /// Opens a folder only for reading.
    pub(crate) fn reading(folder: &Path, provenance: &Provenance) -> Result<Self, StudyError> {
        Ok(Self {
            study: provenance.id()?,
            kept: Kept::Folder { folder: folder.into(), _lock: None },
            made: AtomicU64::new(0),
        })
    }

    /// Leaves its folder, if it has one, and forgets its pieces: what follows belongs to another
    /// model.
    pub(crate) fn forget(&mut self) {
        self.kept = Kept::Memory(Mutex::default(), Mutex::default());
    }

    /// A piece's content, if it is finished.
    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        piece: &Piece<'_>,
    ) -> Result<Option<T>, StudyError> {
        let (name, own) = (self.name(piece)?, json(piece)?);
        let (path, bytes) = match &self.kept {
            Kept::Memory(pieces, _) => (PathBuf::from(&name), open(pieces).get(&name).cloned()),
            Kept::Folder { folder, .. } => {
                let path = folder.join(PIECES).join(&name);
                match read_file(&path, LARGEST) {
                    Ok(bytes) => (path, Some(bytes)),
                    Err(source) if source.kind() == ErrorKind::NotFound => (path, None),
                    Err(source) => return Err(StudyError::Read { path, source }),
                }
            }
        };
        let Some(bytes) = bytes else { return Ok(None) };
        let record = Record::<T>::of_bytes(&path, &bytes)?;
        if record.study != self.study || record.piece != own {
            let reason = "it is not the piece that its name says".into();
            return Err(StudyError::Damaged { path, reason });
        }
        Ok(Some(record.content))
    }

    /// The content of a piece that must exist.
    pub(crate) fn finished<T: DeserializeOwned>(&self, piece: &Piece<'_>) -> Result<T, StudyError> {
        let name = json(piece)?.to_string();
        self.get(piece)?.ok_or(StudyError::Unfinished { piece: name })
    }

    /// The error of a piece with unexpected content.
    pub(crate) fn damaged(&self, piece: &Piece<'_>, reason: &str) -> StudyError {
        match self.name(piece) {
            Ok(name) => StudyError::Damaged {
                path: self.path(&Path::new(PIECES).join(name)),
                reason: reason.into(),
            },
            Err(error) => error,
        }
    }

    pub(crate) fn has(&self, piece: &Piece<'_>) -> Result<bool, StudyError> {
        let name = self.name(piece)?;
        match &self.kept {
            Kept::Memory(pieces, _) => Ok(open(pieces).contains_key(&name)),
            Kept::Folder { folder, .. } => {
                let path = folder.join(PIECES).join(name);
                path.try_exists().map_err(|source| StudyError::Read { path, source })
            }
        }
    }

    /// How many pieces this process has made; the rest were there.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Keeps a finished piece, whole or not at all.
    pub(crate) fn put<T: Serialize>(
        &self,
        piece: &Piece<'_>,
        content: T,
    ) -> Result<(), StudyError> {
        let name = self.name(piece)?;
        self.made.fetch_add(1, Ordering::Relaxed);
        let record = Record { study: self.study.clone(), piece: json(piece)?, content };
        let bytes = record
            .to_bytes()
            .map_err(|e| StudyError::Write { path: PathBuf::from(&name), source: e.into() })?;
        match &self.kept {
            Kept::Memory(pieces, _) => {
                open(pieces).insert(name, bytes);
                Ok(())
            }
            Kept::Folder { folder, .. } => write(&folder.join(PIECES).join(name), &bytes),
        }
    }

    /// A mask by the name that [`keep`](Self::keep) gave it.
    pub(crate) fn mask(&self, name: &str) -> Result<Mask, StudyError> {
        match &self.kept {
            Kept::Memory(_, masks) => open(masks)
                .get(name)
                .cloned()
                .ok_or_else(|| StudyError::Unfinished { piece: format!("mask {name}") }),
            Kept::Folder { folder, .. } => Ok(Mask::load(&folder.join(MASKS).join(name), None)?),
        }
    }

    /// Whether a mask exists and has this digest. A damaged file does not.
    ///
    /// # Errors
    /// A file that exists but cannot be read.
    pub(crate) fn is_mask(&self, name: &str, digest: &str) -> Result<bool, StudyError> {
        match self.mask(name) {
            Ok(mask) => Ok(mask.digest() == digest),
            Err(StudyError::Mask(MaskError::Io { source, .. }))
                if source.kind() != ErrorKind::NotFound =>
            {
                let path = Path::new(MASKS).join(name);
                Err(StudyError::Read { path: self.path(&path), source })
            }
            Err(StudyError::Mask(_) | StudyError::Unfinished { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn path(&self, own: &Path) -> PathBuf {
        match &self.kept {
            Kept::Memory(..) => own.into(),
            Kept::Folder { folder, .. } => folder.join(own),
        }
    }

    /// Keeps a mask under a name made of its description and a hash of both. The same mask of two
    /// strategies is kept twice.
    pub(crate) fn keep(
        &self,
        strategy: &str,
        digest: &str,
        mask: Mask,
    ) -> Result<String, StudyError> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || ".-%".contains(c) { c } else { '_' };
        let readable: String = strategy.chars().map(plain).take(150).collect();
        // Names of contexts that differ in other letters only would meet in one file.
        let hash = Sha256::new().chain_update(strategy).chain_update(digest).finalize();
        let name = format!("{readable}_{}.safetensors", hex(&hash[..4]));
        match &self.kept {
            Kept::Memory(_, masks) => {
                open(masks).insert(name.clone(), mask);
            }
            Kept::Folder { folder, .. } => mask.save(&folder.join(MASKS).join(&name))?,
        }
        Ok(name)
    }

    /// The file name of a piece of this study.
    pub(crate) fn name(&self, piece: &Piece<'_>) -> Result<String, StudyError> {
        Ok(piece_name(&self.study, &json(piece)?))
    }
}

/// The file name of a piece of a study.
pub(crate) fn piece_name(study: &str, piece: &serde_json::Value) -> String {
    let hash = Sha256::new().chain_update(study).chain_update(piece.to_string()).finalize();
    hex(&hash) + ".json"
}

fn json(piece: &Piece<'_>) -> Result<serde_json::Value, StudyError> {
    serde_json::to_value(piece)
        .map_err(|e| StudyError::Write { path: Path::new(PIECES).into(), source: e.into() })
}

fn open<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
