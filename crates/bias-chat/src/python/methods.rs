use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::arguments::Arguments;
use super::values::{self, Dict, items};
use super::{formats, strings};
use crate::limits::fail;

/// The methods of Python's strings, lists and dicts that change nothing.
pub(crate) fn call(
    state: &State,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            if name == "format" {
                return formats::braces(text, arguments);
            }
            if let Some(result) = strings::call(text, name, &Arguments::new(arguments)?)? {
                return Ok(result);
            }
        }
        ValueKind::Map => {
            if let (Some(dict), "copy", []) = (value.downcast_object_ref::<Dict>(), name, arguments)
            {
                return values::dict(
                    dict.entries().iter().map(|(key, value)| (key.clone(), value.clone())),
                );
            }
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let arguments = Arguments::new(arguments)?;
            match name {
                "index" => return index(value, &arguments),
                "copy" => return values::list(items(value)?),
                _ => {}
            }
        }
        _ => {}
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments)
}

fn index(list: &Value, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let (wanted, all) = (arguments.required(0, "value")?, items(list)?);
    let length = all.len();
    let bound = |at: Option<i64>, otherwise: usize| strings::bound(at, length).unwrap_or(otherwise);
    let (start, stop) =
        (bound(arguments.int(1, "start")?, 0), bound(arguments.int(2, "stop")?, length));
    let found = (start..stop).find(|at| all.get(*at) == Some(&wanted));
    found.map(Value::from).ok_or_else(|| fail("the value is not in the list"))
}
