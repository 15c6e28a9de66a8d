use minijinja::value::Kwargs;
use minijinja::{Error, FormatStyle, Value, format_filter};

use super::show::text;
use crate::limits::{fits, times};

/// Digits of the largest float.
const FLOAT: usize = 310;

/// `format % arguments`
pub(crate) fn percent(format: &str, arguments: &[Value]) -> Result<Value, Error> {
    formatted(FormatStyle::Printf, '%', format, arguments)
}

/// `format.format(*arguments)`
pub(crate) fn braces(format: &str, arguments: &[Value]) -> Result<Value, Error> {
    formatted(FormatStyle::StrFormat, '{', format, arguments)
}

fn formatted(
    style: FormatStyle,
    mark: char,
    format: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let fields = format.matches(mark).count();
    let widths = format.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let width = widths.map(|digits| digits.parse().unwrap_or(usize::MAX)).max().unwrap_or(0);
    let longest = arguments.iter().map(length).max().unwrap_or(0);
    let field = width.saturating_mul(4).saturating_add(longest).saturating_add(FLOAT);
    fits((format.len() as u64).saturating_add(times(fields, field)))?;
    format_filter(style, format, arguments).map(Value::from)
}

fn length(argument: &Value) -> usize {
    match Kwargs::try_from(argument.clone()) {
        Ok(named) => {
            named.args().filter_map(|n| named.peek::<Value>(n).ok()).map(|v| text(&v).len()).sum()
        }
        Err(_) => text(argument).len(),
    }
}
