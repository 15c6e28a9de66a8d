use minijinja::value::Rest;
use minijinja::{Error, Value};

use super::arguments::Arguments;
use super::operators::from_int;
use super::show::type_name;
use crate::limits::{fail, undefined};

/// `value | round(precision, method)`. Halves are rounded to even, as in Python.
pub(crate) fn round(value: &Value, args: Rest<Value>) -> Result<Value, Error> {
    let args = Arguments::new(&args)?;
    let precision = args.int(0, "precision")?.unwrap_or(0).clamp(-400, 400) as i32;
    let method = args.option(1, "method")?;
    args.end(2)?;
    if !value.is_number() {
        return Err(fail(format!("type {} cannot be rounded", type_name(value))));
    }
    let x = f64::try_from(value.clone())?;
    let scale = 10f64.powi(precision);
    Ok(match method.as_ref().and_then(|m| m.as_str()).unwrap_or("common") {
        "common" if value.is_integer() && precision >= 0 => value.clone(),
        // Written out in decimal, which rounds what the float is exactly.
        "common" if precision >= 0 => {
            Value::from(format!("{x:.0$}", precision as usize).parse::<f64>().unwrap_or(x))
        }
        "common" => {
            let rounded = (x * scale).round_ties_even() / scale;
            if value.is_integer() { from_int(rounded as i128) } else { Value::from(rounded) }
        }
        "ceil" => Value::from((x * scale).ceil() / scale),
        "floor" => Value::from((x * scale).floor() / scale),
        _ => return Err(fail("method must be common, ceil or floor")),
    })
}

/// `value | int(default, base)`
pub(crate) fn int(value: &Value, args: Rest<Value>) -> Result<Value, Error> {
    let args = Arguments::new(&args)?;
    let instead = args.option(0, "default")?.unwrap_or_else(|| Value::from(0));
    let base = args.int(1, "base")?.unwrap_or(10);
    args.end(2)?;
    let base =
        u32::try_from(base).ok().filter(|b| (2..=36).contains(b)).ok_or_else(|| fail("base"))?;
    if value.is_undefined() {
        return Err(undefined());
    }
    let parsed = match value.as_str() {
        Some(text) => {
            let digits = number_text(text);
            let prefix = match base {
                2 => "0b",
                8 => "0o",
                16 => "0x",
                _ => "",
            };
            i128::from_str_radix(digits.strip_prefix(prefix).unwrap_or(&digits), base).ok()
        }
        None if value.is_integer() => return Ok(value.clone()),
        None => None,
    };
    let truncated = || as_float(value).filter(|x| x.is_finite()).map(|x| x.trunc() as i128);
    Ok(parsed.or_else(truncated).map_or(instead, from_int))
}

/// `value | float(default)`
pub(crate) fn float(value: &Value, args: Rest<Value>) -> Result<Value, Error> {
    let args = Arguments::new(&args)?;
    let instead = args.option(0, "default")?.unwrap_or_else(|| Value::from(0.0));
    args.end(1)?;
    if value.is_undefined() {
        return Err(undefined());
    }
    Ok(as_float(value).map_or(instead, Value::from))
}

fn as_float(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some(text) => number_text(text).parse().ok(),
        None if type_name(value) == "bool" => Some(f64::from(u8::from(value.is_true()))),
        None => f64::try_from(value.clone()).ok(),
    }
}

/// The text of a number in the form that Rust parses. Python allows white space around it and
/// underscores within.
fn number_text(text: &str) -> String {
    let trimmed = text.trim();
    let grouped = !trimmed.starts_with('_') && !trimmed.ends_with('_') && !trimmed.contains("__");
    if grouped { trimmed.replace('_', "") } else { trimmed.to_owned() }
}
