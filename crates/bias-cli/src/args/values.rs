//! Values of arguments: shares, counts, budgets.

use bias_model::generate::BUDGET;
use clap::builder::RangedU64ValueParser;

/// A share from 0 to 1.
///
/// # Errors
/// Any other text; the message is for a command line.
pub fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|e| format!("{e}"))?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("it must lie between 0 and 1".into()) }
}

/// A number above 0.
///
/// # Errors
/// Any other text; the message is for a command line.
pub fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|e| format!("{e}"))?;
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err("it must be above 0".into()) }
}

/// A temperature: a number above 0.
///
/// # Errors
/// Any other text; the message is for a command line.
pub fn temperature(text: &str) -> Result<f64, String> {
    positive(text).map_err(|error| format!("{error}; for greedy answers use --top-k 1"))
}

/// A number of most probable tokens; 0 keeps all.
///
/// # Errors
/// Any other text; the message is for a command line.
pub fn top_k(text: &str) -> Result<usize, String> {
    match text.parse::<i64>() {
        Ok(k) if k < 0 => Err("it must be 0 or more; 0 keeps all tokens".into()),
        _ => text.parse().map_err(|e| format!("{e}; 0 keeps all tokens")),
    }
}

/// A probability above 0.
///
/// # Errors
/// Anything else, in words for a command line.
pub fn mass(text: &str) -> Result<f64, String> {
    let found = share(text).ok().filter(|value| *value > 0.0);
    found.ok_or_else(|| "it must be above 0 and at most 1".into())
}

/// A number of things, `least` or more.
#[must_use]
pub fn at_least(least: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..)
}

/// A budget of tokens, up to forty times the default: all of it is in memory at once.
pub(crate) fn budget() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=(40 * BUDGET) as u64)
}

/// A probability below 1.
pub(crate) fn unexplored(text: &str) -> Result<f64, String> {
    share(text)
        .and_then(|value| if value < 1.0 { Ok(value) } else { Err("it must be below 1".into()) })
}
