use std::path::Path;

use csv::{ErrorKind, StringRecord};

use super::bytes::Bytes;
use super::limits::TooLong;
use super::lined::Lined;
use crate::StudyError;
use crate::prompts::{Schema, Sheet, bad};

/// The rows of a CSV file.
pub(super) struct CsvRows<'p> {
    path: &'p Path,
    reader: csv::Reader<Lined<Bytes>>,
    pub(super) sheet: Sheet,
}

impl<'p> CsvRows<'p> {
    pub(super) fn open(
        path: &'p Path,
        bytes: Bytes,
        schema: &Schema<'_>,
        beside: &[&str],
        most: [u64; 2],
    ) -> Result<Self, StudyError> {
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::Headers)
            .flexible(true)
            .from_reader(Lined::new(bytes, most));
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(fault(path, &reader, error)),
        };
        let place = header.position().map_or(0, csv::Position::byte);
        let line = reader.get_mut().line_of_row(place);
        let sheet =
            Sheet::of(header, schema, beside).map_err(|reason| bad(path, Some(line), reason))?;
        Ok(Self { path, reader, sheet })
    }

    pub(super) fn next(&mut self, record: &mut StringRecord) -> Result<Option<u64>, StudyError> {
        loop {
            match self.reader.read_record(record) {
                Ok(true) => {}
                Ok(false) => return self.ended().map(|()| None),
                Err(error) => return Err(fault(self.path, &self.reader, error)),
            }
            let place = record.position().map_or(0, csv::Position::byte);
            let line = self.reader.get_mut().line_of_row(place);
            let refused = |reason| bad(self.path, Some(line), reason);
            if self.reader.is_done() {
                self.ended()?;
            }
            if self.sheet.holds_row(record).map_err(refused)? {
                return Ok(Some(line));
            }
        }
    }

    /// Checks that the file does not end within a text between quotes, which takes all rows behind it
    /// into one cell.
    fn ended(&self) -> Result<(), StudyError> {
        let reason = "a text between quotes begins here and does not end; close the quotes, and write \
                      quotes within a text twice";
        match self.reader.get_ref().open_quote() {
            Some(line) => Err(bad(self.path, Some(line), reason)),
            None => Ok(()),
        }
    }
}

fn fault(path: &Path, reader: &csv::Reader<Lined<Bytes>>, error: csv::Error) -> StudyError {
    let line = reader.get_ref().line();
    let shown = error.to_string();
    match error.into_kind() {
        ErrorKind::Utf8 { .. } => bad(path, Some(line), "it is not UTF-8 here; save it as UTF-8"),
        ErrorKind::Io(source) => {
            let own = source.get_ref().and_then(|own| own.downcast_ref::<TooLong>());
            match own {
                Some(own) => bad(path, Some(line), own.to_string()),
                None => StudyError::Read { path: path.into(), source },
            }
        }
        _ => bad(path, Some(line), shown),
    }
}
