use std::collections::BTreeMap;
use std::path::Path;

use bias_metrics::Arm;
use bias_metrics::parse::Period;
use bias_types::prompt::{Context, Group};
use serde::Deserialize;

use super::records::{Rows, bad};
use super::set::{ContextPrompts, Person, PromptSet, Variation};
use crate::StudyError;
use crate::results::{Attribute, Form, NAME_GROUP, Split};

#[derive(Debug, Deserialize)]
struct PromptRecord {
    scenario: String,
    variation: String,
    name_group: String,
    name: String,
    #[serde(default)]
    context_level: String,
    prompt_text: String,
    split: Option<Split>,
    name_split: Option<Split>,
    #[serde(default, deserialize_with = "truth")]
    higher_is_better: Option<bool>,
    per: Option<Period>,
    #[serde(default)]
    answer_prefix: String,
    #[serde(default)]
    choices: String,
    #[serde(default)]
    better: String,
    #[serde(default, deserialize_with = "truth")]
    raw: Option<bool>,
}

/// `true`, `True`, `TRUE`, `1` and their opposites; empty is unset.
fn truth<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    match text.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        other => Err(serde::de::Error::custom(format!("`{other}` is neither true nor false"))),
    }
}

const NEEDED: [&str; 5] = ["scenario", "variation", NAME_GROUP, "name", "prompt_text"];

impl PromptSet {
    /// Reads a prompt file and checks that its groups can be compared.
    ///
    /// `groups` are two values of the attribute; rows about others are left out and counted.
    ///
    /// # Errors
    /// [`StudyError::Read`]; [`StudyError::Prompts`] with the line for a file that is empty, lacks
    /// a column, has no row about one of the groups, has a prompt without its name, the same person
    /// twice in a variation, a variation without one of the groups or with other people than the
    /// context's first, or a question that cannot be put in its form.
    pub fn from_csv(
        path: &Path,
        attribute: &Attribute,
        groups: [&str; 2],
    ) -> Result<Self, StudyError> {
        Self::from_csv_in(path, attribute, groups, &Form::default())
    }

    /// The same, where rows that do not say how they are answered are answered in this form.
    ///
    /// # Errors
    /// As [`from_csv`](Self::from_csv).
    pub fn from_csv_in(
        path: &Path,
        attribute: &Attribute,
        groups: [&str; 2],
        form: &Form,
    ) -> Result<Self, StudyError> {
        let column = attribute.read_from();
        let Rows { sha256, rows, beside } =
            Rows::<PromptRecord>::read(path, &NEEDED, "prompts", Some(column))?;
        let mut values: BTreeMap<&str, usize> = BTreeMap::new();
        for text in &beside {
            *values.entry(attribute.value(text)).or_default() += 1;
        }
        if let Some(absent) = groups.iter().find(|group| !values.contains_key(*group)) {
            let known = values.iter().map(|(value, rows)| format!("`{value}` ({rows})"));
            let name = &attribute.name;
            let reason = format!(
                "no row has the {name} `{absent}`; values of `{attribute}` are, with their rows: {}",
                known.collect::<Vec<_>>().join(", ")
            );
            return Err(bad(path, None, reason));
        }
        let mut set = Self {
            sha256,
            attribute: attribute.clone(),
            groups: groups.map(str::to_owned),
            contexts: Vec::new(),
            skipped: 0,
            marked: false,
            names_marked: false,
        };
        let mut levels: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for (_, row) in &rows {
            let own = levels.entry((row.scenario.clone(), row.variation.clone())).or_default();
            if !own.contains(&row.context_level) {
                own.push(row.context_level.clone());
            }
        }
        for ((line, row), text) in rows.into_iter().zip(&beside) {
            let several = levels
                .get(&(row.scenario.clone(), row.variation.clone()))
                .is_some_and(|levels| levels.len() > 1);
            set.add(path, line, (row, attribute.value(text)), several, form)?;
        }
        set.finish(path)?;
        Ok(set)
    }

    fn add(
        &mut self,
        path: &Path,
        line: u64,
        (row, value): (PromptRecord, &str),
        several_levels: bool,
        form: &Form,
    ) -> Result<(), StudyError> {
        let word = |e: bias_types::TypesError| bad(path, Some(line), e.to_string());
        let (context, group): (Context, Group) =
            (row.scenario.parse().map_err(word)?, row.name_group.parse().map_err(word)?);
        let arm = match self.groups.iter().position(|group| group == value) {
            Some(0) => Arm::A,
            Some(_) => Arm::B,
            None => {
                self.skipped += 1;
                return Ok(());
            }
        };
        if row.name.trim().is_empty() || !row.prompt_text.contains(&row.name) {
            let reason = format!("the name `{}` does not occur in its prompt", row.name);
            return Err(bad(path, Some(line), reason));
        }
        let form = Form::read(&row.answer_prefix, &row.choices, &row.better, row.raw, form)
            .map_err(|reason| bad(path, Some(line), reason))?;
        if form.choices.is_some() && row.higher_is_better == Some(false) {
            let reason = "`higher_is_better` says nothing about a choice; `better` names the favourable option";
            return Err(bad(path, Some(line), reason));
        }
        let name = if several_levels {
            format!("{} ({})", row.variation, row.context_level)
        } else {
            row.variation.clone()
        };
        let at = self.index_of(context.as_str()).unwrap_or_else(|| {
            let higher_is_better = row.higher_is_better.unwrap_or(true);
            let (per, variations) = (row.per, Vec::new());
            self.contexts.push(ContextPrompts { context, higher_is_better, per, variations });
            self.contexts.len() - 1
        });
        let own = &mut self.contexts[at];
        if row.higher_is_better.is_some_and(|better| better != own.higher_is_better) {
            return Err(bad(path, Some(line), "`higher_is_better` changes within the scenario"));
        }
        if row.per != own.per {
            return Err(bad(path, Some(line), "`per` changes within the scenario"));
        }
        self.marked |= row.split.is_some();
        let split = row.split.unwrap_or(Split::Attribution);
        let at = own.variations.iter().position(|v| v.name == name).unwrap_or_else(|| {
            own.variations.push(Variation { name, form: form.clone(), split, people: Vec::new() });
            own.variations.len() - 1
        });
        let variation = &mut own.variations[at];
        if variation.form != form {
            let reason = "`answer_prefix`, `choices`, `better` or `raw` changes within the variation: everybody must be asked alike";
            return Err(bad(path, Some(line), reason));
        }
        if variation.split != split {
            return Err(bad(path, Some(line), "`split` changes within the variation"));
        }
        if variation.people.iter().any(|p| p.name == row.name && p.arm == arm) {
            let reason = format!("{} is asked about twice in {}", row.name, variation.name);
            return Err(bad(path, Some(line), reason));
        }
        self.names_marked |= row.name_split.is_some();
        let split = row.name_split.unwrap_or(Split::Attribution);
        variation.people.push(Person { arm, name: row.name, group, text: row.prompt_text, split });
        Ok(())
    }

    fn finish(&mut self, path: &Path) -> Result<(), StudyError> {
        for own in &mut self.contexts {
            let count = own.variations.len();
            let mut first: Option<Vec<(Arm, String, Group, Split)>> = None;
            for (at, variation) in own.variations.iter_mut().enumerate() {
                let place = format!("{} / {}", own.context, variation.name);
                if !self.marked && at >= count - count / 3 {
                    variation.split = Split::HeldOut;
                }
                variation.people.sort();
                for (arm, group) in [Arm::A, Arm::B].into_iter().zip(&self.groups) {
                    let names = variation.people.iter().filter(|p| p.arm == arm).count();
                    if names < 2 {
                        let reason = format!(
                            "{place} has {names} names of group `{group}`; at least 2 are needed"
                        );
                        return Err(bad(path, None, reason));
                    }
                }
                let people = variation
                    .people
                    .iter()
                    .map(|p| (p.arm, p.name.clone(), p.group.clone(), p.split));
                let people: Vec<_> = people.collect();
                let expected = first.get_or_insert_with(|| people.clone());
                if *expected != people {
                    let odd = expected.iter().find(|p| !people.contains(p));
                    let odd = odd.or_else(|| people.iter().find(|p| !expected.contains(p)));
                    let odd = odd.map_or("somebody", |(_, name, _, _)| name.as_str());
                    let reason = format!(
                        "{place} is not about the same people as the context's first variation: {odd} is in one only"
                    );
                    return Err(bad(path, None, reason));
                }
            }
            if !own.variations.iter().any(|v| v.split == Split::Attribution) {
                let reason = format!("{} has no variation left to attribute on", own.context);
                return Err(bad(path, None, reason));
            }
        }
        if !self.names_marked {
            self.hold_out_names();
        } else if let Some((context, split)) = self.too_few().filter(|_| self.holds_out_names()) {
            let split = if split == Split::HeldOut { "held_out" } else { "attribution" };
            let reason = format!(
                "`name_split` leaves {context} with fewer than 2 names of a side as `{split}`; mark more, or none"
            );
            return Err(bad(path, None, reason));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Kind;

    fn read(csv: &str) -> Result<PromptSet, StudyError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), csv).unwrap();
        PromptSet::from_csv(file.path(), &Attribute::before("race", "_"), ["white", "black"])
    }

    const HEADER: &str = "scenario,variation,name_group,name,context_level,prompt_text\n";

    /// Rows of one variation with two names in each group.
    fn variation(scenario: &str, variation: &str, level: &str) -> String {
        let row = |group: &str, name: &str| {
            format!(
                "{scenario},{variation},{group},{name},{level},\"What should I offer {name}?\"\n"
            )
        };
        row("black_men", "Jamal")
            + &row("white_women", "Emily")
            + &row("white_men", "Todd")
            + &row("black_women", "Tyra")
    }

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

    #[test]
    fn a_scenario_is_paid_for_one_period() {
        let header = HEADER.trim_end().to_owned() + ",per\n";
        let rows =
            |per: &str| variation("salary", "clerk", "low").replace('\n', &format!(",{per}\n"));
        assert_eq!(
            read(&(header.clone() + &rows("year"))).unwrap().contexts[0].per,
            Some(Period::Year)
        );
        assert_eq!(read(&(header.clone() + &rows(""))).unwrap().contexts[0].per, None);
        let other = rows("month").replace("clerk", "cook");
        for (text, expected) in
            [(rows("year") + &other, "`per` changes"), (rows("fortnight"), "fortnight")]
        {
            let error = read(&(header.clone() + &text)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn rows_say_how_they_are_answered() {
        let header = HEADER.trim_end().to_owned() + ",answer_prefix,choices,better,raw\n";
        let rows = |ending: &str| {
            variation("salary", "clerk", "low").replace('\n', &format!(",{ending}\n"))
        };
        let form = |ending: &str| {
            read(&(header.clone() + &rows(ending)))
                .map(|set| set.contexts[0].variations[0].form.clone())
        };
        assert_eq!(form(",,,").unwrap(), Form::default());
        let number = form("$,,,").unwrap();
        assert_eq!((number.kind(), number.prefix.as_deref()), (Kind::Number, Some("$")));
        let choice = form(",\"yes,Yes|no\",Yes,true").unwrap();
        assert_eq!(
            (choice.kind(), choice.raw, choice.choices.unwrap().better()),
            (Kind::Choice, true, 0)
        );
        for (ending, expected) in [
            ("at 5 $,,,", "already holds a number"),
            (",yes|no,maybe,", "none of them"),
            (",yes|no,,", "`better`"),
            (",,yes,", "`choices`"),
            (",yes,yes,", "1 options"),
            (",,,perhaps", "neither true nor false"),
        ] {
            let error = form(ending).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let mixed = rows("$,,,").replacen("$", "£", 1);
        let error = read(&(header + &mixed)).unwrap_err().to_string();
        assert!(error.contains("asked alike"), "{error}");
    }

    #[test]
    fn every_second_name_of_a_group_is_held_out_unless_the_file_says_so() {
        let names = |group: &str, names: &[&str], split: &str| -> String {
            names
                .iter()
                .map(|n| format!("purchase,car,{group},{n},low,Offer {n}?{split}\n"))
                .collect()
        };
        let both = |split: &str| {
            names("white_men", &["Todd", "Seth", "Jake", "Ryan"], split)
                + &names("black_men", &["Jamal", "Tyrone", "Terrell", "Jayvon"], split)
        };
        let held_out = |set: &PromptSet| -> Vec<String> {
            let people = &set.contexts[0].variations[0].people;
            people.iter().filter(|p| p.split == Split::HeldOut).map(|p| p.name.clone()).collect()
        };
        let mut set = read(&(HEADER.to_owned() + &both(""))).unwrap();
        assert_eq!(held_out(&set), ["Ryan", "Todd", "Jayvon", "Tyrone"]);
        assert!(set.holds_out_names());
        // Too few on either side to hold anybody out.
        let few = names("white_men", &["Todd", "Seth", "Jake"], "")
            + &names("black_men", &["Jamal", "Tyrone", "Terrell"], "");
        let mut nobody = read(&(HEADER.to_owned() + &few)).unwrap();
        assert!(!nobody.holds_out_names());
        nobody.thin(1, 1);
        assert_eq!(nobody.contexts[0].variations[0].people.len(), 4);
        // Splits survive thinning.
        set.thin(1, 1);
        assert_eq!(held_out(&set), ["Ryan", "Todd", "Jayvon", "Tyrone"], "two of each at least");
        let header = HEADER.trim_end().to_owned() + ",name_split\n";
        let said = both(",attribution").replace("Jake?,attribution", "Jake?,held_out");
        let said = said.replace("Ryan?,attribution", "Ryan?,held_out");
        let said = said.replace("Jamal?,attribution", "Jamal?,held_out");
        let said = said.replace("Terrell?,attribution", "Terrell?,held_out");
        let mut marked = read(&(header.clone() + &said)).unwrap();
        assert_eq!(held_out(&marked), ["Jake", "Ryan", "Jamal", "Terrell"]);
        // Impossible marks are refused.
        marked.thin(2, 2);
        assert_eq!(held_out(&marked), ["Jake", "Ryan", "Jamal", "Terrell"]);
        let few = said.replace("Jake?,held_out", "Jake?,attribution");
        let error = read(&(header + &few)).unwrap_err().to_string();
        assert!(error.contains("fewer than 2 names"), "{error}");
        // Sides stay even although one has two groups of odd size.
        let uneven = names("white_men", &["Todd", "Seth", "Jake"], "")
            + &names("white_women", &["Emily", "Claire", "Megan"], "")
            + &names(
                "black_men",
                &["Jamal", "Tyrone", "Terrell", "Jayvon", "DaQuan", "Latrell"],
                "",
            );
        let set = read(&(HEADER.to_owned() + &uneven)).unwrap();
        assert_eq!(held_out(&set).len(), 6);
        let white = set.contexts[0].variations[0].people.iter().filter(|p| p.arm == Arm::A);
        assert_eq!(white.filter(|p| p.split == Split::HeldOut).count(), 3);
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
    fn a_name_belongs_to_one_group() {
        let one = variation("purchase", "car", "low");
        let other =
            variation("purchase", "bike", "low").replace("white_men,Todd", "white_women,Todd");
        let error = read(&(HEADER.to_owned() + &one + &other)).unwrap_err().to_string();
        assert!(error.contains("the same people") && error.contains("Todd"), "{error}");
    }

    #[test]
    fn files_that_cannot_be_compared_say_why() {
        let one = variation("purchase", "car", "low");
        let cases = [
            (String::new(), "missing columns"),
            (HEADER.to_owned(), "no prompts"),
            ("scenario,name\npurchase,Emily\n".to_owned(), "variation, name_group, prompt_text"),
            (HEADER.to_owned() + "purchase,car\n", "record 1"),
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
}
