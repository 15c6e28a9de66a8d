use std::fmt;

use serde::{Deserialize, Serialize};

/// What an amount is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Period {
    /// An hour of work.
    Hour,
    /// A day of work.
    Day,
    /// A week.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Period {
    /// How many there are in a year: 52 weeks of 5 days of 8 hours, 12 months.
    #[must_use]
    pub fn in_a_year(self) -> f64 {
        match self {
            Self::Hour => 2080.0,
            Self::Day => 260.0,
            Self::Week => 52.0,
            Self::Month => 12.0,
            Self::Year => 1.0,
        }
    }

    /// Of a word such as `monthly`, `yr` or `hour`.
    pub(crate) fn of_word(word: &str) -> Option<(Self, bool)> {
        // Whether it needs "per", "a" or a stroke before it.
        let own = match word {
            "hour" | "hr" | "h" => (Self::Hour, true),
            "day" => (Self::Day, true),
            "week" | "wk" => (Self::Week, true),
            "month" | "mo" => (Self::Month, true),
            "year" | "yr" | "annum" => (Self::Year, true),
            "hourly" => (Self::Hour, false),
            "daily" => (Self::Day, false),
            "weekly" => (Self::Week, false),
            "monthly" => (Self::Month, false),
            "yearly" | "annually" => (Self::Year, false),
            _ => return None,
        };
        Some(own)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        })
    }
}
