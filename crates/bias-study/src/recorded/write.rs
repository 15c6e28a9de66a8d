use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use bias_ask::generate::Answer;
use bias_ask::question::Choices;
use bias_files::write_with;
use bias_metrics::parse::AnswerKind;
use serde::Serialize;
use serde_json::{Map, Value};

use super::columns::ANSWERED;
use crate::StudyError;
use crate::ask::VariationAnswers;
use crate::prompts::{ASKED, PromptSet, VariationIndex};
use crate::results::{Kind, NAME_GROUP};

/// What is written: a model's answers to a set of prompts.
pub(crate) struct Saved<'a> {
    /// What the model is called.
    pub model: &'a str,
    pub prompts: &'a PromptSet,
    pub answers: &'a BTreeMap<VariationIndex, VariationAnswers>,
    /// Whether free answers were drawn.
    pub sampled: bool,
    /// Whether the model can end an answer.
    pub ends: bool,
    /// Whether the answers about a person begin within a thought.
    pub in_thought: &'a dyn Fn(VariationIndex, usize) -> bool,
}

/// A row: its cells by their columns. Empty cells are missing.
type Row<'r> = BTreeMap<&'r str, Cell<'r>>;

enum Cell<'r> {
    Text(Cow<'r, str>),
    Number(f64),
    Count(u64),
    Truth(bool),
}

/// Columns that every file has, before those that it needs.
const FIRST: [&str; 8] = [
    "scenario",
    "variation",
    NAME_GROUP,
    "name",
    "context_level",
    "prompt_text",
    "response",
    "model",
];

/// Columns behind those, in this order, where a row fills them in.
fn more<'c>() -> impl Iterator<Item = &'c str> {
    let (weight, known) = ANSWERED.split_at(3);
    [weight, &["read_as", "value"], known, ASKED].into_iter().flatten().copied()
}

/// Writes a file of answers, whole or not at all: JSON Lines under a name that ends in `.jsonl` or
/// `.ndjson`, and CSV under any other.
///
/// # Errors
/// [`StudyError::Write`].
pub(crate) fn write_answers(path: &Path, saved: &Saved<'_>) -> Result<(), StudyError> {
    let ends_in = |own: &str| path.extension().is_some_and(|end| end.eq_ignore_ascii_case(own));
    let lines = ends_in("jsonl") || ends_in("ndjson");
    let fill = |file: &mut File| {
        let mut out = BufWriter::new(file);
        if lines { saved.json_lines(&mut out) } else { saved.csv(&mut out) }?;
        out.flush()
    };
    write_with(path, fill).map_err(|source| StudyError::Write { path: path.to_owned(), source })
}

impl Saved<'_> {
    fn csv(&self, out: &mut impl Write) -> io::Result<()> {
        let attributes = self.prompts.origin.columns().iter().map(String::as_str);
        let mut beside: Vec<(&str, bool)> =
            more().chain(attributes).map(|column| (column, false)).collect();
        self.rows(&mut |row| {
            beside.iter_mut().for_each(|(column, used)| *used |= row.contains_key(column));
            Ok(())
        })?;
        let beside = beside.into_iter().filter(|(own, used)| *used && !FIRST.contains(own));
        let columns: Vec<&str> = FIRST.into_iter().chain(beside.map(|own| own.0)).collect();
        let mut out = csv::Writer::from_writer(out);
        out.write_record(&columns).map_err(io::Error::other)?;
        self.rows(&mut |row| {
            for column in &columns {
                let text = row.get(column).map(Cell::text).unwrap_or_default();
                out.write_field(text.as_bytes()).map_err(io::Error::other)?;
            }
            out.write_record(None::<&[u8]>).map_err(io::Error::other)
        })?;
        out.flush()
    }

    fn json_lines(&self, out: &mut impl Write) -> io::Result<()> {
        let attributes = self.prompts.origin.columns();
        let columns = FIRST.into_iter().chain(more()).chain(attributes.iter().map(String::as_str));
        let columns: Vec<&str> = columns.collect();
        self.rows(&mut |row| {
            let mut object = Map::new();
            for column in &columns {
                if let Some(cell) = row.get(column) {
                    object.insert((*column).to_owned(), cell.value());
                }
            }
            serde_json::to_writer(&mut *out, &object)?;
            out.write_all(b"\n")
        })
    }

    /// Every row, in order.
    fn rows(&self, take: &mut dyn FnMut(&Row<'_>) -> io::Result<()>) -> io::Result<()> {
        for (place, answers) in self.answers {
            self.variation(*place, answers, take)?;
        }
        Ok(())
    }

    fn variation(
        &self,
        place: VariationIndex,
        answers: &VariationAnswers,
        take: &mut dyn FnMut(&Row<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let context = &self.prompts.contexts[place.0];
        let variation = &context.variations[place.1];
        let (scenario, form) = (context.context.as_str(), &variation.form);
        let [written, level] = self.prompts.origin.written(scenario, &variation.name);
        let [marks_variations, marks_names] = self.prompts.marks();
        let choice = form.kind() == Kind::Choice;
        let mut asked = Row::new();
        let mut text = |column, text: &'_ str| {
            if !text.is_empty() {
                asked.insert(column, Cell::Text(Cow::Owned(text.to_owned())));
            }
        };
        text("scenario", scenario);
        text("variation", written);
        text("context_level", level);
        text("model", self.model);
        text("answer_prefix", form.prefix.as_deref().unwrap_or_default());
        text("answer_field", form.field.as_deref().unwrap_or_default());
        text("per", &context.per.map(|own| called(&own)).unwrap_or_default());
        if marks_variations {
            text("split", &called(&variation.split));
        }
        if let Some(choices) = &form.choices {
            let [options, better] = options(choices);
            text("choices", &options);
            text("better", &better);
        }
        // The reader refuses it for a choice, which says by itself what is better.
        if !context.higher_is_better && !choice {
            asked.insert("higher_is_better", Cell::Truth(false));
        }
        if form.raw {
            asked.insert("raw", Cell::Truth(true));
        }
        // The value of an option is 1 or 0 whichever side is better.
        let sign = if choice || context.higher_is_better { 1.0 } else { -1.0 };
        let none = Answer {
            tokens: Vec::new(),
            text: String::new(),
            weight: 0.0,
            finished: true,
            draw: None,
        };
        for (index, own, read) in answers.each() {
            let Some(person) = variation.people.get(index) else { continue };
            let mut of_person = Row::new();
            let name_split = called(&person.split);
            let mut text = |column, text| {
                of_person.insert(column, Cell::Text(Cow::Borrowed(text)));
            };
            text(NAME_GROUP, person.group.as_str());
            text("name", &person.name);
            text("prompt_text", &person.text);
            if marks_names {
                text("name_split", &name_split);
            }
            let columns = self.prompts.origin.columns().iter();
            let cells = self.prompts.origin.cells(scenario, person.group.as_str(), &person.name);
            for (column, cell) in columns.zip(cells) {
                text(column, cell);
            }
            if (self.in_thought)(place, index) {
                of_person.insert("in_thought", Cell::Truth(true));
            }
            let exact = choice || !self.sampled;
            if exact && own.unexplored > 0.0 {
                of_person.insert("unexplored", Cell::Number(own.unexplored));
            }
            if exact && own.draws > 0 {
                of_person.insert("draws", Cell::Count(own.draws.into()));
            }
            // Somebody of whose answers nothing was explored is there all the same.
            let all = own.answers.iter().zip(read.iter().map(Some));
            let missing = own.answers.is_empty().then_some((&none, None));
            for (answer, read) in all.chain(missing) {
                let mut row = said_so(answer, read.filter(|_| !own.answers.is_empty()), sign);
                if exact {
                    row.insert("probability", Cell::Number(answer.weight));
                } else {
                    row.insert("count", Cell::Count(answer.weight as u64));
                }
                if self.ends || form.kind() != Kind::Free {
                    row.insert("ended", Cell::Truth(answer.finished));
                }
                if choice && !answer.tokens.is_empty() {
                    row.insert("tokens", Cell::Count(answer.tokens.len() as u64));
                }
                row.extend(asked.iter().map(|(column, cell)| (*column, cell.borrowed())));
                row.extend(of_person.iter().map(|(column, cell)| (*column, cell.borrowed())));
                take(&row)?;
            }
        }
        Ok(())
    }
}

/// What was answered, and what was read in it.
fn said_so<'r>(answer: &'r Answer, read: Option<&(AnswerKind, Option<f64>)>, sign: f64) -> Row<'r> {
    let mut row = Row::new();
    row.insert("response", Cell::Text(Cow::Borrowed(&answer.text)));
    if let Some((kind, value)) = read {
        row.insert("read_as", Cell::Text(Cow::Owned(called(kind))));
        if let Some(value) = value {
            row.insert("value", Cell::Number(sign * value));
        }
    }
    if let Some(draw) = answer.draw {
        row.insert("draw", Cell::Count(draw.into()));
    }
    row
}

impl Cell<'_> {
    fn borrowed(&self) -> Cell<'_> {
        match self {
            Self::Text(own) => Cell::Text(Cow::Borrowed(own)),
            Self::Number(own) => Cell::Number(*own),
            Self::Count(own) => Cell::Count(*own),
            Self::Truth(own) => Cell::Truth(*own),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Text(own) => Value::from(own.as_ref()),
            Self::Number(own) => Value::from(*own),
            Self::Count(own) => Value::from(*own),
            Self::Truth(own) => Value::from(*own),
        }
    }

    /// Numbers as JSON has them, which read back to the last bit.
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(own) => Cow::Borrowed(own.as_ref()),
            _ => Cow::Owned(self.value().to_string()),
        }
    }
}

/// What a file calls a split, a period or a kind of answer.
fn called(own: &impl Serialize) -> String {
    serde_json::to_value(own)
        .ok()
        .and_then(|own| own.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Options and the better one, as a prompt file says them.
fn options(choices: &Choices) -> [String; 2] {
    let options: Vec<String> = choices.options().iter().map(|words| words.join(",")).collect();
    let better = choices.options().get(choices.better()).and_then(|own| own.first());
    [options.join("|"), better.cloned().unwrap_or_default()]
}
