use std::path::Path;

use bias_files::{hex, read_input, stand_in};
use csv::StringRecord;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::sheet::{Schema, Sheet};
use crate::StudyError;

/// A CSV file, with the line on which each row began.
pub(crate) struct Rows<T> {
    /// SHA-256 of the file.
    pub sha256: String,
    pub rows: Vec<(u64, T)>,
    /// The values of the other columns that were asked for, by row, in their order.
    pub beside: Vec<Vec<String>>,
    /// Columns that nothing is read from.
    pub unused: Vec<String>,
}

const MAX_BYTES: u64 = 256 << 20;

pub(crate) fn bad(path: &Path, line: Option<u64>, reason: impl Into<String>) -> StudyError {
    StudyError::Prompts { path: path.into(), line, reason: reason.into() }
}

impl<T: DeserializeOwned> Rows<T> {
    /// Reads a whole file with these columns and at least one row. More columns may be asked for by
    /// their names. Empty rows are skipped; a row with an empty cell in a needed column is refused.
    pub(crate) fn read(
        path: &Path,
        schema: &Schema<'_>,
        columns_beside: &[&str],
    ) -> Result<Self, StudyError> {
        let failed = |source| StudyError::Read { path: path.into(), source };
        let bytes = read_input(path, MAX_BYTES).map_err(failed)?;
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
        let mut lines = Lines::of(bytes);
        if let Err(error) = std::str::from_utf8(bytes) {
            let at = lines.at(error.valid_up_to());
            return Err(bad(path, Some(at), "it is not UTF-8 here; save it as UTF-8"));
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(bad(path, None, schema.nothing()));
        }
        if let Some(at) = open_quote(bytes) {
            let reason = "a text between quotes begins here and does not end; close the quotes, and \
                          write quotes within a text twice";
            return Err(bad(path, Some(lines.at(at)), reason));
        }
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::Headers).flexible(true).from_reader(bytes);
        let mut line = |at: Option<&csv::Position>| at.map(|own| lines.of_row(own.byte() as usize));
        let header: StringRecord =
            reader.headers().map_err(|e| bad(path, line(e.position()), e.to_string()))?.clone();
        let sheet = Sheet::of(header.clone(), schema, columns_beside)
            .map_err(|reason| bad(path, line(header.position()), reason))?;
        let (mut rows, mut beside) = (Vec::new(), Vec::new());
        for record in reader.records() {
            let record = record.map_err(|e| bad(path, line(e.position()), e.to_string()))?;
            let at = line(record.position()).unwrap_or(0);
            let refused = |reason: String| bad(path, Some(at), reason);
            if sheet.holds_row(&record).map_err(refused)? {
                rows.push((at, sheet.row(&record).map_err(refused)?));
                beside.push(sheet.beside(&record));
            }
        }
        if rows.is_empty() {
            return Err(bad(path, None, format!("it holds no {}", schema.rows)));
        }
        Ok(Self { sha256, rows, beside, unused: sheet.unused() })
    }
}

/// The lines of a text, counted from 1, whatever ends them: `\n`, `\r\n` or `\r`. Places are asked
/// for in the order of the text, so that all of it is looked at once.
struct Lines<'t> {
    text: &'t [u8],
    /// The place up to which lines are counted, and the line there.
    known: (usize, u64),
}

impl<'t> Lines<'t> {
    fn of(text: &'t [u8]) -> Self {
        Self { text, known: (0, 1) }
    }

    /// The line of a place.
    fn at(&mut self, place: usize) -> u64 {
        let (mut from, mut line) = self.known;
        if from > place {
            (from, line) = (0, 1);
        }
        for at in from..place.min(self.text.len()) {
            let ends = match self.text[at] {
                b'\n' => true,
                b'\r' => self.text.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            line += u64::from(ends);
        }
        self.known = (place, line);
        line
    }

    /// The line on which a row begins that the reader found behind this place: it counts the rest of
    /// the line before, and empty lines, to the row.
    fn of_row(&mut self, place: usize) -> u64 {
        let ends = |own: &&u8| matches!(own, b'\r' | b'\n');
        let skipped = self.text.iter().skip(place).take_while(ends).count();
        self.at(place + skipped)
    }
}

/// Where a text between quotes begins that does not end.
fn open_quote(bytes: &[u8]) -> Option<usize> {
    let (mut opened, mut begins) = (None, true);
    let mut rest = bytes.iter().enumerate().peekable();
    while let Some((at, byte)) = rest.next() {
        match (byte, opened) {
            (b'"', Some(_)) if rest.next_if(|(_, next)| **next == b'"').is_none() => opened = None,
            (b'"', None) if begins => opened = Some(at),
            _ => {}
        }
        begins = opened.is_none() && matches!(byte, b',' | b'\n' | b'\r');
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_on_the_lines_that_an_editor_shows() {
        // A cell over two lines, an empty line, and rows behind both.
        let rows = "a,b|1,2|\"x|y\",3||5,6|7,8|";
        for end in ["\n", "\r\n", "\r"] {
            let text = rows.replace('|', end);
            let mut lines = Lines::of(text.as_bytes());
            let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
            let found: Vec<u64> = reader
                .records()
                .map(|own| lines.of_row(own.unwrap().position().unwrap().byte() as usize))
                .collect();
            assert_eq!(found, [2, 3, 6, 7], "{end:?}");
            assert_eq!(lines.at(0), 1);
        }
    }
}
