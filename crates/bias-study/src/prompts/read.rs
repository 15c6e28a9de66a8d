use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::origin::Origin;
use super::records::{Rows, bad};
use super::row::{PromptRecord, SCHEMA, Seen};
use super::set::{PromptSet, REST};
use crate::StudyError;
use crate::results::{Attribute, Form};

impl PromptSet {
    /// Reads a prompt file and checks that its groups can be compared.
    ///
    /// `groups` are two values of the attribute. Rows about other groups are left out and counted.
    ///
    /// # Errors
    /// [`StudyError::Read`]; [`StudyError::Prompts`] with the line for a file that is empty, lacks
    /// a column or nearly has one, has a row without a needed cell, no row about one of the groups,
    /// a prompt without its name or where its name may be a word, the same person twice in a variation, a variation without one of the groups or with other people than the
    /// context's first, or a question that does not fit its form.
    pub fn from_csv(
        path: &Path,
        attribute: &Attribute,
        groups: [&str; 2],
    ) -> Result<Self, StudyError> {
        Self::from_csv_in(path, attribute, groups, &Form::default())
    }

    /// The same with a default form, for rows that do not say how they are answered.
    ///
    /// # Errors
    /// As [`from_csv`](Self::from_csv).
    pub fn from_csv_in(
        path: &Path,
        attribute: &Attribute,
        groups: [&str; 2],
        form: &Form,
    ) -> Result<Self, StudyError> {
        Self::from_csv_by(path, attribute, Some(groups), form, &[])
    }

    /// The same with more attributes, by which people are told apart whichever side they are on.
    /// Without `groups`, the first value that the file has is compared with the other one, or with
    /// the [`REST`] if there are several.
    ///
    /// # Errors
    /// As [`from_csv`](Self::from_csv).
    pub fn from_csv_by(
        path: &Path,
        attribute: &Attribute,
        groups: Option<[&str; 2]>,
        form: &Form,
        by: &[Attribute],
    ) -> Result<Self, StudyError> {
        let asked = Compared { attribute, groups, form, by, once: false };
        let columns = asked.columns();
        let Rows { sha256, rows, beside, unused } =
            Rows::<PromptRecord>::read(path, &SCHEMA, &columns)?;
        let mut overview = Overview::default();
        for ((_, row), cells) in rows.iter().zip(&beside) {
            overview.see(row, asked.value(attribute, cells));
        }
        let rows = rows.into_iter().zip(beside).map(|((line, row), cells)| (line, row, cells));
        Self::of_rows(path, &asked, &overview, rows).map(|set| Self { sha256, unused, ..set })
    }

    /// The set that these rows of a file give, each with its line and the cells of
    /// [`Compared::columns`].
    ///
    /// # Errors
    /// [`StudyError::Prompts`].
    pub(crate) fn of_rows(
        path: &Path,
        asked: &Compared<'_>,
        Overview { first, values, levels }: &Overview,
        rows: impl Iterator<Item = (u64, PromptRecord, Vec<String>)>,
    ) -> Result<Self, StudyError> {
        let attribute = asked.attribute;
        let groups = asked.groups.unwrap_or_else(|| {
            let mut others = values.keys().filter(|own| *own != first);
            match (others.next(), others.next()) {
                (Some(other), None) => [first, other],
                _ => [first, REST],
            }
        });
        let rest = groups.contains(&REST) && !values.contains_key(REST);
        // Somebody has to be left for the rest.
        let known = |group: &&&str| {
            values.contains_key(**group)
                || (**group == REST && values.keys().any(|own| !groups.contains(&own.as_str())))
        };
        if let Some(absent) = groups.iter().find(|group| !known(group)) {
            let known = values.iter().map(|(value, rows)| format!("`{value}` ({rows})"));
            let name = &attribute.name;
            let reason = format!(
                "no row has the {name} `{absent}`; values of `{attribute}` are, with their rows: {}",
                known.collect::<Vec<_>>().join(", ")
            );
            return Err(bad(path, None, reason));
        }
        let mut set = Self {
            sha256: String::new(),
            attribute: attribute.clone(),
            groups: groups.map(str::to_owned),
            by: asked.by.to_vec(),
            contexts: Vec::new(),
            skipped: 0,
            unused: Vec::new(),
            rest,
            marked: false,
            names_marked: false,
            origin: Origin::new(&asked.columns()),
        };
        let mut seen = Seen::new(asked.once);
        for (line, row, cells) in rows {
            let several = levels
                .get(&(row.scenario.clone(), row.variation.clone()))
                .is_some_and(|levels| levels.len() > 1);
            let by = asked.by.iter().map(|own| asked.value(own, &cells)).collect();
            let own = asked.value(attribute, &cells);
            set.origin.keep([&row.scenario, &row.name_group, &row.name], &cells);
            set.add(path, line, (row, &own, by), several, asked.form, &mut seen)?;
        }
        set.finish(path)?;
        Ok(set)
    }
}

/// By what people are compared, and how questions are put whose rows do not say so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compared<'a> {
    pub attribute: &'a Attribute,
    /// By default the first value that the file has, and the others.
    pub groups: Option<[&'a str; 2]>,
    pub form: &'a Form,
    /// More attributes.
    pub by: &'a [Attribute],
    /// Whether nobody is asked twice in a variation, as is known.
    pub once: bool,
}

impl<'a> Compared<'a> {
    /// The columns that attributes are read from.
    pub(crate) fn columns(&self) -> Vec<&'a str> {
        std::iter::once(self.attribute).chain(self.by).flat_map(Attribute::columns).collect()
    }

    /// The value of an attribute, of a row with these cells in the [columns](Self::columns).
    pub(crate) fn value(&self, own: &Attribute, cells: &[String]) -> String {
        let columns = self.columns();
        own.value(&|column| {
            let at = columns.iter().position(|own| *own == column);
            at.and_then(|at| cells.get(at)).map_or("", String::as_str)
        })
    }
}

/// What has to be known of all rows before the first is taken.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    /// The first row's value of the attribute.
    first: String,
    /// All values, with the number of rows.
    values: BTreeMap<String, usize>,
    /// The levels of each variation.
    levels: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Overview {
    /// Looks at the next row, with its value of the attribute.
    pub(crate) fn see(&mut self, row: &PromptRecord, value: String) {
        if self.values.is_empty() {
            self.first.clone_from(&value);
        }
        *self.values.entry(value).or_default() += 1;
        let own = self.levels.entry((row.scenario.clone(), row.variation.clone())).or_default();
        own.insert(row.context_level.clone());
    }
}

#[cfg(test)]
mod tests {
    use bias_metrics::Arm;

    use super::*;
    use crate::prompts::sample::{HEADER, read, variation};
    use crate::results::Split;

    #[test]
    fn the_public_schema_is_read_and_a_third_held_out() {
        let csv = HEADER.to_owned()
            + &variation("purchase", "car", "low")
            + &variation("purchase", "car", "high")
            + &variation("purchase", "bike", "low");
        let set = read(&("\u{feff}".to_owned() + &csv)).unwrap();
        let own = &set.contexts[0];
        let names: Vec<_> = own.variations.iter().map(|v| (v.name.as_str(), v.split)).collect();
        let expected = [
            ("car (low)", Split::Attribution),
            ("car (high)", Split::Attribution),
            ("bike", Split::HeldOut),
        ];
        assert_eq!(names, expected);
        let people: Vec<_> =
            own.variations[0].people.iter().map(|p| (p.arm, p.name.as_str())).collect();
        assert_eq!(
            people,
            [(Arm::A, "Emily"), (Arm::A, "Todd"), (Arm::B, "Jamal"), (Arm::B, "Tyra")]
        );
    }

    /// Columns together, one group against the rest, and everybody told apart by more.
    #[test]
    fn groups_are_joined_and_the_rest_is_a_side() {
        let header = HEADER.trim_end().to_owned() + ",race,faith\n";
        let row = |name: &str, race: &str, faith: &str| {
            format!("purchase,car,{race},{name},low,Offer {name}?,{race},{faith}\n")
        };
        let csv = header
            + &row("Emily", "white", "none")
            + &row("Todd", "white", "jewish")
            + &row("Mei", "asian", "none")
            + &row("Wei", "asian", "none")
            + &row("Tyra", "black", "jewish");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), csv).unwrap();
        let of = |text: &str| text.parse::<Attribute>().unwrap();
        let read = |attribute: &str, groups, by: &[Attribute]| {
            PromptSet::from_csv_by(file.path(), &of(attribute), groups, &Form::default(), by)
        };
        let sides = |set: &PromptSet| -> Vec<String> {
            let people = set.contexts[0].variations[0].people.iter();
            people.map(|p| format!("{:?} {}", p.arm, p.name)).collect()
        };
        let set = read("race", Some(["asian", "rest"]), &[]).unwrap();
        assert_eq!(sides(&set), ["A Mei", "A Wei", "B Emily", "B Todd", "B Tyra"]);
        assert_eq!(set.skipped, 0);
        // The default is the first group of the file; of two groups the other one, not the rest.
        let set = read("race", None, &[]).unwrap();
        assert_eq!(set.groups, ["white", "rest"]);
        assert_eq!(read("faith", None, &[]).unwrap().groups, ["none", "jewish"]);
        let both = [of("race+faith"), of("faith")];
        let set = read("race", Some(["rest", "white"]), &both).unwrap();
        let emily = &set.contexts[0].variations[0].people[3];
        assert_eq!((emily.arm, emily.name.as_str()), (Arm::B, "Emily"));
        let by: Vec<&str> = emily.by.iter().map(|own| own.as_str()).collect();
        assert_eq!(by, ["white+none", "none"]);
        assert_eq!(
            set.named_groups(),
            ["asian+none", "black+jewish", "white+none", "white+jewish"]
        );
        let joined = read("race+faith", Some(["asian+none", "rest"]), &[]).unwrap();
        assert_eq!(sides(&joined)[..2], ["A Mei", "A Wei"]);
        let error = read("race", Some(["green", "rest"]), &[]).unwrap_err().to_string();
        assert!(error.contains("`green`") && error.contains("`black` (1)"), "{error}");
        let error = read("race+age", None, &[]).unwrap_err().to_string();
        assert!(error.contains("missing columns: age"), "{error}");
    }

    /// Race and gender in one file, as columns and as parts of the group.
    #[test]
    fn people_are_compared_by_any_attribute() {
        let header = HEADER.trim_end().to_owned() + ",race,gender\n";
        let row = |name: &str, race: &str, gender: &str| {
            format!("purchase,car,{race}_{gender},{name},low,Offer {name}?,{race},{gender}\n")
        };
        let csv = header
            + &row("Emily", "white", "women")
            + &row("Todd", "white", "men")
            + &row("Mei", "east_asian", "women")
            + &row("Wei", "east_asian", "men")
            + &row("Tyra", "black", "women");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), csv).unwrap();
        let read = |attribute: &str, groups| {
            PromptSet::from_csv(file.path(), &attribute.parse().unwrap(), groups)
        };
        let people = |attribute: &str, groups| {
            let set = read(attribute, groups).unwrap();
            assert_eq!(
                (set.attribute.to_string(), set.groups.clone()),
                (attribute.into(), groups.map(str::to_owned))
            );
            let people = set.contexts[0].variations[0].people.iter();
            (people.map(|p| (p.arm, p.name.clone())).collect::<Vec<_>>(), set.skipped)
        };
        let all = |names: &[(Arm, &str)]| {
            names.iter().map(|(a, n)| (*a, (*n).to_owned())).collect::<Vec<_>>()
        };
        let race = all(&[(Arm::A, "Emily"), (Arm::A, "Todd"), (Arm::B, "Mei"), (Arm::B, "Wei")]);
        assert_eq!(people("race", ["white", "east_asian"]), (race.clone(), 1));
        assert_eq!(people("race=before-last:_", ["white", "east_asian"]), (race, 1));
        let gender = [
            (Arm::A, "Todd"),
            (Arm::A, "Wei"),
            (Arm::B, "Emily"),
            (Arm::B, "Mei"),
            (Arm::B, "Tyra"),
        ];
        for attribute in ["gender", "gender=after-last:_", "sex=gender"] {
            assert_eq!(people(attribute, ["men", "women"]), (all(&gender), 0));
        }
        // The first `_` is not where this race ends: what there is instead is said.
        let error = read("race=before:_", ["white", "east_asian"]).unwrap_err().to_string();
        assert!(error.contains("`black` (1), `east` (2), `white` (2)"), "{error}");
        let error = read("age", ["old", "young"]).unwrap_err().to_string();
        assert!(error.contains("missing columns: age") && error.contains("race,gender"), "{error}");
    }

    #[test]
    fn files_that_cannot_be_compared_say_why() {
        let one = variation("purchase", "car", "low");
        let cases = [
            (
                String::new(),
                "the file is empty; its first row names the columns: scenario, variation",
            ),
            ("\u{feff}\r\n\n".to_owned(), "the file is empty"),
            (HEADER.to_owned(), "no prompts"),
            ("scenario,name\npurchase,Emily\n".to_owned(), "variation, name_group, prompt_text"),
            (
                HEADER.to_owned() + "purchase,car\n",
                "line 2: the row has 2 cells, and the header has 6",
            ),
            (
                HEADER.to_owned() + &one + "purchase,car,white_men,Todd,low,What?\n",
                "`Todd` does not occur",
            ),
            (HEADER.to_owned() + &one + &one, "twice"),
            (
                HEADER.to_owned() + &one.replace("black", "asian"),
                "no row has the race `black`; values of `race=before:_` are, with their rows: `asian` (2), `white` (2)",
            ),
            (HEADER.to_owned() + &one.replace("black_men", "asian_men"), "at least 2"),
            (
                HEADER.to_owned()
                    + &one
                    + &variation("purchase", "bike", "low").replace("Jamal", "Tyrone"),
                "Jamal is in one only",
            ),
        ];
        for (csv, expected) in cases {
            let error = read(&csv).unwrap_err().to_string();
            assert!(error.contains(expected), "{csv}\n{error}");
        }
        let latin = [HEADER.as_bytes(), b"caf\xe9"].concat();
        for text in [&b"\xff\xfes\0c\0"[..], &latin] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let error = PromptSet::from_csv(
                file.path(),
                &Attribute::before("race", "_"),
                ["white", "black"],
            )
            .unwrap_err()
            .to_string();
            assert!(error.contains("save it as UTF-8"), "{error}");
        }
        assert!(matches!(
            PromptSet::from_csv(
                Path::new("/nowhere.csv"),
                &Attribute::before("race", "_"),
                ["a", "b"]
            ),
            Err(StudyError::Read { .. })
        ));
    }

    #[test]
    fn columns_that_are_nearly_known_are_refused_and_others_are_named() {
        let rows = variation("purchase", "car", "low");
        let with = |column: &str| {
            HEADER.trim_end().to_owned() + "," + column + "\n" + &rows.replace('\n', ",x\n")
        };
        for (column, meant) in [
            ("Better", "better"),
            ("choice", "choices"),
            ("answer-prefix", "answer_prefix"),
            ("nam_split", "name_split"),
            ("Split", "split"),
            ("names", "name"),
            ("\u{feff}raw", "raw"),
        ] {
            let error = read(&with(column)).unwrap_err().to_string();
            let named = column.escape_debug().to_string();
            assert!(
                error.contains("line 1")
                    && error.contains(&format!("`{named}`"))
                    && error.contains(&format!("`{meant}`")),
                "{error}"
            );
        }
        // A known column in other letters says so before it is called missing.
        let error = read(&(HEADER.replace("prompt_text", "Prompt Text") + &rows)).unwrap_err();
        assert!(error.to_string().contains("write `prompt_text`"), "{error}");
        let error = read(&with("name")).unwrap_err().to_string();
        assert!(error.contains("`name` occurs twice"), "{error}");
        let error = read(&(HEADER.to_owned() + &rows).replace(',', ";")).unwrap_err().to_string();
        assert!(error.contains("separated by semicolons"), "{error}");
        // Other columns are left alone, and named.
        assert_eq!(read(&with("notes")).unwrap().unused, ["notes"]);
        assert_eq!(read(&with("")).unwrap().unused, [""; 0]);
        assert_eq!(read(&(HEADER.to_owned() + &rows)).unwrap().unused, [""; 0]);
        // Spaces around a name are none of it.
        assert!(read(&(HEADER.replace(',', " , ") + &rows)).is_ok());
    }

    #[test]
    fn quotes_end_and_what_programs_leave_at_the_end_passes() {
        let rows = HEADER.to_owned() + &variation("purchase", "car", "low");
        let same = read(&rows).unwrap();
        for end in ["\0\0\0", "\u{1a}", "\u{1a}\n", "\n\n\r\n"] {
            let found = read(&(rows.clone() + end)).unwrap();
            assert_eq!(found.contexts.len(), same.contexts.len(), "{end:?}");
        }
        let open = "purchase,car,white_men,Bob,low,\"Sell to Bob?\n";
        let error = read(&(rows.clone() + open)).unwrap_err().to_string();
        assert!(error.contains("begins here and does not end"), "{error}");
        assert!(error.contains(&format!("line {}", rows.lines().count() + 1)), "{error}");
        let inches = rows.replace("What", "What of 5\" and \"");
        assert!(read(&inches).is_ok());
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
        let error = read(pointer).unwrap_err().to_string();
        assert!(error.contains("git lfs pull"), "{error}");
    }

    #[test]
    fn empty_rows_pass_and_half_empty_ones_are_refused() {
        let rows = HEADER.to_owned() + &variation("purchase", "car", "low");
        let same = read(&rows).unwrap();
        for ending in [",,,,,\n", ",,,,,\n,,,,,\n\n", "\n\n", ", , ,,,\n,,,\n", "\r\n"] {
            let own = read(&(rows.clone() + ending)).unwrap();
            assert_eq!(own.contexts, same.contexts, "{ending:?}");
        }
        for (row, column) in [
            ("purchase,car,white_men,Bo,low,", "prompt_text"),
            ("purchase,car,white_men,,low,Offer Bo?", "name"),
            (",car,white_men,Bo,low,Offer Bo?", "scenario"),
            ("purchase, ,white_men,Bo,low,Offer Bo?", "variation"),
            ("purchase,car,,Bo,low,Offer Bo?", "name_group"),
        ] {
            let csv = rows.replacen(
                "purchase,car,white_women",
                &format!("{row}\npurchase,car,white_women"),
                1,
            );
            let error = read(&csv).unwrap_err().to_string();
            assert!(error.contains(&format!("line 3: the column `{column}` is empty")), "{error}");
        }
        let error = read(&(rows.clone() + "purchase,car\n")).unwrap_err().to_string();
        assert!(error.contains("line 6: the row has 2 cells, and the header has 6"), "{error}");
        // What is wrong in a cell is said of its column.
        let split =
            rows.replace("prompt_text\n", "prompt_text,split\n").replace("?\"\n", "?\",both\n");
        let error = read(&split).unwrap_err().to_string();
        assert!(error.contains("line 2: the column `split`: unknown variant `both`"), "{error}");
    }

    /// Spreadsheets of other systems end lines with `\r\n`, and cells may hold ends of lines.
    #[test]
    fn lines_are_counted_whatever_ends_them() {
        let rows = HEADER.to_owned()
            + &variation("purchase", "car", "low").replacen("offer Emily?", "offer\nEmily?", 1)
            + "purchase,car,white_men,Bo,low,Offer Todd?\n";
        for end in ["\n", "\r\n"] {
            for (name, line) in [("Jamal", 2), ("Emily", 3), ("Todd", 5), ("", 7)] {
                let rows = rows.replacen(name, if name.is_empty() { "" } else { "Bo" }, 1);
                let error = read(&rows.replace('\n', end)).unwrap_err().to_string();
                let expected = format!("line {line}: the name `Bo` does not occur");
                assert!(error.contains(&expected), "{end:?}: {error}");
            }
        }
    }

    #[test]
    fn names_are_found_in_any_form_or_it_is_said_what_comes_near() {
        let csv = |name: &str, text: &str| {
            HEADER.to_owned()
                + &variation("purchase", "car", "low")
                    .replace("white_men,Todd", &format!("white_men,{name}"))
                    .replace("offer Todd?", text)
        };
        assert!(read(&csv("Seán O'Brien", "offer Sea\u{301}n O’Brien?")).is_ok());
        let error = read(&csv("Emily Becker", "offer Emily?")).unwrap_err().to_string();
        assert!(
            error.contains("line 4")
                && error.contains("`Emily Becker` does not occur")
                && error.contains("»Emily«"),
            "{error}"
        );
        let error = read(&csv("Al", "offer Albert?")).unwrap_err().to_string();
        assert!(error.contains("»Al«bert"), "{error}");
    }
}
