use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::limits::fail;
use super::values::{self, Dict, items};
use super::{formats, strings};

/// Arguments of a Python method, by position or by name.
pub(super) struct Arguments<'a> {
    given: &'a [Value],
    named: Kwargs,
}

impl<'a> Arguments<'a> {
    pub fn new(arguments: &'a [Value]) -> Result<Self, Error> {
        let (given, named) = from_args(arguments)?;
        Ok(Self { given, named })
    }

    /// One that may be left out.
    pub fn option(&self, at: usize, name: &str) -> Result<Option<Value>, Error> {
        match self.given.get(at) {
            Some(value) => Ok(Some(value.clone())),
            None if self.named.has(name) => Ok(Some(self.named.get(name)?)),
            None => Ok(None),
        }
    }

    pub fn required(&self, at: usize, name: &str) -> Result<Value, Error> {
        self.option(at, name)?.ok_or_else(|| Error::new(ErrorKind::MissingArgument, name.to_owned()))
    }

    pub fn int(&self, at: usize, name: &str) -> Result<Option<i64>, Error> {
        self.option(at, name)?.filter(|v| !v.is_none()).map(i64::try_from).transpose()
    }

    /// Refuses more than these.
    pub fn end(&self, most: usize) -> Result<(), Error> {
        if self.given.len() > most {
            return Err(Error::from(ErrorKind::TooManyArguments));
        }
        self.named.assert_all_used()
    }
}

/// The methods that Python's texts, lists and dicts have and that change nothing.
pub(super) fn call(state: &State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
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
            if let (Some(dict), "copy", []) = (value.downcast_object_ref::<Dict>(), name, arguments) {
                return values::dict(dict.entries().iter().map(|(key, value)| (key.clone(), value.clone())));
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
    let (start, stop) = (bound(arguments.int(1, "start")?, 0), bound(arguments.int(2, "stop")?, length));
    let found = (start..stop).find(|at| all.get(*at) == Some(&wanted));
    found.map(Value::from).ok_or_else(|| fail("the value is not in the list"))
}
