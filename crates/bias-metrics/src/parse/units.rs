use std::collections::BTreeMap;
use std::fmt;

use super::answer::{AnswerKind, ParsedAnswer};
use super::currency::Currency;
use super::period::Period;
use super::unit::{Measure, Unit};

/// In which units the answers to one question are, and how much of them in each.
///
/// Numbers of different units are not comparable: 0.58 and 58 %, $500 and €500, $20 an hour and
/// $3,500 a month, 8/10 and 80/100. Of each such difference the unit with most weight counts;
/// answers in another become [`AnswerKind::AnotherUnit`] and have no value. A number whose currency,
/// period or scale is not said is taken to be in the one that most others say.
///
/// ```
/// use bias_metrics::parse::{AnswerKind, Units};
/// use bias_metrics::parse_answer;
///
/// let answers = ["58%", "61%", "0.6", "$20"].map(parse_answer);
/// let mut units = Units::default();
/// answers.iter().for_each(|answer| units.add(answer, 0.25));
/// assert!(units.are_mixed());
/// assert_eq!(units.resolve(answers[0]).value, Some(58.0));
/// assert_eq!(units.resolve(answers[2]).kind, AnswerKind::AnotherUnit);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Units {
    currencies: BTreeMap<Currency, f64>,
    periods: BTreeMap<Option<Period>, f64>,
    measures: BTreeMap<Form, f64>,
}

/// What a number looks like, as far as it tells its scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Rank,
    Percent,
    /// Plain, between 0 and 1.
    Fraction,
    /// A plain 1: all of it, or one.
    One,
    OutOf(u32),
    /// Plain, above 10 and up to 100: points, or percent without the sign.
    Tens,
    /// Plain, above 100.
    Large,
    Lasting(Period),
    Money,
}

impl Form {
    fn of(answer: &ParsedAnswer) -> Option<Self> {
        if answer.unit.currency.is_some() {
            return Some(Self::Money);
        }
        match answer.unit.measure {
            Measure::Percent => Some(Self::Percent),
            Measure::OutOf(whole) => Some(Self::OutOf(whole)),
            Measure::Rank => Some(Self::Rank),
            Measure::Lasting(period) => Some(Self::Lasting(period)),
            Measure::Plain => match answer.value? {
                1.0 => Some(Self::One),
                value if value > 0.0 && value < 1.0 => Some(Self::Fraction),
                value if value > 100.0 => Some(Self::Large),
                value if value > 10.0 => Some(Self::Tens),
                _ => None,
            },
        }
    }

    /// Whether the number says its scale.
    fn tells(self) -> bool {
        !matches!(self, Self::One | Self::Tens | Self::Large)
    }

    /// Whether numbers of both forms can be compared.
    fn agrees(self, other: Self) -> bool {
        use Form::{Fraction, Large, Lasting, Money, One, OutOf, Percent, Rank, Tens};
        let one_way = |a: Self, b: Self| match (a, b) {
            // 42 of 100 points is 42 %.
            (Percent, OutOf(100)) | (Rank, OutOf(_)) => true,
            (Percent | OutOf(_) | Rank | Lasting(_) | Money, Tens) => true,
            (Rank | Lasting(_) | Money, Large | One | Fraction) | (OutOf(_), One) => true,
            (Fraction, One) | (Tens | Large, One) | (Large, Tens | Fraction) => true,
            (a, b) => a == b,
        };
        one_way(self, other) || one_way(other, self)
    }
}

impl Units {
    /// Counts an answer with its weight.
    pub fn add(&mut self, answer: &ParsedAnswer, weight: f64) {
        if answer.value.is_none() {
            return;
        }
        if let Some(currency) = answer.unit.currency.filter(|own| *own != Currency::Unsaid) {
            *self.currencies.entry(currency).or_default() += weight;
        }
        *self.periods.entry(answer.unit.period).or_default() += weight;
        if let Some(form) = Form::of(answer) {
            *self.measures.entry(form).or_default() += weight;
        }
    }

    /// Whether the answers are in units that cannot be compared. With one period, amounts without
    /// a period are taken to be for it, and not mixed.
    #[must_use]
    pub fn are_mixed(&self) -> bool {
        let periods =
            self.periods.iter().filter(|(period, weight)| period.is_some() && **weight > 0.0);
        let main = self.form();
        self.currencies.len() > 1
            || periods.count() > 1
            || self.measures.keys().any(|form| main.is_some_and(|main| !form.agrees(main)))
    }

    /// Whether some amounts say a period and others do not. All of them count.
    #[must_use]
    pub fn some_without_period(&self) -> bool {
        self.periods.len() > 1 && self.periods.contains_key(&None)
    }

    /// The unit with most weight.
    #[must_use]
    pub fn main(&self) -> Unit {
        Unit {
            currency: most(self.currencies.iter().map(|(unit, weight)| (*unit, *weight))),
            period: most(
                self.periods.iter().filter_map(|(unit, weight)| Some(((*unit)?, *weight))),
            ),
            measure: match self.form() {
                Some(Form::Percent) => Measure::Percent,
                Some(Form::OutOf(whole)) => Measure::OutOf(whole),
                Some(Form::Rank) => Measure::Rank,
                Some(Form::Lasting(period)) => Measure::Lasting(period),
                Some(Form::Money | Form::Fraction | Form::One | Form::Tens | Form::Large)
                | None => Measure::Plain,
            },
        }
    }

    /// The form that most numbers can be in. A plain number counts for every form that it can be in.
    fn form(&self) -> Option<Form> {
        let weight = |form: Form| -> f64 {
            let counts = |other: Form| form.agrees(other) && (form.tells() || !other.tells());
            let counted = self.measures.iter().filter(|(other, _)| counts(**other));
            counted.map(|(_, weight)| weight).sum()
        };
        most(self.measures.keys().map(|form| (*form, weight(*form))))
    }

    /// The answer as it counts among the others.
    #[must_use]
    pub fn resolve(&self, answer: ParsedAnswer) -> ParsedAnswer {
        let main = self.main();
        let differs = |form: Form| self.form().is_some_and(|main| !form.agrees(main));
        let currency = answer.unit.currency.filter(|own| *own != Currency::Unsaid);
        let other = answer.value.is_some()
            && (currency.is_some_and(|own| Some(own) != main.currency)
                || answer.unit.period.is_some_and(|own| Some(own) != main.period)
                || Form::of(&answer).is_some_and(differs));
        if other { ParsedAnswer::without_value(AnswerKind::AnotherUnit) } else { answer }
    }
}

/// What has most weight; of equals the first.
fn most<T: Copy>(weights: impl Iterator<Item = (T, f64)>) -> Option<T> {
    let mut best: Option<(T, f64)> = None;
    for (unit, weight) in weights {
        if best.is_none_or(|(_, most)| weight > most) {
            best = Some((unit, weight));
        }
    }
    best.map(|(unit, _)| unit)
}

impl fmt::Display for Units {
    /// `58 %: 0.75, fractions: 0.25`, in units of the weights.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let currencies = self.currencies.iter().map(|(unit, weight)| (unit.to_string(), weight));
        let periods =
            self.periods.iter().filter(|_| self.periods.len() > 1).map(|(unit, weight)| {
                (unit.map_or("no period".to_owned(), |period| format!("per {period}")), weight)
            });
        let told = |form: &Form| {
            let money = *form == Form::Money && !self.currencies.is_empty();
            !money && (form.tells() || self.measures.keys().any(|other| !other.agrees(*form)))
        };
        let measures = self.measures.iter().filter(|(form, _)| told(form)).map(|(form, weight)| {
            let name = match form {
                Form::Percent => "percent".to_owned(),
                Form::Fraction => "fractions".to_owned(),
                Form::OutOf(whole) => format!("out of {whole}"),
                Form::Rank => "ranks".to_owned(),
                Form::Lasting(period) => format!("{period}s"),
                Form::One | Form::Tens | Form::Large | Form::Money => "plain numbers".to_owned(),
            };
            (name, weight)
        });
        let parts: Vec<String> = currencies
            .chain(periods)
            .chain(measures)
            .map(|(name, weight)| format!("{name} {weight:.3}"))
            .collect();
        f.pad(&parts.join(", "))
    }
}
