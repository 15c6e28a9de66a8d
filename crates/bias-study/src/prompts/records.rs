use std::path::Path;

use bias_files::hex;
use csv::StringRecord;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::StudyError;

/// A CSV file, with the line on which each row began.
pub(crate) struct Rows<T> {
    /// SHA-256 of the file.
    pub sha256: String,
    pub rows: Vec<(u64, T)>,
    /// The values of one more column, if one was asked for.
    pub beside: Vec<String>,
}

const MAX_BYTES: u64 = 256 << 20;

pub(crate) fn bad(path: &Path, line: Option<u64>, reason: impl Into<String>) -> StudyError {
    StudyError::Prompts { path: path.into(), line, reason: reason.into() }
}

impl<T: DeserializeOwned> Rows<T> {
    /// Reads a whole file with these columns and at least one row. `what` names its rows in
    /// messages. One more column may be asked for by its name.
    pub(crate) fn read(
        path: &Path,
        needed: &[&str],
        what: &str,
        column: Option<&str>,
    ) -> Result<Self, StudyError> {
        let failed = |source| StudyError::Read { path: path.into(), source };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
            return Err(bad(path, None, format!("it is larger than {} MiB", MAX_BYTES >> 20)));
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        let sha256 = hex(&Sha256::digest(&bytes));
        // Spreadsheets write a byte order mark.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        if let Err(error) = std::str::from_utf8(bytes) {
            let before =
                bytes.iter().take(error.valid_up_to()).filter(|b| **b == b'\n').count() as u64;
            return Err(bad(path, Some(before + 1), "it is not UTF-8 here; save it as UTF-8"));
        }
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(bytes);
        let line = |e: &csv::Error| e.position().map(csv::Position::line);
        let header: StringRecord =
            reader.headers().map_err(|e| bad(path, line(&e), e.to_string()))?.clone();
        let asked = column.filter(|column| !needed.contains(column));
        let all = needed.iter().copied().chain(asked);
        let missing: Vec<&str> = all.filter(|n| !header.iter().any(|h| h == *n)).collect();
        if !missing.is_empty() {
            let found = header.iter().collect::<Vec<_>>().join(",");
            let reason =
                format!("missing columns: {}; the header is `{found}`", missing.join(", "));
            return Err(bad(path, Some(1), reason));
        }
        let place = column.and_then(|column| header.iter().position(|own| own == column));
        let (mut rows, mut beside) = (Vec::new(), Vec::new());
        for record in reader.records() {
            let record = record.map_err(|e| bad(path, line(&e), e.to_string()))?;
            let at = record.position().map_or(0, csv::Position::line);
            let row = record
                .deserialize(Some(&header))
                .map_err(|e| bad(path, Some(at), e.to_string()))?;
            rows.push((at, row));
            beside.extend(place.map(|place| record.get(place).unwrap_or_default().to_owned()));
        }
        if rows.is_empty() {
            return Err(bad(path, None, format!("it holds no {what}")));
        }
        Ok(Self { sha256, rows, beside })
    }
}
