use std::collections::{HashMap, HashSet};
use std::path::Path;

use bias_ask::text::Mentions;
use bias_metrics::Arm;
use bias_metrics::parse::Period;
use bias_types::prompt::{Context, Group};
use serde::Deserialize;

use super::records::bad;
use super::set::{ContextPrompts, Person, PromptSet, REST, Variation};
use super::sheet::Schema;
use crate::StudyError;
use crate::results::{Form, FormText, NAME_GROUP, Split};

/// One row of a prompt file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub(crate) struct PromptRecord {
    pub(crate) scenario: String,
    pub(crate) variation: String,
    pub(crate) name_group: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) context_level: String,
    pub(crate) prompt_text: String,
    split: Option<Split>,
    pub(crate) name_split: Option<Split>,
    #[serde(default, deserialize_with = "truth")]
    higher_is_better: Option<bool>,
    per: Option<Period>,
    #[serde(default)]
    answer_prefix: String,
    #[serde(default)]
    choices: String,
    #[serde(default)]
    better: String,
    #[serde(default)]
    answer_field: String,
    #[serde(default, deserialize_with = "truth")]
    raw: Option<bool>,
}

impl PromptRecord {
    /// Whether it says that the question is a choice.
    pub(crate) fn is_choice(&self) -> bool {
        !self.choices.trim().is_empty()
    }
}

/// Where the questions are that were added, and who was asked about.
pub(super) struct Seen {
    contexts: HashMap<Context, usize>,
    variations: HashMap<(usize, String), usize>,
    /// None where nobody is asked about twice, as is known.
    people: Option<HashSet<(usize, usize, Arm, String)>>,
}

impl Seen {
    pub(super) fn new(once: bool) -> Self {
        let people = (!once).then(HashSet::new);
        Self { contexts: HashMap::new(), variations: HashMap::new(), people }
    }
}

/// `true`, `True`, `TRUE`, `1` and their opposites. Empty means unset.
pub(crate) fn truth<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<bool>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    match text.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        other => Err(serde::de::Error::custom(format!("`{other}` is neither true nor false"))),
    }
}

/// The columns that every prompt has.
pub(crate) const NEEDED: &[&str] = &["scenario", "variation", NAME_GROUP, "name", "prompt_text"];

/// The columns that say how a question is asked, and what attribution may see.
pub(crate) const ASKED: &[&str] = &[
    "split",
    "name_split",
    "higher_is_better",
    "per",
    "answer_prefix",
    "choices",
    "better",
    "answer_field",
    "raw",
];

/// The columns of a prompt file.
pub(super) const SCHEMA: Schema<'static> =
    Schema { rows: "prompts", needed: NEEDED, blank: &[], optional: &[&["context_level"], ASKED] };

impl PromptSet {
    /// Adds one row: a person in a variation of a context. New contexts and variations are created.
    /// `value` is the row's value of the attribute, `by` are those of the other attributes. `seen`
    /// finds people who are asked twice.
    ///
    /// # Errors
    /// [`StudyError::Prompts`] for a row that contradicts itself or earlier rows.
    pub(super) fn add(
        &mut self,
        path: &Path,
        line: u64,
        (row, value, by): (PromptRecord, &str, Vec<String>),
        several_levels: bool,
        form: &Form,
        seen: &mut Seen,
    ) -> Result<(), StudyError> {
        let word = |e: bias_types::TypesError| bad(path, Some(line), e.to_string());
        let (context, group): (Context, Group) =
            (row.scenario.parse().map_err(word)?, row.name_group.parse().map_err(word)?);
        let side = |value: &str| self.groups.iter().position(|group| group == value);
        let rest = self.rest.then(|| side(REST)).flatten();
        let arm = match side(value).or(rest) {
            Some(0) => Arm::A,
            Some(_) => Arm::B,
            None => {
                self.skipped += 1;
                return Ok(());
            }
        };
        Mentions::expect(&row.prompt_text, &row.name)
            .map_err(|error| bad(path, Some(line), error.to_string()))?;
        let text = FormText {
            prefix: &row.answer_prefix,
            choices: &row.choices,
            better: &row.better,
            field: &row.answer_field,
            raw: row.raw,
        };
        let form = Form::read(&text, form).map_err(|reason| bad(path, Some(line), reason))?;
        if form.choices.is_some() && row.higher_is_better == Some(false) {
            let reason = "`higher_is_better` says nothing about a choice; `better` names the favourable option";
            return Err(bad(path, Some(line), reason));
        }
        let name = if several_levels {
            format!("{} ({})", row.variation, row.context_level)
        } else {
            row.variation.clone()
        };
        let place = *seen.contexts.entry(context).or_insert_with_key(|context| {
            let higher_is_better = row.higher_is_better.unwrap_or(true);
            let (context, per, variations) = (context.clone(), row.per, Vec::new());
            self.contexts.push(ContextPrompts { context, higher_is_better, per, variations });
            self.contexts.len() - 1
        });
        let own = &mut self.contexts[place];
        if row.higher_is_better.is_some_and(|better| better != own.higher_is_better) {
            return Err(bad(path, Some(line), "`higher_is_better` changes within the scenario"));
        }
        if row.per != own.per {
            return Err(bad(path, Some(line), "`per` changes within the scenario"));
        }
        self.marked |= row.split.is_some();
        let split = row.split.unwrap_or(Split::Attribution);
        let at = *seen.variations.entry((place, name)).or_insert_with_key(|(_, name)| {
            let (name, form, people) = (name.clone(), form.clone(), Vec::new());
            own.variations.push(Variation { name, form, split, people });
            own.variations.len() - 1
        });
        let variation = &mut own.variations[at];
        if variation.form != form {
            let reason = "`answer_prefix`, `choices`, `better`, `answer_field` or `raw` changes within the variation: everybody must be asked alike";
            return Err(bad(path, Some(line), reason));
        }
        if variation.split != split {
            return Err(bad(path, Some(line), "`split` changes within the variation"));
        }
        let written = [row.variation.as_str(), &row.context_level];
        if let Some([before, level]) = self.origin.note(&own.context, &variation.name, written) {
            let reason = format!(
                "the variation is called {}, as is `{before}` with the context level `{level}`; give it another name",
                variation.name
            );
            return Err(bad(path, Some(line), reason));
        }
        let mut people = seen.people.as_mut();
        if people.as_mut().is_some_and(|own| !own.insert((place, at, arm, row.name.clone()))) {
            let reason = format!("{} is asked about twice in {}", row.name, variation.name);
            return Err(bad(path, Some(line), reason));
        }
        self.names_marked |= row.name_split.is_some();
        let split = row.name_split.unwrap_or(Split::Attribution);
        let by = by.iter().map(|own| own.parse().map_err(word)).collect::<Result<_, _>>()?;
        let (name, text) = (row.name, row.prompt_text);
        variation.people.push(Person { arm, name, group, text, split, by });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::sample::{HEADER, read, variation};
    use crate::results::Kind;

    #[test]
    fn variations_of_one_name_are_refused() {
        let rows = variation("job", "car", "low")
            + &variation("job", "car", "high")
            + &variation("job", "car (low)", "").replace("Todd", "Bob");
        let error = read(&(HEADER.to_owned() + &rows)).unwrap_err().to_string();
        assert!(error.contains("line 10: ") && error.contains("`car` with"), "{error}");
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
            [(rows("year") + &other, "`per` changes"), (rows("decade"), "decade")]
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
}
