use std::path::Path;

use bias_files::{hex, stand_in};
use csv::StringRecord;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::columns::Columns;
use crate::StudyError;

/// A CSV file, with the line on which each row began.
pub(crate) struct Rows<T> {
    /// SHA-256 of the file.
    pub sha256: String,
    pub rows: Vec<(u64, T)>,
    /// The values of one more column, if one was asked for.
    pub beside: Vec<String>,
    /// Columns that nothing is read from.
    pub unused: Vec<String>,
}

/// The columns of a kind of CSV file.
pub(crate) struct Schema<'s> {
    /// What a row is, in messages.
    pub rows: &'s str,
    /// Columns that every file has.
    pub needed: &'s [&'s str],
    /// Columns that a file may have.
    pub optional: &'s [&'s str],
}

const MAX_BYTES: u64 = 256 << 20;

pub(crate) fn bad(path: &Path, line: Option<u64>, reason: impl Into<String>) -> StudyError {
    StudyError::Prompts { path: path.into(), line, reason: reason.into() }
}

impl<T: DeserializeOwned> Rows<T> {
    /// Reads a whole file with these columns and at least one row. One more column may be asked for
    /// by its name. Empty rows are skipped; a row with an empty cell in a needed column is refused.
    pub(crate) fn read(
        path: &Path,
        schema: &Schema<'_>,
        column: Option<&str>,
    ) -> Result<Self, StudyError> {
        let failed = |source| StudyError::Read { path: path.into(), source };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
            return Err(bad(path, None, format!("it is larger than {} MiB", MAX_BYTES >> 20)));
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        let sha256 = hex(&Sha256::digest(&bytes));
        if let Some(own) = stand_in(&bytes) {
            return Err(bad(path, None, format!("it holds {}; {}", own.found, own.advice)));
        }
        // Spreadsheets write a byte order mark.
        let mut bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        // Old programs end a file with these.
        while let [rest @ .., 0 | 0x1a | b'\n' | b'\r'] = bytes {
            bytes = rest;
        }
        if let Err(error) = std::str::from_utf8(bytes) {
            let before =
                bytes.iter().take(error.valid_up_to()).filter(|b| **b == b'\n').count() as u64;
            return Err(bad(path, Some(before + 1), "it is not UTF-8 here; save it as UTF-8"));
        }
        if let Some(at) = open_quote(bytes) {
            let reason = "a text between quotes begins here and does not end; close the quotes, and \
                          write quotes within a text twice";
            return Err(bad(path, Some(at), reason));
        }
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::Headers).flexible(true).from_reader(bytes);
        let line = |e: &csv::Error| e.position().map(csv::Position::line);
        let header: StringRecord =
            reader.headers().map_err(|e| bad(path, line(&e), e.to_string()))?.clone();
        let asked = column.filter(|column| !schema.needed.contains(column));
        let needed: Vec<&str> = schema.needed.iter().copied().chain(asked).collect();
        let known = needed.iter().chain(schema.optional).copied().collect();
        let columns = Columns { header: &header, known };
        if let Some(reason) = columns.fault().or_else(|| columns.missing(&needed)) {
            return Err(bad(path, Some(1), reason));
        }
        let place = column.and_then(|column| header.iter().position(|own| own == column));
        let (mut rows, mut beside) = (Vec::new(), Vec::new());
        for record in reader.records() {
            let record = record.map_err(|e| bad(path, line(&e), e.to_string()))?;
            let at = record.position().map_or(0, csv::Position::line);
            // Spreadsheets write rows of nothing but commas.
            if record.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            if record.len() != header.len() {
                let reason = format!(
                    "the row has {} cells, and the header has {}; put texts with commas between quotes",
                    record.len(),
                    header.len()
                );
                return Err(bad(path, Some(at), reason));
            }
            let empty = header
                .iter()
                .zip(&record)
                .find(|(name, cell)| needed.contains(name) && cell.trim().is_empty());
            if let Some((name, _)) = empty {
                let reason = format!("the column `{name}` is empty; fill it in, or delete the row");
                return Err(bad(path, Some(at), reason));
            }
            let row = record
                .deserialize(Some(&header))
                .map_err(|e| bad(path, Some(at), cell_fault(&e, &columns, &record)))?;
            rows.push((at, row));
            beside.extend(place.map(|place| record.get(place).unwrap_or_default().to_owned()));
        }
        if rows.is_empty() {
            return Err(bad(path, None, format!("it holds no {}", schema.rows)));
        }
        Ok(Self { sha256, rows, beside, unused: columns.unused() })
    }
}

/// The line on which a text between quotes begins that does not end.
fn open_quote(bytes: &[u8]) -> Option<u64> {
    let (mut line, mut opened, mut begins) = (1, None, true);
    let mut rest = bytes.iter().peekable();
    while let Some(byte) = rest.next() {
        match (byte, opened) {
            (b'"', Some(_)) if rest.next_if(|next| **next == b'"').is_none() => opened = None,
            (b'"', None) if begins => opened = Some(line),
            _ => {}
        }
        begins = opened.is_none() && matches!(byte, b',' | b'\n' | b'\r');
        line += u64::from(*byte == b'\n');
    }
    opened
}

/// A cell that does not hold what its column is for.
fn cell_fault(error: &csv::Error, columns: &Columns<'_>, record: &StringRecord) -> String {
    let csv::ErrorKind::Deserialize { err, .. } = error.kind() else { return error.to_string() };
    let reason = err.kind().to_string();
    // The reader does not say which cell it was, but quotes it.
    let said = reason.to_lowercase();
    let quoted =
        |cell: &str| !cell.is_empty() && said.contains(&format!("`{}`", cell.to_lowercase()));
    let mut cells = columns.header.iter().zip(record);
    let found = cells.find(|(name, cell)| columns.known.contains(name) && quoted(cell));
    found.map_or_else(|| reason.clone(), |(name, _)| format!("the column `{name}`: {reason}"))
}
