use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, Value, value::from_args};

use super::show::{float, text, type_name};
use super::values::{Dict, items};
use crate::limits::{fail, fits};

/// The arguments of Python's `json.dumps`.
struct Style {
    ascii: bool,
    sort: bool,
    /// One level of indentation, or none for output on one line.
    indent: Option<String>,
    between: String,
    colon: String,
}

/// `value | tojson(ensure_ascii, indent, separators, sort_keys)`, as transformers defines it:
/// without HTML escapes, and with non-ASCII letters as they are.
pub(crate) fn tojson(arguments: &[Value]) -> Result<Value, Error> {
    let (value, rest): (&Value, &[Value]) = from_args(arguments)?;
    let (given, named): (&[Value], Kwargs) = from_args(rest)?;
    let option = |at: usize, name: &str| -> Result<Option<Value>, Error> {
        let named: Option<Value> = named.get(name)?;
        Ok(given.get(at).cloned().or(named).filter(|v| !v.is_none()))
    };
    let ascii = option(0, "ensure_ascii")?.is_some_and(|v| v.is_true());
    let indent = match option(1, "indent")? {
        Some(indent) if indent.as_str().is_some() => Some(text(&indent)),
        Some(indent) => {
            let width = usize::try_from(i64::try_from(indent)?.max(0)).unwrap_or(usize::MAX);
            fits(width as u64)?;
            Some(" ".repeat(width))
        }
        None => None,
    };
    let between = if indent.is_some() { "," } else { ", " };
    let (between, colon) = match option(2, "separators")? {
        Some(pair) => match items(&pair)?.as_slice() {
            [between, colon] => (text(between), text(colon)),
            _ => return Err(fail("`separators` must be two texts")),
        },
        None => (between.to_owned(), ": ".to_owned()),
    };
    let sort = option(3, "sort_keys")?.is_some_and(|v| v.is_true());
    named.assert_all_used()?;
    let mut written = String::new();
    Style { ascii, sort, indent, between, colon }.write(value, 1, &mut written)?;
    Ok(Value::from(written))
}

impl Style {
    fn write(&self, value: &Value, level: usize, out: &mut String) -> Result<(), Error> {
        fits(out.len() as u64)?;
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => out.push_str(&number(value)),
            ValueKind::String => self.quote(value.as_str().unwrap_or_default(), out),
            ValueKind::Seq | ValueKind::Iterable => {
                let all = items(value)?;
                self.nested('[', ']', all, level, out, |item, out| {
                    self.write(&item, level + 1, out)
                })?;
            }
            ValueKind::Map => {
                let dict = value.downcast_object_ref::<Dict>().ok_or_else(|| foreign(value))?;
                let mut entries: Vec<_> = dict.entries().iter().collect();
                if self.sort {
                    entries.sort_by(|a, b| a.0.cmp(b.0));
                }
                self.nested('{', '}', entries, level, out, |(key, value), out| {
                    self.quote(&key_text(key)?, out);
                    out.push_str(&self.colon);
                    self.write(value, level + 1, out)
                })?;
            }
            _ => return Err(foreign(value)),
        }
        Ok(())
    }

    fn nested<T>(
        &self,
        open: char,
        close: char,
        all: Vec<T>,
        level: usize,
        out: &mut String,
        write: impl Fn(T, &mut String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let line = |level: usize, out: &mut String| -> Result<(), Error> {
            if let Some(indent) = &self.indent {
                fits((out.len() + indent.len() * level) as u64)?;
                out.push('\n');
                out.push_str(&indent.repeat(level));
            }
            Ok(())
        };
        out.push(open);
        let empty = all.is_empty();
        for (at, item) in all.into_iter().enumerate() {
            if at > 0 {
                out.push_str(&self.between);
            }
            line(level, out)?;
            write(item, out)?;
        }
        if !empty {
            line(level - 1, out)?;
        }
        out.push(close);
        Ok(())
    }

    fn quote(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if c < ' ' || self.ascii && !c.is_ascii() => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

fn foreign(value: &Value) -> Error {
    fail(format!("Object of type {} is not JSON serializable", type_name(value)))
}

fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    match f64::try_from(value.clone()).unwrap_or(f64::NAN) {
        x if x.is_nan() => "NaN".into(),
        x if x.is_infinite() => if x > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        x => float(x),
    }
}

fn key_text(key: &Value) -> Result<String, Error> {
    Ok(match key.kind() {
        ValueKind::String => text(key),
        ValueKind::Number => number(key),
        ValueKind::Bool => if key.is_true() { "true" } else { "false" }.into(),
        ValueKind::None => "null".into(),
        _ => return Err(fail(format!("keys must be texts or numbers, not {}", type_name(key)))),
    })
}
