use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};
use jiff::tz::TimeZone;
use minijinja::Error;

use crate::limits::fail;

/// Now, in UTC.
pub(crate) fn now() -> DateTime {
    TimeZone::UTC.to_datetime(Timestamp::now())
}

/// Formats a moment without a time zone in English, as C's `strftime` does. Unknown directives stay
/// as they are.
pub(crate) fn strftime(at: DateTime, format: &str) -> Result<String, Error> {
    let config = Config::new().lenient(true).custom(PosixCustom::new());
    let written = BrokenDownTime::from(at).to_string_with_config(&config, without_zone(format));
    written.map_err(|error| fail(error.to_string()))
}

/// Removes the directives for a time zone from a format: this moment has none.
fn without_zone(format: &str) -> String {
    let mut kept = String::with_capacity(format.len());
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        match (c, rest.clone().next()) {
            ('%', Some('z' | 'Z')) => drop(rest.next()),
            ('%', Some('%')) => {
                kept.push_str("%%");
                rest.next();
            }
            _ => kept.push(c),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_in_the_c_locale() {
        let at = jiff::civil::date(2025, 1, 3).at(15, 4, 5, 6_000);
        for (format, text) in [
            ("%d %b %Y", "03 Jan 2025"),
            ("%B %d, %Y", "January 03, 2025"),
            ("%A %a %-d %e %y %j", "Friday Fri 3  3 25 003"),
            ("%H:%M:%S %I %p %-I %f", "15:04:05 03 PM 3 000006"),
            ("%Y-%m-%d|%F|%D|%T|%R", "2025-01-03|2025-01-03|01/03/25|15:04:05|15:04"),
            ("%u %w %U %W %V %G", "5 5 00 00 01 2025"),
            ("%^b %_d %-m %0e", "JAN  3 1 03"),
            ("100%% %Q %", "100% %Q %"),
            ("%c", "Fri Jan  3 15:04:05 2025"),
            ("%z%Z", ""),
            ("%%z%%%Z", "%z%"),
            ("%C %h %k %l|%r %x %X", "20 Jan 15  3|03:04:05 PM 01/03/25 15:04:05"),
            ("%9999999999d", "%9999999999d"),
        ] {
            assert_eq!(strftime(at, format).unwrap(), text, "{format}");
        }
    }
}
