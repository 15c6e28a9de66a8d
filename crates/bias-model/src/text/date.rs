use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A day of the Gregorian calendar, written as `2026-11-29`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    /// The year.
    pub year: i16,
    /// The month, from 1.
    pub month: i8,
    /// The day of the month, from 1.
    pub day: i8,
}

impl Date {
    /// Today in UTC, by the system's clock.
    #[must_use]
    pub fn today() -> Self {
        TimeZone::UTC.to_datetime(Timestamp::now()).date().into()
    }
}

impl From<jiff::civil::Date> for Date {
    fn from(date: jiff::civil::Date) -> Self {
        Self { year: date.year(), month: date.month(), day: date.day() }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:04}-{:02}-{:02}", self.year, self.month, self.day))
    }
}

impl FromStr for Date {
    /// A message.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let date = text.parse::<jiff::civil::Date>().ok().filter(|_| plain);
        date.map(Self::from).ok_or_else(|| format!("`{text}` is not a date such as 2026-11-29"))
    }
}

impl TryFrom<String> for Date {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_back_as_themselves() {
        let day: Date = "2024-02-29".parse().unwrap();
        assert_eq!((day.year, day.month, day.day), (2024, 2, 29));
        assert_eq!(serde_json::to_string(&day).unwrap(), "\"2024-02-29\"");
        assert_eq!(serde_json::from_str::<Date>("\"2024-02-29\"").unwrap(), day);
        for bad in ["2023-02-29", "2024-2-9", "20240229", "today", "2024-02-29T00:00", ""] {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
        assert!(Date::today() > day);
    }
}
