use time::{OffsetDateTime, PrimitiveDateTime, Weekday};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Now, in UTC.
pub(crate) fn now() -> PrimitiveDateTime {
    let now = OffsetDateTime::now_utc();
    PrimitiveDateTime::new(now.date(), now.time())
}

/// A moment as C's `strftime` writes it in English; what is not known stays as it is.
pub(crate) fn strftime(at: PrimitiveDateTime, format: &str) -> String {
    let mut written = String::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            written.push(c);
            continue;
        }
        let before = rest.clone();
        let mut directive = rest.next();
        let flag = directive.filter(|c| "-_0^".contains(*c));
        if flag.is_some() {
            directive = rest.next();
        }
        match directive.and_then(|directive| field(at, directive)) {
            Some(field) => written.push_str(&flagged(&field, flag)),
            None => {
                written.push('%');
                rest = before;
            }
        }
    }
    written
}

fn flagged(field: &str, flag: Option<char>) -> String {
    let digits = field.len() > 1 && field.trim_start().bytes().all(|b| b.is_ascii_digit());
    let bare = || {
        let bare = field.trim_start_matches(['0', ' ']);
        if bare.is_empty() { "0" } else { bare }
    };
    match flag {
        Some('-') if digits => bare().to_owned(),
        Some('_') if digits => format!("{:>1$}", bare(), field.len()),
        Some('0') if digits => field.replace(' ', "0"),
        Some('^') => field.to_uppercase(),
        _ => field.to_owned(),
    }
}

fn field(at: PrimitiveDateTime, directive: char) -> Option<String> {
    let (year, day) = (at.year(), at.day());
    let month = u8::from(at.month());
    let hour12 = (at.hour() + 11) % 12 + 1;
    let month_name = MONTHS.get(usize::from(month) - 1).copied().unwrap_or_default();
    let weekday: Weekday = at.weekday();
    let day_name = DAYS.get(usize::from(weekday.number_days_from_sunday())).copied().unwrap_or_default();
    let short = |name: &str| name.chars().take(3).collect::<String>();
    let all = |format: &str| strftime(at, format);
    Some(match directive {
        'a' => short(day_name),
        'A' => day_name.into(),
        'b' | 'h' => short(month_name),
        'B' => month_name.into(),
        'c' => all("%a %b %e %H:%M:%S %Y"),
        'C' => format!("{:02}", year.div_euclid(100)),
        'd' => format!("{day:02}"),
        'D' | 'x' => all("%m/%d/%y"),
        'e' => format!("{day:2}"),
        'f' => format!("{:06}", at.microsecond()),
        'F' => all("%Y-%m-%d"),
        'G' => at.to_iso_week_date().0.to_string(),
        'H' => format!("{:02}", at.hour()),
        'I' => format!("{hour12:02}"),
        'j' => format!("{:03}", at.ordinal()),
        'k' => format!("{:2}", at.hour()),
        'l' => format!("{hour12:2}"),
        'm' => format!("{month:02}"),
        'M' => format!("{:02}", at.minute()),
        'n' => "\n".into(),
        'p' => if at.hour() < 12 { "AM" } else { "PM" }.into(),
        'r' => all("%I:%M:%S %p"),
        'R' => all("%H:%M"),
        'S' => format!("{:02}", at.second()),
        't' => "\t".into(),
        'T' | 'X' => all("%H:%M:%S"),
        'u' => weekday.number_from_monday().to_string(),
        'U' => format!("{:02}", at.sunday_based_week()),
        'V' => format!("{:02}", at.iso_week()),
        'w' => weekday.number_days_from_sunday().to_string(),
        'W' => format!("{:02}", at.monday_based_week()),
        'y' => format!("{:02}", year.rem_euclid(100)),
        'Y' => year.to_string(),
        // A moment without a time zone.
        'z' | 'Z' => String::new(),
        '%' => "%".into(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use time::{Date, Month, Time};

    use super::*;

    #[test]
    fn dates_are_written_as_in_the_c_locale() {
        let day = Date::from_calendar_date(2025, Month::January, 3).unwrap();
        let at = PrimitiveDateTime::new(day, Time::from_hms_micro(15, 4, 5, 6).unwrap());
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
        ] {
            assert_eq!(strftime(at, format), text, "{format}");
        }
    }
}
