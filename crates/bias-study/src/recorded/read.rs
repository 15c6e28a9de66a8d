use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use bias_ask::question::Choices;
use csv::StringRecord;

use super::columns::{Cells, SCHEMA};
use super::people::{People, Shared};
use super::responder::{Place, Recorded, digest};
use super::source::Source;
use crate::StudyError;
use crate::ask::streams;
use crate::prompts::{Compared, PromptRecord, PromptSet, bad};
use crate::results::{Attribute, Form};

/// The answers of one model that a file holds, and the questions that they answer.
#[derive(Debug)]
pub struct RecordedAnswers {
    /// What the column `model` calls it; without that column, the name of the file.
    pub model: String,
    /// The questions.
    pub prompts: PromptSet,
    /// Gives the answers.
    pub responder: Recorded,
    /// Whether some answers to choices were counted, so that an option that was never chosen has no
    /// log-odds.
    pub counts_choices: bool,
    /// Whether each answer to a choice has its number of tokens, which log-odds per token need.
    pub has_tokens: bool,
}

impl RecordedAnswers {
    /// Reads a file of answers, CSV or JSON Lines (where it begins with `{`), row by row: one entry
    /// for each model, in the order of the file. `of` names the models to read; empty, all are.
    /// The other arguments are those of [`PromptSet::from_csv_by`].
    ///
    /// Rows about the same person in the same variation are answers to one question. They weigh as
    /// much as `count` or `probability` says.
    ///
    /// # Errors
    /// [`StudyError::Read`]; [`StudyError::Prompts`], with the line, as for a prompt file, and for a
    /// row that is longer than 4 MiB or no JSON, a weight that is none, a person who is asked two
    /// questions in one variation or stands in two groups, probabilities that add up to more than 1,
    /// counts beside probabilities, rows without a model among rows with one, and a model that the
    /// file does not have.
    pub fn read(
        path: &Path,
        attribute: &Attribute,
        groups: Option<[&str; 2]>,
        form: &Form,
        by: &[Attribute],
        of: &[String],
    ) -> Result<Vec<Self>, StudyError> {
        let asked = Compared { attribute, groups, form, by, once: true };
        let Found { shared, models, unused, sha256 } = rows(path, &asked, of)?;
        let several = models.len() > 1;
        let mut all = Vec::with_capacity(models.len());
        for people in models {
            let (model, first) = (people.model.clone(), people.line);
            let named = |error| match error {
                StudyError::Prompts { path, line, reason } if several => {
                    let reason = format!(
                        "of the model `{model}` (from line {first}): {reason}; --of names the models that are read"
                    );
                    StudyError::Prompts { path, line, reason }
                }
                other => other,
            };
            let mut own = recorded(path, &asked, &shared, people).map_err(named)?;
            own.prompts.sha256.clone_from(&sha256);
            own.prompts.unused.clone_from(&unused);
            all.push(own);
        }
        Ok(all)
    }
}

impl RecordedAnswers {
    /// What the column `model` of a file of answers says, each once, in the order of the file; an
    /// empty text where it says nothing.
    ///
    /// # Errors
    /// [`StudyError::Read`]; [`StudyError::Prompts`] for a file that is no file of answers.
    pub fn models(path: &Path) -> Result<Vec<String>, StudyError> {
        let mut source = Source::open(path, &SCHEMA, &[])?;
        let (mut all, mut known) = (Vec::new(), HashSet::new());
        let mut record = StringRecord::new();
        while let Some(line) = source.next(&mut record)? {
            let cells: Result<Cells, String> = source.sheet().row(&record);
            let cells = cells.map_err(|reason| bad(path, Some(line), reason))?;
            let model = cells.model.trim();
            if !known.contains(model) {
                known.insert(model.to_owned());
                all.push(model.to_owned());
            }
        }
        Ok(all)
    }
}

/// What a file holds.
struct Found {
    shared: Shared,
    models: Vec<People>,
    unused: Vec<String>,
    sha256: String,
}

/// The rows of a file, by model.
fn rows(path: &Path, asked: &Compared<'_>, of: &[String]) -> Result<Found, StudyError> {
    let mut source = Source::open(path, &SCHEMA, &asked.columns())?;
    let mut shared = Shared::default();
    let mut models: Vec<People> = Vec::new();
    let mut index: HashMap<String, usize> = HashMap::new();
    let mut left_out: BTreeMap<String, u64> = BTreeMap::new();
    let mut record = StringRecord::new();
    while let Some(line) = source.next(&mut record)? {
        let refused = |reason: String| bad(path, Some(line), reason);
        let cells: Cells = source.sheet().row(&record).map_err(refused)?;
        let model = cells.model.trim();
        if !of.is_empty() && !of.iter().any(|own| own == model) {
            *left_out.entry(model.to_owned()).or_default() += 1;
            continue;
        }
        let at = match index.get(model) {
            Some(at) => *at,
            None => {
                models.push(People::new(model.to_owned(), line));
                *index.entry(model.to_owned()).or_insert(models.len() - 1)
            }
        };
        let row: PromptRecord = source.sheet().row(&record).map_err(refused)?;
        let beside = source.sheet().beside(&record);
        let people = &mut models[at];
        people.overview.see(&row, asked.value(asked.attribute, &beside));
        let choice = row.is_choice() || asked.form.choices.is_some();
        let row = shared.row(line, row, beside, choice);
        people.add(&shared, row, cells).map_err(refused)?;
    }
    let known = |own: &String| index.contains_key(own);
    if let Some(absent) = of.iter().find(|own| !known(own)) {
        let all = index.keys().chain(left_out.keys()).map(|own| format!("`{own}`"));
        let all = all.collect::<Vec<_>>().join(", ");
        return Err(bad(path, None, format!("no row is of the model `{absent}`; there are {all}")));
    }
    if models.is_empty() {
        return Err(bad(path, None, format!("it holds no {}", SCHEMA.rows)));
    }
    if let Some(nameless) = models.iter_mut().find(|own| own.model.is_empty()) {
        if index.len() + left_out.len() > 1 {
            let reason = "the column `model` is empty, and other rows name a model; fill it in";
            return Err(bad(path, Some(nameless.line), reason));
        }
        let stem = path.file_stem().map(|own| own.to_string_lossy().into_owned());
        nameless.model = stem.filter(|own| !own.is_empty()).unwrap_or_else(|| "recorded".into());
    }
    for own in &mut models {
        own.finish(&shared).map_err(|(line, reason)| bad(path, Some(line), reason))?;
    }
    Ok(Found { shared, models, unused: source.unused(), sha256: source.sha256() })
}

/// The questions of a model's rows, and who answers them.
fn recorded(
    path: &Path,
    asked: &Compared<'_>,
    shared: &Shared,
    mut people: People,
) -> Result<RecordedAnswers, StudyError> {
    let overview = std::mem::take(&mut people.overview);
    let rows = people.all.iter_mut().map(|own| shared.asked(own));
    let prompts = PromptSet::of_rows(path, asked, &overview, rows)?;
    let drawn = people.drawn();
    let (mut counts_choices, mut has_tokens) = (false, true);
    let mut places = Vec::with_capacity(people.all.len());
    for own in &prompts.contexts {
        for variation in &own.variations {
            let context = own.context.as_str();
            let [written, level] = prompts.origin.written(context, &variation.name);
            let streams = streams(&own.context, variation);
            for (person, stream) in variation.people.iter().zip(streams) {
                let at = people.find(shared, [context, written, level], &person.name);
                let found = at.and_then(|at| Some((at as u32, people.all.get_mut(at)?)));
                let Some((at, about)) = found else { continue };
                if let Some(choices) = &variation.form.choices {
                    if about.in_thought {
                        let reason =
                            "`in_thought` is true, but a choice is not made within a thought";
                        return Err(bad(path, Some(about.line), reason));
                    }
                    counts_choices |= about.counted;
                    for one in &mut about.said {
                        one.text = chosen(choices, &one.text).unwrap_or_default().into();
                        has_tokens &= one.text.is_empty() || one.tokens > 0;
                    }
                }
                places.push(Place { stream, question: digest(&person.name, &person.text), at });
            }
        }
    }
    let responder = Recorded::new(places, people.all, drawn);
    Ok(RecordedAnswers { model: people.model, prompts, responder, counts_choices, has_tokens })
}

/// The word of an option that an answer says: the word itself, or in other letters, with a point
/// behind it or between quotes.
fn chosen<'c>(choices: &'c Choices, answer: &str) -> Option<&'c str> {
    let words = || choices.options().iter().flatten().map(String::as_str);
    let trimmed = answer.trim();
    let bare = trimmed.trim_matches(|c: char| c.is_whitespace() || "\"'`*.!,“”‘’".contains(c));
    let exactly = |text: &str| words().find(|word| *word == text);
    exactly(answer).or_else(|| exactly(trimmed)).or_else(|| exactly(bare)).or_else(|| {
        let alike = |word: &&String| word.to_lowercase() == bare.to_lowercase();
        let mut options = choices.options().iter().filter_map(|own| own.iter().find(alike));
        let first = options.next()?;
        options.next().is_none().then_some(first.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_recognised_as_people_write_them() {
        let choices = Choices::parse("Yes,yes|No way,no", "Yes").unwrap();
        for (answer, expected) in [
            ("Yes", Some("Yes")),
            (" yes\n", Some("yes")),
            ("**No way.**", Some("No way")),
            ("\"NO\"", Some("no")),
            ("YES", Some("Yes")),
            ("Yes, but", None),
            ("", None),
        ] {
            assert_eq!(chosen(&choices, answer), expected, "{answer:?}");
        }
        // What may be either is neither.
        assert_eq!(chosen(&Choices::parse("May|may", "May").unwrap(), "MAY"), None);
    }
}
