use std::io::BufRead as _;
use std::path::Path;

use bias_files::{hex, open_input, stand_in};
use csv::StringRecord;
use sha2::Digest as _;

use super::bytes::{Hash, hashed};
use super::csv_rows::CsvRows;
use super::json_rows::JsonRows;
use super::limits::{MAX_FILE, MAX_ROW};
use crate::StudyError;
use crate::prompts::{Schema, Sheet, bad};

/// A file of rows, read row by row: CSV, or JSON Lines where it begins with `{`.
pub(super) struct Source<'p> {
    rows: Rows<'p>,
    hash: Hash,
}

enum Rows<'p> {
    Csv(CsvRows<'p>),
    Json(JsonRows<'p>),
}

impl<'p> Source<'p> {
    /// Opens a file, and checks its header or its first row.
    pub(super) fn open(
        path: &'p Path,
        schema: &Schema<'_>,
        beside: &[&str],
    ) -> Result<Self, StudyError> {
        let failed = |source| StudyError::Read { path: path.into(), source };
        let file = open_input(path).map_err(failed)?;
        let (mut bytes, hash) = hashed(file);
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
