use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use bias_files::{hex, stand_in};
use csv::StringRecord;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::csv_rows::CsvRows;
use super::json_rows::JsonRows;
use crate::StudyError;
use crate::prompts::{Schema, Sheet, bad};

/// The most bytes of a row of a file of answers.
const MAX_ROW: u64 = 4 << 20;

/// The most bytes of such a file.
const MAX_FILE: u64 = 8 << 30;

/// A file, or a row of it, that is not read to its end.
#[derive(Debug, Clone, Copy, Error)]
pub(super) enum TooLong {
    #[error(
        "a row is longer than {} MiB, or a text between quotes does not end; cut the answer, or close the quotes", most >> 20
    )]
    Row { most: u64 },
    #[error("the file is larger than {} GiB; split it", most >> 30)]
    File { most: u64 },
}

/// A file of rows, read row by row: CSV, or JSON Lines where it begins with `{`.
pub(super) struct Source<'p> {
    rows: Rows<'p>,
    hash: Hash,
}

enum Rows<'p> {
    Csv(CsvRows<'p>),
    Json(JsonRows<'p>),
}

/// The bytes of a file, from its beginning.
pub(super) type Bytes = BufReader<Hashed>;

type Hash = Rc<RefCell<Sha256>>;

/// A file whose bytes are hashed as they are read.
pub(super) struct Hashed {
    file: File,
    hash: Hash,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hash.borrow_mut().update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl<'p> Source<'p> {
    /// Opens a file, and checks its header or its first row.
    pub(super) fn open(
        path: &'p Path,
        schema: &Schema<'_>,
        beside: &[&str],
    ) -> Result<Self, StudyError> {
        let failed = |source| StudyError::Read { path: path.into(), source };
        let file = File::open(path).map_err(failed)?;
        let hash = Hash::default();
        let hashed = Hashed { file, hash: hash.clone() };
        let mut bytes = BufReader::with_capacity(1 << 16, hashed);
        let first = bytes.fill_buf().map_err(failed)?;
        if let Some(own) = stand_in(first) {
            return Err(bad(path, None, format!("it holds {}; {}", own.found, own.advice)));
        }
        // Spreadsheets write a byte order mark.
        if first.starts_with(b"\xef\xbb\xbf") {
            bytes.consume(3);
        }
        let first = bytes.fill_buf().map_err(failed)?;
        let most = [MAX_ROW, MAX_FILE];
        let rows = match first.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None if first.len() < 1 << 15 => return Err(bad(path, None, schema.nothing())),
            Some(b'[') => {
                let reason = "it is a list in JSON; write one object per line (JSON Lines), or CSV";
                return Err(bad(path, Some(1), reason));
            }
            Some(b'{') => Rows::Json(JsonRows::open(path, bytes, schema, beside, most)?),
            _ => Rows::Csv(CsvRows::open(path, bytes, schema, beside, most)?),
        };
        Ok(Self { rows, hash })
    }

    /// The next row's line; `None` behind the last.
    pub(super) fn next(&mut self, record: &mut StringRecord) -> Result<Option<u64>, StudyError> {
        match &mut self.rows {
            Rows::Csv(own) => own.next(record),
            Rows::Json(own) => own.next(record),
        }
    }

    pub(super) fn sheet(&self) -> &Sheet {
        match &self.rows {
            Rows::Csv(own) => &own.sheet,
            Rows::Json(own) => &own.sheet,
        }
    }

    /// The columns that nothing is read from.
    pub(super) fn unused(&self) -> Vec<String> {
        match &self.rows {
            Rows::Csv(own) => own.sheet.unused(),
            Rows::Json(own) => own.unused.iter().cloned().collect(),
        }
    }

    /// SHA-256 of the file, as far as it was read.
    pub(super) fn sha256(&self) -> String {
        hex(&self.hash.borrow().clone().finalize())
    }
}
