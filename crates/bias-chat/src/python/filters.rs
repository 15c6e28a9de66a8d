use std::cmp::Ordering;

use minijinja::value::{Kwargs, Rest, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};

use super::arguments::Arguments;
use super::operators::add;
use super::show::{Repr, text, type_name};
use super::strings::{joined, lines, replace, stripped};
use super::values::{self, Dict, admit, is, items};
use super::{formats, json, rounding};
use crate::limits::{MAX_RANGE, fail, fits, times, undefined};

/// The filters of Jinja, written `value | ..`.
///
/// Chat templates need none of these, so they are missing: `filesizeformat`, `forceescape`,
/// `groupby`, `random`, `striptags`, `truncate`, `urlencode`, `urlize`, `wordwrap`, `xmlattr`.
pub(crate) fn install(environment: &mut Environment<'_>) {
    let e = environment;
    e.add_filter("abs", filters::abs);
    e.add_filter("capitalize", filters::capitalize);
    e.add_filter("dictsort", filters::dictsort);
    e.add_filter("lower", |v: &Value| text(v).to_lowercase());
    e.add_filter("reject", filters::reject);
    e.add_filter("rejectattr", filters::rejectattr);
    e.add_filter("reverse", filters::reverse);
    e.add_filter("safe", |v: &Value| text(v));
    e.add_filter("select", filters::select);
    e.add_filter("selectattr", filters::selectattr);
    e.add_filter("sort", filters::sort);
    e.add_filter("unique", filters::unique);
    e.add_filter("upper", |v: &Value| text(v).to_uppercase());

    e.add_filter("attr", attr);
    e.add_filter("batch", |s: &State, v: &Value, args: Rest<Value>| {
        in_columns(s, v, &args, filters::batch)
    });
    e.add_filter("slice", |s: &State, v: &Value, args: Rest<Value>| {
        in_columns(s, v, &args, filters::slice)
    });
    e.add_filter("center", center);
    e.add_filter("count", length);
    e.add_filter("length", length);
    e.add_filter("d", default);
    e.add_filter("default", default);
    e.add_filter("e", escape);
    e.add_filter("escape", escape);
    e.add_filter("first", |v: &Value| items(v).map(|all| all.first().cloned().unwrap_or_default()));
    e.add_filter("float", rounding::float);
    e.add_filter("format", |v: &Value, args: Rest<Value>| formats::percent(&text(v), &args));
    e.add_filter("indent", indent);
    e.add_filter("int", rounding::int);
    e.add_filter("items", pairs);
    e.add_filter("join", join);
    e.add_filter("last", |v: &Value| items(v).map(|all| all.last().cloned().unwrap_or_default()));
    e.add_filter("list", |v: &Value| values::list(items(v)?));
    e.add_filter("map", map);
    e.add_filter("max", |v: &Value, args: Rest<Value>| extreme(v, &args, Ordering::Greater));
    e.add_filter("min", |v: &Value, args: Rest<Value>| extreme(v, &args, Ordering::Less));
    e.add_filter("pprint", |v: &Value| Repr(v).to_string());
    e.add_filter("replace", replaced);
    e.add_filter("round", rounding::round);
    e.add_filter("string", |v: &Value| text(v));
    e.add_filter("sum", sum);
    e.add_filter("title", title);
    e.add_filter("tojson", |args: Rest<Value>| json::tojson(&args));
    e.add_filter("trim", trim);
    e.add_filter("wordcount", wordcount);
}

fn length(value: &Value) -> Result<usize, Error> {
    if value.is_undefined() {
        return Ok(0);
    }
    value.len().ok_or_else(|| fail(format!("object of type '{}' has no len()", type_name(value))))
}

fn default(value: &Value, args: Rest<Value>) -> Result<Value, Error> {
    let args = Arguments::new(&args)?;
    let instead = args.option(0, "default_value")?.unwrap_or_else(|| Value::from(""));
    let lax = args.option(1, "boolean")?.is_some_and(|v| v.is_true());
    args.end(2)?;
    Ok(if value.is_undefined() || lax && !value.is_true() { instead } else { value.clone() })
}

/// The keys of a dict are not its attributes.
fn attr(value: &Value, name: &str) -> Result<Value, Error> {
    if is::<Dict>(value) { Ok(Value::UNDEFINED) } else { value.get_attr(name) }
}

fn pairs(value: &Value) -> Result<Value, Error> {
    match value.downcast_object_ref::<Dict>() {
        Some(dict) => {
            let pairs = dict
                .entries()
                .iter()
                .map(|(key, value)| values::list([key.clone(), value.clone()]));
            values::list(pairs.collect::<Result<Vec<_>, Error>>()?)
        }
        None if value.is_undefined() => values::list([]),
        None => Err(fail("Can only get item pairs from a mapping.")),
    }
}

fn escape(value: &Value) -> String {
    let mut out = String::new();
    for c in text(value).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn trim(value: &Value, args: Rest<Value>) -> Result<String, Error> {
    let args = Arguments::new(&args)?;
    let chars = args.option(0, "chars")?.filter(|v| !v.is_none()).map(|v| text(&v));
    args.end(1)?;
    Ok(stripped(&text(value), chars.as_deref(), true, true).to_owned())
}

/// A capital at the start and after white space, hyphens and opening brackets; all other letters in
/// lower case.
fn title(value: &Value) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in text(value).chars() {
        if inside {
            out.extend(c.to_lowercase())
        } else {
            out.extend(c.to_uppercase())
        }
        inside = !(c.is_whitespace() || "-({[<".contains(c));
    }
    out
}

fn wordcount(value: &Value) -> usize {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text(value).split(|c| !word(c)).filter(|part| !part.is_empty()).count()
}

fn center(value: &Value, width: Option<u32>) -> Result<String, Error> {
    let (s, width) = (text(value), width.unwrap_or(80) as usize);
    fits(width as u64)?;
    let missing = width.saturating_sub(s.chars().count());
    let left = missing / 2 + (missing & width & 1);
    Ok(format!("{}{s}{}", " ".repeat(left), " ".repeat(missing - left)))
}

fn replaced(value: &Value, args: Rest<Value>) -> Result<Value, Error> {
    let args = Arguments::new(&args)?;
    let (old, new) = (args.required(0, "old")?, args.required(1, "new")?);
    let count = args.int(2, "count")?;
    args.end(3)?;
    replace(&text(value), &text(&old), &text(&new), count)
}

fn indent(value: &Value, args: Rest<Value>) -> Result<String, Error> {
    let args = Arguments::new(&args)?;
    let flag = |at, name| Ok::<_, Error>(args.option(at, name)?.is_some_and(|v| v.is_true()));
    let (first, blank) = (flag(1, "first")?, flag(2, "blank")?);
    let by = match args.option(0, "width")? {
        Some(width) if width.as_str().is_some() => text(&width),
        Some(width) => {
            let width = usize::try_from(i64::try_from(width)?.max(0)).unwrap_or(usize::MAX);
            fits(width as u64)?;
            " ".repeat(width)
        }
        None => " ".repeat(4),
    };
    args.end(3)?;
    let s = text(value) + "\n";
    let all = lines(&s, false);
    fits((s.len() as u64).saturating_add(times(all.len(), by.len())))?;
    let mut out = String::new();
    for (at, line) in all.into_iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        if if at == 0 { first } else { blank || !line.is_empty() } {
            out.push_str(&by);
        }
        out.push_str(line);
    }
    Ok(out)
}

/// Follows a dotted path from a value. Numbers in the path are positions.
fn attribute(value: &Value, path: &Value) -> Result<Value, Error> {
    let Some(path) = path.as_str() else { return value.get_item(path) };
    let mut at = value.clone();
    for part in path.split('.') {
        at = match part.parse::<i64>() {
            Ok(position) => at.get_item(&Value::from(position))?,
            Err(_) => at.get_attr(part)?,
        };
    }
    Ok(at)
}

fn attributes(values: Vec<Value>, path: Option<&Value>) -> Result<Vec<Value>, Error> {
    match path.filter(|path| !path.is_none()) {
        Some(path) => values.iter().map(|v| attribute(v, path)).collect(),
        None => Ok(values),
    }
}

fn join(value: &Value, args: Rest<Value>) -> Result<Value, Error> {
    let args = Arguments::new(&args)?;
    let separator = args.option(0, "d")?.map(|v| text(&v)).unwrap_or_default();
    let path = args.option(1, "attribute")?;
    args.end(2)?;
    joined(&separator, &attributes(items(value)?, path.as_ref())?)
}

fn sum(value: &Value, args: Rest<Value>) -> Result<Value, Error> {
    let args = Arguments::new(&args)?;
    let path = args.option(0, "attribute")?;
    let start = args.option(1, "start")?.unwrap_or_else(|| Value::from(0));
    args.end(2)?;
    attributes(items(value)?, path.as_ref())?.iter().try_fold(start, |sum, item| add(&sum, item))
}

/// The smallest or the largest item, the first of several. Letters compare without regard to case.
fn extreme(value: &Value, args: &[Value], wanted: Ordering) -> Result<Value, Error> {
    let args = Arguments::new(args)?;
    let exact = args.option(0, "case_sensitive")?.is_some_and(|v| v.is_true());
    let path = args.option(1, "attribute")?;
    args.end(2)?;
    let all = items(value)?;
    let keys = attributes(all.clone(), path.as_ref())?.into_iter().map(|key| match key.as_str() {
        Some(text) if !exact => Value::from(text.to_lowercase()),
        _ => key,
    });
    let best = all
        .into_iter()
        .zip(keys)
        .reduce(|best, new| if new.1.cmp(&best.1) == wanted { new } else { best });
    Ok(best.map(|(item, _)| item).unwrap_or_default())
}

fn map(state: &State, value: &Value, args: Rest<Value>) -> Result<Value, Error> {
    let (given, named): (&[Value], Kwargs) = from_args(&args)?;
    let all = items(value)?;
    let Some((name, rest)) = given.split_first() else {
        let path: Value = named.get("attribute")?;
        let instead: Option<Value> = named.get("default")?;
        named.assert_all_used()?;
        let pick = |v: &Value| match (attribute(v, &path), &instead) {
            (Ok(found), Some(instead)) if found.is_undefined() => Ok(instead.clone()),
            (Err(_), Some(instead)) => Ok(instead.clone()),
            (found, _) => found,
        };
        return values::list(all.iter().map(pick).collect::<Result<Vec<_>, Error>>()?);
    };
    let name = name.as_str().ok_or_else(|| Error::new(ErrorKind::UnknownFilter, text(name)))?;
    let rest = args.get(given.len() - rest.len()..).unwrap_or_default();
    let filter = |v| admit(state, state.apply_filter(name, &[&[v], rest].concat())?);
    values::list(all.into_iter().map(filter).collect::<Result<Vec<_>, Error>>()?)
}

/// `batch` and `slice`, with no more parts than a range may have items.
fn in_columns(
    state: &State,
    value: &Value,
    args: &[Value],
    filter: fn(&State, Value, usize, Option<Value>) -> Result<Value, Error>,
) -> Result<Value, Error> {
    let args = Arguments::new(args)?;
    let count = args.option(0, "linecount")?.or(args.option(0, "slices")?).ok_or_else(undefined)?;
    let fill = args.option(1, "fill_with")?;
    args.end(2)?;
    let count = usize::try_from(count)?;
    if count as u64 > MAX_RANGE {
        return Err(fail(format!("at most {MAX_RANGE} columns")));
    }
    filter(state, values::list(items(value)?)?, count, fill)
}
