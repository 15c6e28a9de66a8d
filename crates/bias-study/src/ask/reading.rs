use std::collections::HashMap;

use bias_ask::Answers;
use bias_ask::generate::Answer;
use bias_ask::question::{Choices, NumberGrammar};
use bias_metrics::parse::{AnswerKind, AnswerReader, ParsedAnswer, Period, Units};

use super::units::told;
use crate::prompts::ContextPrompts;
use crate::results::{Form, Kind};

/// Reads the answers to one variation: each as a kind and a value.
pub(super) struct Reading<'a> {
    form: &'a Form,
    /// Whether an answer can end before it is cut.
    ends: bool,
    sign: f64,
    per: Option<Period>,
    currency: Option<char>,
}

/// The kind and the value of every answer to somebody, for each person; and the units that numbers
/// are in, where they differ.
pub(super) type Read = (Vec<Vec<(AnswerKind, Option<f64>)>>, Option<String>);

impl<'a> Reading<'a> {
    /// A model without an end token is cut everywhere: its numbers are taken as they are.
    pub(super) fn new(context: &ContextPrompts, form: &'a Form, model_ends: bool) -> Self {
        // The sign that the answer was begun with belongs to the number.
        let begun = form.prefix.as_deref().filter(|_| form.kind() == Kind::Number);
        Self {
            form,
            ends: model_ends || form.kind() == Kind::Number,
            sign: if context.higher_is_better { 1.0 } else { -1.0 },
            per: context.per.filter(|_| form.kind() == Kind::Free),
            currency: begun.and_then(NumberGrammar::currency),
        }
    }

    /// Reads everybody's answers.
    pub(super) fn read(&self, people: &[(&AnswerReader, &Answers)]) -> Read {
        if let Some(choices) = &self.form.choices {
            let of = |(_, own): &(_, &Answers)| {
                own.answers.iter().map(|answer| chosen(choices, answer)).collect()
            };
            return (people.iter().map(of).collect(), None);
        }
        let parsed = self.parse(people);
        let answers = || people.iter().flat_map(|(_, own)| &own.answers);
        let total: f64 = answers().map(|own| own.weight).sum();
        let mut units = Units::default();
        for (answer, own) in answers().zip(parsed.iter().flatten()) {
            units.add(own, answer.weight / total.max(f64::MIN_POSITIVE));
        }
        let resolved: Vec<Vec<ParsedAnswer>> =
            parsed.iter().map(|own| own.iter().map(|own| units.resolve(*own)).collect()).collect();
        let shares = answers().map(|own| own.weight / total.max(f64::MIN_POSITIVE));
        let each = parsed.iter().flatten().zip(resolved.iter().flatten()).zip(shares);
        let told = told(each.map(|((own, counted), share)| (own, counted.kind, share)));
        let read = |own: ParsedAnswer| (own.kind, own.value.map(|value| self.sign * value));
        (resolved.into_iter().map(|own| own.into_iter().map(read).collect()).collect(), told)
    }

    fn parse<'p>(&self, people: &[(&'p AnswerReader, &'p Answers)]) -> Vec<Vec<ParsedAnswer>> {
        // People are asked alike and answered alike: most texts are read once.
        let mut known: HashMap<(&'p str, bool), ParsedAnswer> = HashMap::new();
        let mut reader: Option<&AnswerReader> = None;
        let mut out = Vec::with_capacity(people.len());
        for &(own, answers) in people {
            if reader != Some(own) {
                known.clear();
                reader = Some(own);
            }
            let mut read = Vec::with_capacity(answers.answers.len());
            for answer in &answers.answers {
                let (text, cut) = (answer.text.as_str(), self.ends && !answer.finished);
                let parsed = known.entry((text, cut));
                read.push(*parsed.or_insert_with(|| self.number(own, text, cut)));
            }
            out.push(read);
        }
        out
    }

    fn number(&self, reader: &AnswerReader, text: &str, cut: bool) -> ParsedAnswer {
        let signed = self
            .currency
            .filter(|_| NumberGrammar::is_begun_by(text))
            .map(|sign| format!("{sign}{}", text.trim_start()));
        let text = signed.as_deref().unwrap_or(text);
        let mut parsed = if cut { reader.read_cut(text) } else { reader.read(text) };
        if let Some(asked) = self.per {
            parsed.value = parsed.per(asked);
            parsed.unit.period = None;
        }
        parsed
    }
}

/// The kind and the value of an answer to a choice.
fn chosen(choices: &Choices, answer: &Answer) -> (AnswerKind, Option<f64>) {
    let is = |words: &Vec<String>| words.contains(&answer.text);
    match choices.options().iter().position(is) {
        Some(option) => (AnswerKind::Option, Some(f64::from(u8::from(option == choices.better())))),
        None => (AnswerKind::OtherWords, None),
    }
}
