use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, Value, functions};

use super::show::text;
use super::values::{self, Dict, inner, items};
use crate::limits::{MAX_RANGE, fail};

/// The functions that templates may call. `strftime_now` is added for each rendering.
pub(crate) fn install(environment: &mut Environment<'_>) {
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("range", range);
    environment.add_function("dict", dict);
    environment.add_function("namespace", namespace);
}

fn raise_exception(message: &Value) -> Result<Value, Error> {
    Err(fail(text(message)))
}

fn range(first: i64, second: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (start, stop) = second.map_or((0, first), |stop| (first, stop));
    let (start, stop, step) = (i128::from(start), i128::from(stop), i128::from(step.unwrap_or(1)));
    if step == 0 {
        return Err(fail("range() arg 3 must not be zero"));
    }
    let length = ((stop - start + step - step.signum()) / step).max(0);
    if length > i128::from(MAX_RANGE) {
        return Err(fail(format!("a range may have at most {MAX_RANGE} items")));
    }
    values::list((0..length).map(|at| super::operators::from_int(start + at * step)))
}

/// The pairs of `dict(..)`, from another dict, a list of pairs or keywords.
fn pairs(first: Option<Value>, named: &Kwargs) -> Result<Vec<(Value, Value)>, Error> {
    let mut all = Vec::new();
    if let Some(dict) = first.as_ref().and_then(|v| v.downcast_object_ref::<Dict>()) {
        all.extend(dict.entries().iter().map(|(key, value)| (key.clone(), value.clone())));
    } else if let Some(list) = first {
        for pair in items(&list)? {
            match items(&pair)?.as_slice() {
                [key, value] => all.push((key.clone(), value.clone())),
                _ => return Err(fail("a dict is made of pairs")),
            }
        }
    }
    for name in named.args() {
        all.push((Value::from(name), named.peek(name)?));
    }
    Ok(all)
}

fn dict(first: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    values::dict(pairs(first, &named)?)
}

fn namespace(first: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    let kept = pairs(first, &named)?.into_iter().map(|(key, value)| Ok((key, inner(value)?)));
    functions::namespace(Some(values::dict(kept.collect::<Result<Vec<_>, Error>>()?)?))
}

/// Whether Python calls a value callable: functions and macros are.
pub(crate) fn is_callable(value: &Value) -> bool {
    value.kind() == ValueKind::Plain
        || value.kind() == ValueKind::Map
            && !values::is::<Dict>(value)
            && value.get_attr("arguments").is_ok_and(|spec| !spec.is_undefined())
            && value.get_attr("caller").is_ok_and(|caller| !caller.is_undefined())
}
