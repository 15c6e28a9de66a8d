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
    /// Two weeks, as `biweekly` pay is.
    Fortnight,
    /// Half a month, as `semi-monthly` pay is.
    HalfMonth,
    /// A month.
    Month,
    /// Three months.
    Quarter,
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
            Self::Fortnight => 26.0,
            Self::HalfMonth => 24.0,
            Self::Month => 12.0,
            Self::Quarter => 4.0,
            Self::Year => 1.0,
        }
    }

    /// Of a noun that needs "per", "a" or a stroke before it: `/hr`, `per annum`.
    pub(super) fn of_noun(word: &str) -> Option<Self> {
        Some(match word {
            "hour" | "hr" | "hrs" | "h" | "hours" | "stunde" | "heure" | "hora" => Self::Hour,
            "day" | "d" | "workday" | "tag" | "jour" | "día" => Self::Day,
            "week" | "wk" | "w" | "woche" | "semaine" | "semana" => Self::Week,
            "fortnight" => Self::Fortnight,
            "month" | "mo" | "mth" | "mon" | "m" | "monat" | "mois" | "mes" => Self::Month,
            "quarter" | "qtr" => Self::Quarter,
            "year" | "yr" | "annum" | "y" | "a" | "jahr" | "an" | "année" | "año" => Self::Year,
            _ => return None,
        })
    }

    /// Of a noun behind a number that counts them: `24 months`.
    pub(super) fn of_count(word: &str) -> Option<Self> {
        Some(match word {
            "hour" | "hours" | "hr" | "hrs" => Self::Hour,
            "day" | "days" => Self::Day,
            "week" | "weeks" | "wk" | "wks" => Self::Week,
            "month" | "months" | "mo" | "mos" => Self::Month,
            "year" | "years" | "yr" | "yrs" => Self::Year,
            _ => return None,
        })
    }

    /// Of an adverb or an adjective: `monthly`.
    pub(super) fn of_adverb(word: &str) -> Option<Self> {
        Some(match word {
            "hourly" => Self::Hour,
            "daily" => Self::Day,
            "weekly" => Self::Week,
            "biweekly" | "fortnightly" => Self::Fortnight,
            "semimonthly" => Self::HalfMonth,
            "monthly" | "monatlich" => Self::Month,
            "quarterly" => Self::Quarter,
            "yearly" | "annually" | "annual" | "jährlich" => Self::Year,
            _ => return None,
        })
    }

    /// `bi-weekly` and `semi-monthly`, where the prefix is a word of its own.
    pub(super) fn with_prefix(self, prefix: &str) -> Self {
        match (self, prefix) {
            (Self::Week, "bi") => Self::Fortnight,
            (Self::Month, "semi") => Self::HalfMonth,
            (own, _) => own,
        }
    }

    /// Of an abbreviation without its points and strokes: `pcm`, `pw`, `pa`. One that also means
    /// something else counts behind money only.
    pub(super) fn of_letters(letters: &str) -> Option<Self> {
        Some(match letters {
            "ph" => Self::Hour,
            "pd" => Self::Day,
            "pw" | "ppw" => Self::Week,
            "pcm" | "pm" | "ppm" => Self::Month,
            "pa" => Self::Year,
            _ => return None,
        })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Fortnight => "fortnight",
            Self::HalfMonth => "half month",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        })
    }
}
