use std::fmt;

use serde::{Deserialize, Serialize};

use super::currency::Currency;
use super::period::Period;

/// What a number counts, as far as the answer says it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Unit {
    /// The money that it is an amount of.
    pub currency: Option<Currency>,
    /// What the amount is paid for: `$20/hour`.
    pub period: Option<Period>,
    /// What it is a part of.
    pub measure: Measure,
}

/// What a number is a part of.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Measure {
    /// Nothing that is said.
    #[default]
    Plain,
    /// A hundred: `58%`.
    Percent,
    /// Of so many points: `42/100`, `42 out of 100`.
    OutOf(u32),
    /// Nothing: it is a place in an order, `42nd`.
    Rank,
    /// Nothing: it is a time in so many hours, months or years, `24 months`.
    Lasting(Period),
}

impl Unit {
    /// The unit of a range with these ends, where one end says what both are.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            currency: self.currency.or(other.currency),
            period: self.period.or(other.period),
            measure: if self.measure == Measure::Plain { other.measure } else { self.measure },
        }
    }

    /// Whether both can be meant of one number.
    pub(super) fn agrees(self, other: Self) -> bool {
        fn same<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
            a.is_none() || b.is_none() || a == b
        }
        same(self.period, other.period)
            && same(self.currency, other.currency)
            && (self.measure == other.measure
                || self.measure == Measure::Plain
                || other.measure == Measure::Plain)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measure = match self.measure {
            Measure::Plain => None,
            Measure::Percent => Some("%".to_owned()),
            Measure::OutOf(whole) => Some(format!("out of {whole}")),
            Measure::Rank => Some("rank".to_owned()),
            Measure::Lasting(period) => Some(format!("{period}s")),
        };
        let parts = [
            self.currency.map(|currency| currency.to_string()),
            measure,
            self.period.map(|period| format!("per {period}")),
        ];
        let said: Vec<String> = parts.into_iter().flatten().collect();
        f.pad(&if said.is_empty() { "no unit".to_owned() } else { said.join(" ") })
    }
}
