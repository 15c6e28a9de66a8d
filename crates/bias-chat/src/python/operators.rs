use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr};
use minijinja::{Environment, Error, State, Value};

use super::formats;
use super::show::{text, type_name};
use super::values::{self, admit, inner, is_list, items};
use crate::limits::{fail, fits, times, undefined};

// No name of a template can be one of these.
pub(crate) const ADD: &str = "+";
pub(crate) const SUBTRACT: &str = "-";
pub(crate) const MULTIPLY: &str = "*";
pub(crate) const DIVIDE: &str = "/";
pub(crate) const FLOOR_DIVIDE: &str = "//";
pub(crate) const REMAINDER: &str = "%";
pub(crate) const POWER: &str = "**";
pub(crate) const CONCAT: &str = "~";
pub(crate) const SLICE: &str = "[:]";
/// Counts a value that was just made or looked up.
pub(crate) const PASS: &str = "()";
/// Checks a value that is about to be set on a namespace.
pub(crate) const KEEP: &str = ".=";
/// Turns a value into one that a loop can iterate over.
pub(crate) const ITERATE: &str = "for";

/// Python's operators, as functions of their operands.
pub(crate) fn install(environment: &mut Environment<'_>) {
    let all: [(&str, Call); 12] = [
        (ADD, |_, v| binary(v, add)),
        (SUBTRACT, |_, v| binary(v, |a, b| arithmetic("-", a, b, i128::checked_sub, |a, b| a - b))),
        (MULTIPLY, |_, v| binary(v, multiply)),
        (DIVIDE, |_, v| binary(v, divide)),
        (FLOOR_DIVIDE, |_, v| binary(v, floor_divide)),
        (REMAINDER, |_, v| binary(v, remainder)),
        (POWER, |_, v| binary(v, power)),
        (CONCAT, |_, v| binary(v, |a, b| Ok(Value::from(text(a) + &text(b))))),
        (SLICE, |_, v| slice(v)),
        (PASS, |_, v| v.first().cloned().ok_or_else(undefined)),
        (KEEP, |_, v| inner(v.first().cloned().ok_or_else(undefined)?)),
        (ITERATE, |_, v| match v {
            [value] if value.as_str().is_some() || value.is_none() => values::list(items(value)?),
            _ => v.first().cloned().ok_or_else(undefined),
        }),
    ];
    for (name, call) in all {
        environment.add_global(name, Value::from_object(Operator(call)));
    }
}

type Call = fn(&State, &[Value]) -> Result<Value, Error>;

#[derive(Debug)]
struct Operator(Call);

impl Object for Operator {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &State<'_, '_>, operands: &[Value]) -> Result<Value, Error> {
        admit(state, (self.0)(state, operands)?)
    }
}

fn binary(
    operands: &[Value],
    of: impl Fn(&Value, &Value) -> Result<Value, Error>,
) -> Result<Value, Error> {
    match operands {
        [left, right] => of(left, right),
        _ => Err(fail("two operands are needed")),
    }
}

/// A number. A bool counts as one.
enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    fn of(value: &Value) -> Option<Self> {
        if value.is_number() && !value.is_integer() {
            return f64::try_from(value.clone()).ok().map(Self::Float);
        }
        int(value).map(Self::Int)
    }

    fn float(&self) -> f64 {
        match self {
            Self::Int(x) => *x as f64,
            Self::Float(x) => *x,
        }
    }
}

fn int(value: &Value) -> Option<i128> {
    let whole = value.is_integer() || type_name(value) == "bool";
    whole.then(|| i128::try_from(value.clone()).ok()).flatten()
}

pub(crate) fn from_int(x: i128) -> Value {
    i64::try_from(x).map_or_else(|_| Value::from(x), Value::from)
}

fn unsupported(sign: &str, a: &Value, b: &Value) -> Error {
    if a.is_undefined() || b.is_undefined() {
        return undefined();
    }
    fail(format!(
        "unsupported operand type(s) for {sign}: '{}' and '{}'",
        type_name(a),
        type_name(b)
    ))
}

fn arithmetic(
    sign: &str,
    a: &Value,
    b: &Value,
    ints: impl Fn(i128, i128) -> Option<i128>,
    floats: impl Fn(f64, f64) -> f64,
) -> Result<Value, Error> {
    match (Number::of(a), Number::of(b)) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => {
            ints(a, b).map(from_int).ok_or_else(|| fail(format!("{a} {sign} {b} is out of range")))
        }
        (Some(a), Some(b)) => Ok(Value::from(floats(a.float(), b.float()))),
        _ => Err(unsupported(sign, a, b)),
    }
}

pub(crate) fn add(a: &Value, b: &Value) -> Result<Value, Error> {
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        return Ok(Value::from([a, b].concat()));
    }
    if is_list(a) && is_list(b) {
        return values::list(a.try_iter()?.chain(b.try_iter()?));
    }
    arithmetic("+", a, b, i128::checked_add, |a, b| a + b)
}

fn multiply(a: &Value, b: &Value) -> Result<Value, Error> {
    let (repeated, count) = if int(a).is_some() { (b, a) } else { (a, b) };
    let count = || int(count).map(|n| usize::try_from(n.max(0)).unwrap_or(usize::MAX));
    if let (Some(text), Some(count)) = (repeated.as_str(), count()) {
        fits(times(text.len(), count))?;
        return Ok(Value::from(text.repeat(count)));
    }
    if let (true, Some(count)) = (is_list(repeated), count()) {
        let once = items(repeated)?;
        fits(times(once.len(), count))?;
        // Nothing, however often, is nothing at once.
        let count = if once.is_empty() { 0 } else { count };
        return values::list((0..count).flat_map(|_| once.iter().cloned()));
    }
    arithmetic("*", a, b, i128::checked_mul, |a, b| a * b)
}

fn zero_check(b: &Value) -> Result<(), Error> {
    match Number::of(b) {
        Some(b) if b.float() == 0.0 => Err(fail("division by zero")),
        _ => Ok(()),
    }
}

fn divide(a: &Value, b: &Value) -> Result<Value, Error> {
    zero_check(b)?;
    match (Number::of(a), Number::of(b)) {
        (Some(a), Some(b)) => Ok(Value::from(a.float() / b.float())),
        _ => Err(unsupported("/", a, b)),
    }
}

fn floor_divide(a: &Value, b: &Value) -> Result<Value, Error> {
    zero_check(b)?;
    let ints = |a: i128, b: i128| {
        let quotient = a.checked_div(b)?;
        Some(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
    };
    arithmetic("//", a, b, ints, |a, b| (a / b).floor())
}

fn remainder(a: &Value, b: &Value) -> Result<Value, Error> {
    if let Some(format) = a.as_str() {
        let arguments = if is_list(b) { items(b)? } else { vec![b.clone()] };
        return formats::percent(format, &arguments);
    }
    zero_check(b)?;
    let ints = |a: i128, b: i128| {
        let rest = a.checked_rem(b)?;
        Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
    };
    arithmetic("%", a, b, ints, |a, b| a - b * (a / b).floor())
}

fn power(a: &Value, b: &Value) -> Result<Value, Error> {
    match (int(a), int(b)) {
        (Some(base), Some(exponent)) if exponent < 0 => {
            Ok(Value::from((base as f64).powf(exponent as f64)))
        }
        _ => {
            let ints = |a: i128, b: i128| a.checked_pow(u32::try_from(b).ok()?);
            arithmetic("**", a, b, ints, f64::powf)
        }
    }
}

/// `value[start:stop:step]`
fn slice(operands: &[Value]) -> Result<Value, Error> {
    let [value, bounds @ ..] = operands else { return Err(undefined()) };
    if value.is_undefined() {
        return Err(undefined());
    }
    if value.as_str().is_none() && !is_list(value) {
        return Ok(Value::UNDEFINED);
    }
    let mut limits = [None; 3];
    for (limit, bound) in limits.iter_mut().zip(bounds) {
        *limit = match int(bound) {
            _ if bound.is_none() => None,
            Some(x) => Some(x),
            None => return Err(fail("slice indices must be integers or None")),
        };
    }
    let all = items(value)?;
    let picked =
        sliced(all.len() as i128, limits)?.into_iter().filter_map(|at| all.get(at).cloned());
    if value.as_str().is_some() {
        return Ok(Value::from(
            picked.filter_map(|c| c.as_str().map(str::to_owned)).collect::<String>(),
        ));
    }
    values::list(picked)
}

/// The positions that Python's `range(*slice.indices(length))` gives.
fn sliced(length: i128, [start, stop, step]: [Option<i128>; 3]) -> Result<Vec<usize>, Error> {
    let step = step.unwrap_or(1).clamp(-i128::from(i64::MAX), i128::from(i64::MAX));
    if step == 0 {
        return Err(fail("slice step cannot be zero"));
    }
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let bound = |x: i128| if x < 0 { x.saturating_add(length).max(low) } else { x.min(high) };
    let start = start.map_or(if step > 0 { low } else { high }, bound);
    let stop = stop.map_or(if step > 0 { high } else { low }, bound);
    let mut picked = Vec::new();
    let mut at = start;
    while if step > 0 { at < stop } else { at > stop } {
        picked.extend(usize::try_from(at));
        at += step;
    }
    Ok(picked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_pick_what_python_picks() {
        for (length, bounds, picked) in [
            (5, [None, None, None], vec![0, 1, 2, 3, 4]),
            (5, [Some(1), Some(-1), None], vec![1, 2, 3]),
            (5, [None, None, Some(-2)], vec![4, 2, 0]),
            (5, [Some(3), Some(0), Some(-1)], vec![3, 2, 1]),
            (5, [Some(1), Some(3), Some(-1)], vec![]),
            (0, [None, None, Some(-1)], vec![]),
            (3, [Some(-99), Some(99), Some(2)], vec![0, 2]),
            (3, [Some(i128::MIN), Some(i128::MAX), Some(i128::MAX)], vec![0]),
        ] {
            assert_eq!(sliced(length, bounds).unwrap(), picked, "{length} {bounds:?}");
        }
        assert!(sliced(3, [None, None, Some(0)]).is_err());
    }

    #[test]
    fn division_rounds_down() {
        for (a, b, quotient, rest) in
            [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1), (-7, -2, 3, -1)]
        {
            let (a, b) = (Value::from(a), Value::from(b));
            assert_eq!(floor_divide(&a, &b).unwrap(), Value::from(quotient));
            assert_eq!(remainder(&a, &b).unwrap(), Value::from(rest));
        }
    }
}
