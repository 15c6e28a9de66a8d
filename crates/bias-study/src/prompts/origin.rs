use std::collections::BTreeMap;

use bias_types::prompt::Context;

use crate::results::NAME_GROUP;

/// What a prompt file says beyond the set that it gives, so that a file of answers can say it again.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Origin {
    /// Each variation and its level as they are written, by context and the name in the set.
    levels: BTreeMap<(String, String), [String; 2]>,
    /// The columns that attributes are read from, besides `name_group`.
    columns: Vec<String>,
    /// Their places among those that were asked for.
    places: Vec<usize>,
    /// Their cells, by context, group and name.
    cells: BTreeMap<[String; 3], Vec<String>>,
}

impl Origin {
    pub(super) fn new(columns: &[&str]) -> Self {
        let mut own = Self::default();
        for (place, column) in columns.iter().enumerate() {
            if *column != NAME_GROUP && !own.columns.iter().any(|known| known == column) {
                own.columns.push((*column).to_owned());
                own.places.push(place);
            }
        }
        own
    }

    /// Keeps the cells of a row in the columns of attributes: of the row's context, group and name.
    pub(super) fn keep(&mut self, [context, group, name]: [&str; 3], cells: &[String]) {
        if !self.columns.is_empty() {
            let cell = |place: &usize| cells.get(*place).cloned().unwrap_or_default();
            let own = self.places.iter().map(cell).collect();
            self.cells.insert(key(context.trim(), group.trim(), name), own);
        }
    }

    /// Notes how a variation is written. Returns another way in which it was written before: `car`
    /// with the level `low`, and the variation `car (low)`.
    pub(super) fn note(
        &mut self,
        context: &Context,
        name: &str,
        [variation, level]: [&str; 2],
    ) -> Option<[String; 2]> {
        let own = (context.as_str().to_owned(), name.to_owned());
        let known = self.levels.entry(own);
        let known = known.or_insert_with(|| [variation.to_owned(), level.to_owned()]);
        (known.each_ref().map(String::as_str) != [variation, level]).then(|| known.clone())
    }

    /// A variation and its level as they are written.
    pub(crate) fn written<'s>(&'s self, context: &str, name: &'s str) -> [&'s str; 2] {
        let found = self.levels.get(&(context.to_owned(), name.to_owned()));
        found.map_or([name, ""], |own| own.each_ref().map(String::as_str))
    }

    /// The columns of attributes, besides `name_group`.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// A person's cells in these columns; none where they are not known.
    pub(crate) fn cells(&self, context: &str, group: &str, name: &str) -> &[String] {
        self.cells.get(&key(context, group, name)).map_or(&[], Vec::as_slice)
    }
}

fn key(context: &str, group: &str, name: &str) -> [String; 3] {
    [context, group, name].map(str::to_owned)
}
