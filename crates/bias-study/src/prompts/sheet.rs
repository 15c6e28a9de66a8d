use csv::StringRecord;
use serde::de::DeserializeOwned;

use super::columns::Columns;

/// The columns of a kind of file.
pub(crate) struct Schema<'s> {
    /// What a row is, in messages.
    pub rows: &'s str,
    /// Columns that every file has, and every row fills in.
    pub needed: &'s [&'s str],
    /// Columns that every file has, and rows may leave empty.
    pub blank: &'s [&'s str],
    /// Columns that a file may have, list by list.
    pub optional: &'s [&'s [&'s str]],
}

impl<'s> Schema<'s> {
    /// All columns that are known.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &'s str> {
        self.needed.iter().chain(self.blank).chain(self.optional.iter().copied().flatten()).copied()
    }

    /// What is said of a file without a header.
    pub(crate) fn nothing(&self) -> String {
        let columns: Vec<&str> = self.needed.iter().chain(self.blank).copied().collect();
        format!("the file is empty; its first row names the columns: {}", columns.join(", "))
    }
}

/// The header of a file, checked, and what makes its records rows. Errors are reasons, without the
/// file and the line.
pub(crate) struct Sheet {
    header: StringRecord,
    needed: Vec<String>,
    known: Vec<String>,
    /// The places of the other columns that were asked for.
    beside: Vec<usize>,
}

impl Sheet {
    /// Checks a header. More columns may be asked for by their names.
    ///
    /// # Errors
    /// A column that nearly has the name of a known one, or occurs twice; columns that are missing.
    pub(crate) fn of(
        header: StringRecord,
        schema: &Schema<'_>,
        columns_beside: &[&str],
    ) -> Result<Self, String> {
        let mut needed: Vec<&str> = schema.needed.to_vec();
        for column in columns_beside {
            if !needed.contains(column) {
                needed.push(column);
            }
        }
        let mut known: Vec<&str> = schema.columns().collect();
        known.extend(columns_beside.iter().filter(|own| !schema.needed.contains(own)));
        let there: Vec<&str> = needed.iter().chain(schema.blank).copied().collect();
        let columns = Columns { header: &header, known: known.clone() };
        if let Some(reason) = columns.fault().or_else(|| columns.missing(&there)) {
            return Err(reason);
        }
        let places =
            columns_beside.iter().filter_map(|column| header.iter().position(|own| own == *column));
        let beside = places.collect();
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let (needed, known) = (owned(needed), owned(known));
        Ok(Self { header, needed, known, beside })
    }

    /// Whether a record holds a row. Spreadsheets write rows of nothing but commas, and old programs
    /// end a file with control characters.
    ///
    /// # Errors
    /// A record with more or fewer cells than the header, or an empty cell in a needed column.
    pub(crate) fn holds_row(&self, record: &StringRecord) -> Result<bool, String> {
        let nothing = |c: char| c.is_whitespace() || c == '\0' || c == '\u{1a}';
        if record.iter().all(|cell| cell.chars().all(nothing)) {
            return Ok(false);
        }
        if record.len() != self.header.len() {
            return Err(format!(
                "the row has {} cells, and the header has {}; put texts with commas between quotes",
                record.len(),
                self.header.len()
            ));
        }
        let empty = self.header.iter().zip(record).find(|(name, cell)| {
            cell.trim().is_empty() && self.needed.iter().any(|own| own == name)
        });
        match empty {
            Some((name, _)) => {
                Err(format!("the column `{name}` is empty; fill it in, or delete the row"))
            }
            None => Ok(true),
        }
    }

    /// A record as a row.
    ///
    /// # Errors
    /// A cell that does not hold what its column is for.
    pub(crate) fn row<T: DeserializeOwned>(&self, record: &StringRecord) -> Result<T, String> {
        record.deserialize(Some(&self.header)).map_err(|error| self.cell_fault(&error, record))
    }

    /// The cells of the other columns that were asked for, in their order.
    pub(crate) fn beside(&self, record: &StringRecord) -> Vec<String> {
        let cell = |place: &usize| record.get(*place).unwrap_or_default().to_owned();
        self.beside.iter().map(cell).collect()
    }

    /// The columns that nothing is read from.
    pub(crate) fn unused(&self) -> Vec<String> {
        self.columns().unused()
    }

    fn columns(&self) -> Columns<'_> {
        let known = self.known.iter().map(String::as_str).collect();
        Columns { header: &self.header, known }
    }

    /// A cell that does not hold what its column is for.
    fn cell_fault(&self, error: &csv::Error, record: &StringRecord) -> String {
        let csv::ErrorKind::Deserialize { err, .. } = error.kind() else {
            return error.to_string();
        };
        let reason = err.kind().to_string();
        // The reader does not say which cell it was, but quotes it.
        let said = reason.to_lowercase();
        let quoted =
            |cell: &str| !cell.is_empty() && said.contains(&format!("`{}`", cell.to_lowercase()));
        let mut cells = self.header.iter().zip(record);
        let found =
            cells.find(|(name, cell)| quoted(cell) && self.known.iter().any(|own| own == name));
        found.map_or_else(|| reason.clone(), |(name, _)| format!("the column `{name}`: {reason}"))
    }
}
