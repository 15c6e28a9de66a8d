//! Digits as one number, where their separators leave no doubt.

use super::currency::Currency;

/// Spaces that do not break a line: no-break, thin, narrow no-break. Between digits they group
/// thousands.
pub(super) const NARROW_SPACES: &str = "\u{a0}\u{2009}\u{202f}\u{2007}";

/// A decimal literal, or several, of which the currency tells the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Digits {
    /// One reading.
    Sure(String),
    /// Grouped by plain spaces or by a comma and a space, as only amounts of money are.
    Money(String),
    /// One point before three digits: a decimal point, or a separator of thousands.
    Point {
        /// `1.200` as 1.2.
        decimal: String,
        /// `1.200` as 1200.
        grouped: String,
    },
    /// A decimal comma (`1,50`), which is read in money of languages that write one.
    Comma(String),
    /// No number: `2024/01/15`.
    Unreadable,
}

impl Digits {
    /// Of a run of digits and separators.
    pub(super) fn of(run: &[char]) -> Self {
        let run: String =
            run.iter().map(|c| if NARROW_SPACES.contains(*c) { ' ' } else { *c }).collect();
        match point(&run) {
            Some((whole, thousands)) => {
                Self::Point { grouped: format!("{whole}{thousands}"), decimal: run }
            }
            None => literal(&run)
                .map(Self::Sure)
                .unwrap_or_else(|| decimal_comma(&run).map_or(Self::Unreadable, Self::Comma)),
        }
    }

    /// The same, if it stands for an amount of money.
    pub(super) fn money_alone(self) -> Self {
        match self {
            Self::Sure(digits) => Self::Money(digits),
            other => other,
        }
    }

    /// The literal of a number in this currency. With a magnitude behind it (`1.005 k`), a point is
    /// a decimal point.
    pub(super) fn literal(&self, currency: Option<Currency>, magnitude: bool) -> Option<&str> {
        match self {
            Self::Sure(digits) => Some(digits),
            Self::Money(digits) => currency.map(|_| digits.as_str()),
            Self::Point { decimal, grouped } => match currency {
                _ if magnitude => Some(decimal),
                None => Some(decimal),
                Some(currency) => currency.groups_by_points().then_some(grouped),
            },
            Self::Comma(decimal) => {
                currency.filter(|own| own.groups_by_points()).map(|_| decimal.as_str())
            }
            Self::Unreadable => None,
        }
    }
}

/// The parts of `1.200`: one to three digits, a point, three digits.
fn point(run: &str) -> Option<(&str, &str)> {
    let (whole, thousands) = run.split_once('.')?;
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let grouped = (1..=3).contains(&whole.len()) && !whole.starts_with('0') && thousands.len() == 3;
    (grouped && digits(whole) && digits(thousands)).then_some((whole, thousands))
}

/// `1,50` as `1.50`. Three digits behind a comma may be thousands.
fn decimal_comma(run: &str) -> Option<String> {
    let (whole, fraction) = run.split_once(',')?;
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let short = (1..=2).contains(&fraction.len()) && !whole.is_empty();
    (short && digits(whole) && digits(fraction)).then(|| format!("{whole}.{fraction}"))
}

/// `1,200.5` as `1200.5`: digits in groups of three if grouped (or of two but for the last, as in
/// India), at most one decimal mark, which is a point; or a comma where points or spaces group
/// (`1.200,50`).
fn literal(text: &str) -> Option<String> {
    let grouping =
        text.chars().find(|c| ",'’ ".contains(*c) || (*c == '.' && groups_by_points(text)));
    let Some(separator) = grouping else {
        let value = text.parse::<f64>().ok().filter(|v| v.is_finite())?;
        // Room for one exponent only, and the magnitude needs it: write this one out.
        return Some(if text.contains(['e', 'E']) { value.to_string() } else { text.to_owned() });
    };
    let mark = if separator == '.' || (separator == ' ' && text.contains(',')) { ',' } else { '.' };
    let (whole, fraction) = text.split_once(mark).unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let groups: Vec<&str> = whole.split(separator).collect();
    let (first, rest) = groups.split_first()?;
    let (last, middle) = rest.split_last()?;
    let thousands = (1..=3).contains(&first.len()) && middle.iter().all(|group| group.len() == 3);
    let lakhs = separator == ','
        && (1..=2).contains(&first.len())
        && !middle.is_empty()
        && middle.iter().all(|group| group.len() == 2);
    let grouped = (thousands || lakhs)
        && last.len() == 3
        && !first.starts_with('0')
        && groups.iter().all(|group| digits(group))
        && digits(fraction);
    grouped.then(|| format!("{}.{fraction}", groups.concat()))
}

/// Whether points group: there are several, or a comma follows the only one.
fn groups_by_points(text: &str) -> bool {
    let points = text.matches('.').count();
    points > 1
        || text.split_once('.').is_some_and(|(before, after)| {
            !before.contains([',', '\'', '’', ' ']) && after.contains(',')
        })
}
