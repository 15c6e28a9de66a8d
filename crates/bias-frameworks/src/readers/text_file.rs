use std::path::{Path, PathBuf};

use bias_files::{hex, read_input};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::error::FrameworkError;

const MAX_BYTES: u64 = 1 << 30;

/// A file as text.
pub(super) struct TextFile {
    pub path: PathBuf,
    pub sha256: String,
    pub text: String,
}

impl TextFile {
    pub(super) fn read(path: &Path) -> Result<Self, FrameworkError> {
        let failed = |source| FrameworkError::Read { path: path.into(), source };
        let bad = |line, reason: String| FrameworkError::Schema { path: path.into(), line, reason };
        let bytes = read_input(path, MAX_BYTES).map_err(failed)?;
        let sha256 = hex(&Sha256::digest(&bytes));
        // Spreadsheets write a byte order mark.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.iter().take(error.valid_up_to()).filter(|b| **b == b'\n').count();
            bad(Some(before as u64 + 1), "it is not UTF-8 here; save it as UTF-8".into())
        })?;
        Ok(Self { path: path.into(), sha256, text: text.to_owned() })
    }

    /// The name without its last extension.
    pub(super) fn stem(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    pub(super) fn bad(&self, line: Option<u64>, reason: impl Into<String>) -> FrameworkError {
        FrameworkError::Schema { path: self.path.clone(), line, reason: reason.into() }
    }

    /// The lines that are not empty, with their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u64, &str)> {
        (1..).zip(self.text.lines()).filter(|(_, line)| !line.trim().is_empty())
    }

    /// A JSON value on each line.
    pub(super) fn json_lines<T: DeserializeOwned>(&self) -> Result<Vec<(u64, T)>, FrameworkError> {
        let parse = |(number, line): (u64, &str)| {
            let row = serde_json::from_str(line)
                .map_err(|error| self.bad(Some(number), error.to_string()))?;
            Ok((number, row))
        };
        self.lines().map(parse).collect()
    }

    /// The rows of a table with a header.
    pub(super) fn table<T: DeserializeOwned>(
        &self,
        delimiter: u8,
    ) -> Result<Vec<(u64, T)>, FrameworkError> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .quoting(delimiter == b',')
            .from_reader(self.text.as_bytes());
        let header = reader.headers()?.clone();
        let mut rows = Vec::new();
        for record in reader.records() {
            let line = |error: &csv::Error| error.position().map(csv::Position::line);
            let record = record.map_err(|error| self.bad(line(&error), error.to_string()))?;
            let number = record.position().map(csv::Position::line);
            if record.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            let row = record.deserialize(Some(&header)).map_err(|error| {
                self.bad(
                    number,
                    match error.kind() {
                        csv::ErrorKind::Deserialize { err, .. } => format!(
                            "{}; the header is `{}`",
                            err.kind(),
                            header.iter().collect::<Vec<_>>().join(",")
                        ),
                        _ => error.to_string(),
                    },
                )
            })?;
            rows.push((number.unwrap_or(0), row));
        }
        Ok(rows)
    }
}
