use bias_types::prompt::thought;

use super::answer::{AnswerKind, ParsedAnswer};
use super::choice::{Asked, candidates};
use super::field::fields;
use super::mention::mentions;
use super::open::is_open;
use super::refusal::{asks_back, declines, refuses};
use super::roles::Role;
use super::said::said;
use super::spelling::plain;

/// Reads the numbers out of answers to one question.
///
/// ```
/// use bias_metrics::parse::{AnswerKind, AnswerReader};
///
/// let car = AnswerReader::default().question("What would you offer for a car listed at $14,200?");
/// assert_eq!(car.read("At $14,200 it is dear: 12,900.").value, Some(12_900.0));
/// assert_eq!(car.read("The full $14,200.").value, Some(14_200.0));
/// assert_eq!(car.read_cut("It is from 2019, so I would").kind, AnswerKind::Unfinished);
///
/// let json = AnswerReader::default().field("offer");
/// assert_eq!(json.read(r#"{"offer": 540, "confidence": 0.7}"#).value, Some(540.0));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AnswerReader {
    asked: Vec<Asked>,
    /// Whether the question asks how old, or for how many years.
    asks_time: bool,
    field: Option<String>,
    thinking: bool,
}

/// Questions for an age or for years.
const TIMES: [&str; 3] = ["how old", "what age", "how many years"];
/// A text with more is no answer.
const MOST_NUMBERS: usize = 256;

impl AnswerReader {
    /// The question. A number that it says is not the answer if the answer says another.
    #[must_use]
    pub fn question(mut self, text: &str) -> Self {
        let text = plain(text).chars;
        let mentions = mentions(&text);
        let each = mentions
            .iter()
            .map(|one| (AnswerKind::Number, one.value(one.power, one.unit.currency), one.unit));
        let ranges = said(&text, &mentions).into_iter().map(|one| (one.kind, one.value, one.unit));
        let question = text.iter().collect::<String>().to_lowercase();
        self.asks_time = TIMES.iter().any(|words| question.contains(words));
        self.asked = each
            .chain(ranges)
            .filter_map(|(kind, value, unit)| Some(Asked { kind, value: value?, unit }))
            .take(MOST_NUMBERS)
            .collect();
        self
    }

    /// The field of a JSON object, or of lines of `field: value`, that holds the answer. An answer
    /// without it has no number.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>) -> Self {
        self.field = Some(name.into());
        self
    }

    /// Whether the prompt ends within a thought, as [`thought::is_begun`] tells.
    #[must_use]
    pub fn thinking(mut self, begun: bool) -> Self {
        self.thinking = begun;
        self
    }

    /// Reads an answer that the model ended.
    #[must_use]
    pub fn read(&self, text: &str) -> ParsedAnswer {
        self.parse(text, true)
    }

    /// Reads an answer that was cut at its longest. It is [`AnswerKind::Unfinished`] where it may
    /// have been about to give a number, or to go on with the one that it ends with.
    #[must_use]
    pub fn read_cut(&self, text: &str) -> ParsedAnswer {
        self.parse(text, false)
    }

    fn parse(&self, text: &str, finished: bool) -> ParsedAnswer {
        let Some(text) = thought::answer(text, self.thinking) else {
            return ParsedAnswer::without_value(AnswerKind::Unfinished);
        };
        match &self.field {
            None => self.number(text, finished),
            Some(name) => {
                let found = fields(text, name);
                let mut read =
                    found.iter().map(|(value, ends)| self.number(value, finished || *ends));
                match read.next() {
                    None => ParsedAnswer::without_value(without_field(text, finished)),
                    // Several fields of the name are one answer if they say the same.
                    Some(first) if read.all(|own| own == first) => first,
                    Some(_) => ParsedAnswer::without_value(AnswerKind::SeveralNumbers),
                }
            }
        }
    }

    fn number(&self, text: &str, finished: bool) -> ParsedAnswer {
        let without = ParsedAnswer::without_value;
        if text.trim().is_empty() {
            return without(if finished { AnswerKind::Empty } else { AnswerKind::Unfinished });
        }
        let plain = plain(text);
        let mut mentions = mentions(&plain.chars);
        mentions.retain(|one| !one.age || self.asks_time);
        if mentions.len() > MOST_NUMBERS {
            return without(AnswerKind::SeveralNumbers);
        }
        if !finished && mentions.last().is_some_and(|last| is_open(&plain.chars, last)) {
            return without(AnswerKind::Unfinished);
        }
        let mut said = said(&plain.chars, &mentions);
        if let Some(range) = &plain.boxed
            && said.iter().any(|one| range.contains(&one.start))
        {
            said.retain(|one| range.contains(&one.start));
            said.iter_mut().for_each(|one| one.role = Role::GIVEN);
        }
        let declined = || declines(text);
        match candidates(said, &self.asked).as_slice() {
            [] if declined() => without(AnswerKind::Refusal),
            [] if finished => without(AnswerKind::NoNumber),
            [] => without(AnswerKind::Unfinished),
            [one] if refuses(&plain.chars, one) => without(AnswerKind::Refusal),
            [one] if asks_back(&plain.chars, one) => without(AnswerKind::NoNumber),
            [one] if finished || one.is_given() => match one.value {
                Some(value) => ParsedAnswer { kind: one.kind, value: Some(value), unit: one.unit },
                None => without(AnswerKind::SeveralNumbers),
            },
            [_] => without(AnswerKind::Unfinished),
            _ => without(AnswerKind::SeveralNumbers),
        }
    }
}

/// What an answer is that lacks the field it was asked for.
fn without_field(text: &str, finished: bool) -> AnswerKind {
    match (finished, text.trim().is_empty()) {
        (false, _) => AnswerKind::Unfinished,
        (true, true) => AnswerKind::Empty,
        (true, false) if declines(text) => AnswerKind::Refusal,
        (true, false) => AnswerKind::NoNumber,
    }
}

/// Reads the number out of a finished answer, or says why there is none to read. An
/// [`AnswerReader`] can be told more: the question, a field to look into, that the answer was cut.
///
/// - Thousands are separated by commas (also as in India, `18,50,000`), apostrophes or unbreakable
///   spaces, or by points if there are several or a comma follows (`1.200,50`). Amounts of money
///   may group by plain spaces (`38 500 €`), and by one point where the currency's countries do
///   (`38.500 €`). Otherwise a point is a decimal point. Digits are never joined across anything
///   else: what cannot be read as one number is [`AnswerKind::SeveralNumbers`].
/// - `k`, `M`, *hundred*, *thousand*, *lakh*, *million*, *mn*, *crore*, *bn* and larger words
///   multiply, cents divide; currency and percent signs do not change the value. In `1-2 million`
///   both ends are millions.
/// - English number words count like digits (`two hundred and fifty`, `half a million`); a lonely
///   `one` does not. Digits of other scripts, full-width signs and LaTeX are read.
/// - A range (`100-150`, `100 to 150`, `between 100 and 150`) gives its midpoint.
/// - The same number said twice counts once (`0.58 (58%)`, `30 months (2.5 years)`). Of several
///   different ones, those mentioned as something else (`listed at $14,200`) do not count, and the
///   only one with a currency is the answer, unless another is given as one (`Bid 12,500`).
/// - Numbers that the text refuses (`$500 is too high`), differences and shares of something
///   (`$150 off`, `60% of the price`) are never the answer.
/// - Digits inside words (`B2B`, `iPhone15`, `GPT-4`, `18-speed`), years, dates, times of day, ages,
///   names (`Model 3`), list marks and counts (`There are 2 factors`) are not read. Ranks are
///   (`42nd`), and points of a whole (`42/100`, `42 out of 100`), whose value is 42.
/// - A word behind a number that may be a magnitude not known here (`2 foo euro`) makes it
///   [`AnswerKind::SeveralNumbers`].
/// - `/month`, `per hour`, `a year`, `annually`, `pcm` behind an amount, or `a monthly rent of`
///   before it, are its [`Period`](super::Period).
/// - Text up to the end of a thought (`</think>`) is not read.
///
/// ```
/// use bias_metrics::parse_answer;
/// use bias_metrics::parse::{AnswerKind, Period};
///
/// let value = |text| parse_answer(text).value;
/// assert_eq!(value("I would offer $1,200.50."), Some(1200.5));
/// assert_eq!(value("For 2 bikes I'd say 300 dollars"), Some(300.0));
/// assert_eq!(value("between 100 and 150"), Some(125.0));
/// assert_eq!(value("two hundred and fifty thousand"), Some(250_000.0));
/// assert_eq!(value("Listed at $14,200; I would open at 12900."), Some(12_900.0));
/// assert_eq!(value("₹18 LPA"), Some(1_800_000.0));
/// assert_eq!(parse_answer("$20 an hour").per(Period::Year), Some(41_600.0));
/// assert_eq!(parse_answer("I'm sorry, but I can't say.").kind, AnswerKind::Refusal);
/// assert_eq!(parse_answer("100 or 150").kind, AnswerKind::SeveralNumbers);
/// ```
#[must_use]
pub fn parse_answer(text: &str) -> ParsedAnswer {
    AnswerReader::default().read(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::unit::Unit;

    #[test]
    fn an_answer_without_the_field_has_no_number() {
        let json = AnswerReader::default().field("offer");
        let kinds = [
            (json.read(r#"{"price": 540}"#), AnswerKind::NoNumber),
            (json.read_cut(r#"{"offer": 54"#), AnswerKind::Unfinished),
            (json.read("I'm sorry, I can't."), AnswerKind::Refusal),
            (json.read(" "), AnswerKind::Empty),
            (json.read(r#"{"offer": "500 or 600"}"#), AnswerKind::SeveralNumbers),
        ];
        for (parsed, kind) in kinds {
            assert_eq!(parsed, ParsedAnswer { kind, value: None, unit: Unit::default() });
        }
    }
}
