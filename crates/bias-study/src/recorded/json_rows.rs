use std::collections::BTreeSet;
use std::io::{BufRead as _, Read as _};
use std::path::Path;

use csv::StringRecord;
use serde_json::{Map, Value};

use super::bytes::Bytes;
use super::limits::TooLong;
use crate::StudyError;
use crate::prompts::{Schema, Sheet, bad};

/// A row with the number of its line, from 1.
type Numbered = (u64, Map<String, Value>);

/// As many keys that nothing is read from are named.
const NAMED: usize = 20;

/// The rows of a JSON Lines file: an object on each line, with columns as its keys.
pub(super) struct JsonRows<'p> {
    path: &'p Path,
    bytes: Bytes,
    most: [u64; 2],
    passed: u64,
    line: u64,
    /// The row that was read to look at its keys.
    first: Option<(u64, Map<String, Value>)>,
    columns: Vec<String>,
    /// Keys that every object has.
    there: Vec<String>,
    pub(super) sheet: Sheet,
    pub(super) unused: BTreeSet<String>,
}

impl<'p> JsonRows<'p> {
    pub(super) fn open(
        path: &'p Path,
        bytes: Bytes,
        schema: &Schema<'_>,
        beside: &[&str],
        most: [u64; 2],
    ) -> Result<Self, StudyError> {
        let mut columns: Vec<String> = Vec::new();
        for name in schema.columns().chain(beside.iter().copied()) {
            if !columns.iter().any(|own| own == name) {
                columns.push(name.to_owned());
            }
        }
        let refused = |line, reason| bad(path, Some(line), reason);
        let sheet = Sheet::of(columns.iter().collect(), schema, beside)
            .map_err(|reason| refused(1, reason))?;
        let there = schema.needed.iter().chain(schema.blank).chain(beside);
        let there = there.map(|own| (*own).to_owned()).collect();
        let (passed, line, first) = (0, 0, None);
        let unused = BTreeSet::new();
        let mut own =
            Self { path, bytes, most, passed, line, first, columns, there, sheet, unused };
        own.first = own.object()?;
        if let Some((line, object)) = &own.first {
            let keys: StringRecord = object.keys().collect();
            let columns = Sheet::of(keys, schema, beside);
            own.unused.extend(columns.map_err(|reason| refused(*line, reason))?.unused());
        }
        Ok(own)
    }

    pub(super) fn next(&mut self, record: &mut StringRecord) -> Result<Option<u64>, StudyError> {
        let found = match self.first.take() {
            Some(first) => Some(first),
            None => self.object()?,
        };
        let Some((line, object)) = found else { return Ok(None) };
        let refused = |reason: String| bad(self.path, Some(line), reason);
        if let Some(key) = self.there.iter().find(|key| !object.contains_key(*key)) {
            return Err(refused(format!("it has no `{key}`; the keys are {}", keys(&object))));
        }
        for key in object.keys().filter(|key| !self.columns.contains(key)) {
            if self.unused.len() < NAMED && !self.unused.contains(key) {
                self.unused.insert(key.clone());
            }
        }
        record.clear();
        for column in &self.columns {
            let cell = object.get(column).map_or(Ok(String::new()), |value| cell(column, value));
            record.push_field(&cell.map_err(refused)?);
        }
        match self.sheet.holds_row(record) {
            Ok(true) => Ok(Some(line)),
            Ok(false) => Err(refused("it says nothing; delete the line".into())),
            Err(reason) => Err(refused(reason)),
        }
    }

    /// The next line that is not empty.
    fn object(&mut self) -> Result<Option<Numbered>, StudyError> {
        let [row, file] = self.most;
        loop {
            self.line += 1;
            let (line, mut text) = (self.line, Vec::new());
            let refused = |reason: String| bad(self.path, Some(line), reason);
            let count = self
                .bytes
                .by_ref()
                .take(row + 1)
                .read_until(b'\n', &mut text)
                .map_err(|source| StudyError::Read { path: self.path.into(), source })?;
            self.passed += count as u64;
            if count == 0 {
                return Ok(None);
            }
            if count as u64 > row {
                return Err(refused(TooLong::Row { most: row }.to_string()));
            }
            if self.passed > file {
                return Err(refused(TooLong::File { most: file }.to_string()));
            }
            let own = text.trim_ascii();
            if own.is_empty() || own.iter().all(|byte| matches!(byte, 0 | 0x1a)) {
                continue;
            }
            if std::str::from_utf8(own).is_err() {
                return Err(refused("it is not UTF-8; save the file as UTF-8".into()));
            }
            return match serde_json::from_slice::<Map<String, Value>>(own) {
                Ok(object) => Ok(Some((line, object))),
                Err(error) if error.is_eof() && !text.ends_with(b"\n") => Err(refused(
                    "the last line was cut off while it was written; delete it to go on without it"
                        .into(),
                )),
                Err(error) => Err(refused(format!(
                    "it is no object in JSON ({error}); write one object on each line"
                ))),
            };
        }
    }
}

fn keys(object: &Map<String, Value>) -> String {
    object
        .keys()
        .take(NAMED)
        .map(|key| key.escape_debug().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

/// A value as a cell would say it.
fn cell(column: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Bool(own) => Ok(own.to_string()),
        Value::Number(own) => Ok(own.to_string()),
        Value::String(own) => Ok(own.clone()),
        Value::Array(_) | Value::Object(_) => {
            Err(format!("`{column}` is a list or an object; write a text or a number"))
        }
    }
}
