//! Numbers for readers.

use crate::results::Estimate;

/// The sign for a missing number.
pub(crate) const DASH: &str = "–";

/// A number with a true minus sign, or a dash.
pub(crate) fn fixed(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return DASH.into();
    }
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.chars().all(|c| c == '0' || c == '.') => zero.into(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// As [`fixed`], with a sign even if it is positive.
pub(crate) fn signed(value: f64) -> String {
    let text = fixed(value, 2);
    if value.is_finite() && !text.starts_with('−') { format!("+{text}") } else { text }
}

/// A share in whole percent, or a dash.
pub(crate) fn percent(value: f64) -> String {
    if value.is_finite() { fixed(value * 100.0, 0) + "%" } else { DASH.into() }
}

/// A small share in percent with as many digits as it needs. If four digits are not enough, only an
/// upper bound is given.
pub(crate) fn share(value: f64) -> String {
    let percent = value * 100.0;
    if percent > 0.0 && percent < 5e-5 {
        return "<0.0001%".into();
    }
    let digits =
        if percent >= 9.95 { 0 } else { (1.0 - percent.log10().floor()).clamp(1.0, 4.0) as usize };
    if value == 0.0 || digits == 0 {
        return self::percent(value);
    }
    let text = fixed(percent, digits);
    if text == DASH {
        text
    } else {
        text.trim_end_matches('0').trim_end_matches('.').to_owned() + "%"
    }
}

/// The ends of an interval, such as `[0.41..0.83]`; empty if there is none.
pub(crate) fn interval(ends: Option<[f64; 2]>, end: impl Fn(f64) -> String) -> String {
    ends.map_or(String::new(), |[low, high]| format!("[{}..{}]", end(low), end(high)))
}

/// A number and its interval.
pub(crate) fn estimate(estimate: &Estimate) -> String {
    joined(fixed(estimate.value, 2), interval(estimate.interval, |x| fixed(x, 2)))
}

/// As [`estimate`], with signs.
pub(crate) fn signed_estimate(estimate: &Estimate) -> String {
    joined(signed(estimate.value), interval(estimate.interval, signed))
}

/// As [`estimate`], in percent.
pub(crate) fn percent_estimate(estimate: &Estimate) -> String {
    joined(percent(estimate.value), interval(estimate.interval, |x| fixed(x * 100.0, 0)))
}

fn joined(value: String, interval: String) -> String {
    if interval.is_empty() || value == DASH { value } else { format!("{value} {interval}") }
}

/// A probability as in papers, or a dash.
pub(crate) fn probability(p: Option<f64>) -> String {
    match p.filter(|p| p.is_finite()) {
        None => DASH.into(),
        Some(p) if p < 0.001 => "<0.001".into(),
        Some(p) => fixed(p, if p < 0.1 { 3 } else { 2 }),
    }
}

/// An answer with thousands separated, and with no more digits than it needs.
pub(crate) fn amount(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return DASH.into();
    }
    if size >= 1e12 || (size > 0.0 && size < 1e-3) {
        return format!("{value:.1e}").replace('-', "−");
    }
    let digits = match size {
        v if v >= 100.0 => 0,
        v if v >= 1.0 => 1,
        _ => 3,
    };
    let text = fixed(value, digits);
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let count = whole.chars().filter(char::is_ascii_digit).count();
    let mut out = String::new();
    let mut left = count;
    for c in whole.chars() {
        if c.is_ascii_digit() {
            if left < count && left.is_multiple_of(3) {
                out.push(',');
            }
            left -= 1;
        }
        out.push(c);
    }
    let part = part.trim_end_matches('0');
    if part.is_empty() { out } else { format!("{out}.{part}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_is_something_is_not_printed_as_nothing() {
        let said = [0.0, 1e-9, 4e-7, 6e-7, 1.9e-6, 0.0024, 0.05, 0.123, 1.0, f64::NAN].map(share);
        let few = "<0.0001%";
        assert_eq!(said, ["0%", few, few, "0.0001%", "0.0002%", "0.24%", "5%", "12%", "100%", "–"]);
    }

    #[test]
    fn amounts_read_as_people_write_them() {
        let said =
            [0.0, 0.25, -0.5, 1.0, 99.96, 1234.4, -1_234_567.0, 1e15, 2e-7, f64::NAN].map(amount);
        assert_eq!(
            said,
            ["0", "0.25", "−0.5", "1", "100", "1,234", "−1,234,567", "1.0e15", "2.0e−7", "–"]
        );
    }
}
