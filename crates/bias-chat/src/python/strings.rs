use minijinja::{Error, Value};

use super::arguments::Arguments;
use super::show::{text, type_name};
use super::values::{self, is_list, items};
use crate::limits::{fail, fits, times};

/// Calls a method of Python's `str` that pycompat lacks or implements differently.
pub(crate) fn call(s: &str, name: &str, arguments: &Arguments<'_>) -> Result<Option<Value>, Error> {
    let most = match name {
        "find" | "rfind" | "index" | "rindex" | "count" | "startswith" | "endswith" | "replace" => {
            3
        }
        "split" | "rsplit" | "ljust" | "rjust" | "center" => 2,
        "isalpha" | "isdigit" | "isdecimal" | "isnumeric" | "isalnum" | "isspace" | "islower"
        | "isupper" | "title" | "swapcase" | "casefold" => 0,
        "strip" | "lstrip" | "rstrip" | "removeprefix" | "removesuffix" | "partition"
        | "rpartition" | "splitlines" | "join" | "zfill" => 1,
        _ => return Ok(None),
    };
    let result = match name {
        "find" | "rfind" | "index" | "rindex" => find(s, name, arguments)?,
        "count" => {
            let (within, _) = between(s, arguments)?;
            let wanted = one(arguments, "sub")?;
            let empty = within.chars().count() + 1;
            Value::from(if wanted.is_empty() {
                empty
            } else {
                within.matches(wanted.as_str()).count()
            })
        }
        "startswith" => affix(s, arguments, |s, affix| s.starts_with(affix))?,
        "endswith" => affix(s, arguments, |s, affix| s.ends_with(affix))?,
        "replace" => {
            let (old, new) = (one(arguments, "old")?, str_of(&arguments.required(1, "new")?)?);
            replace(s, &old, &new, arguments.int(2, "count")?)?
        }
        "split" | "rsplit" => split(s, arguments, name == "rsplit")?,
        "strip" => strip(s, arguments, true, true)?,
        "lstrip" => strip(s, arguments, true, false)?,
        "rstrip" => strip(s, arguments, false, true)?,
        "removeprefix" => {
            Value::from(s.strip_prefix(one(arguments, "prefix")?.as_str()).unwrap_or(s))
        }
        "removesuffix" => {
            Value::from(s.strip_suffix(one(arguments, "suffix")?.as_str()).unwrap_or(s))
        }
        "partition" | "rpartition" => partition(s, &one(arguments, "sep")?, name == "rpartition")?,
        "splitlines" => {
            let keep = arguments.option(0, "keepends")?.is_some_and(|v| v.is_true());
            values::list(lines(s, keep).into_iter().map(Value::from))?
        }
        "join" => join(s, &items(&arguments.required(0, "iterable")?)?)?,
        "zfill" => zfill(s, arguments)?,
        "ljust" | "rjust" | "center" => justify(s, name, arguments)?,
        "title" => Value::from(title(s)),
        "swapcase" => Value::from(swapcase(s)),
        "casefold" => Value::from(casefold(s)),
        "isalpha" => Value::from(all(s, char::is_alphabetic)),
        "isdigit" | "isnumeric" => Value::from(all(s, char::is_numeric)),
        "isdecimal" => Value::from(all(s, |c| c.is_ascii_digit())),
        "isalnum" => Value::from(all(s, char::is_alphanumeric)),
        "isspace" => Value::from(all(s, is_space)),
        "islower" => Value::from(is_lower(s)),
        _ => Value::from(is_upper(s)),
    };
    arguments.end(most)?;
    Ok(Some(result))
}

/// Capital letters become small, and small ones capital.
fn swapcase(s: &str) -> String {
    // The form of a sigma depends on what surrounds it, so the whole text is made small.
    let mut small = s.to_lowercase();
    let mut at = small.len();
    for c in s.chars().rev() {
        let start = at - c.to_lowercase().map(char::len_utf8).sum::<usize>();
        if c.is_lowercase() {
            small.replace_range(start..at, &c.to_uppercase().collect::<String>());
        } else if !c.is_uppercase() {
            small.replace_range(start..at, c.encode_utf8(&mut [0; 4]));
        }
        at = start;
    }
    small
}

/// Unicode's full case folding: the small form of the capital form, but for the dotless i and
/// Cherokee, which has capitals for a base.
fn casefold(s: &str) -> String {
    let fold = |c: char| -> String {
        match c {
            'ı' | '\u{13a0}'..='\u{13f5}' => c.into(),
            '\u{13f8}'..='\u{13fd}' | '\u{ab70}'..='\u{abbf}' => c.to_uppercase().collect(),
            _ => c.to_uppercase().flat_map(char::to_lowercase).collect(),
        }
    };
    s.chars().map(fold).collect()
}

/// The characters that Python strips: Rust's white space, and four ASCII separators.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

pub(crate) fn is_lower(s: &str) -> bool {
    s.chars().any(char::is_lowercase) && !s.chars().any(char::is_uppercase)
}

pub(crate) fn is_upper(s: &str) -> bool {
    s.chars().any(char::is_uppercase) && !s.chars().any(char::is_lowercase)
}

fn all(s: &str, is: impl Fn(char) -> bool) -> bool {
    !s.is_empty() && s.chars().all(is)
}

fn str_of(value: &Value) -> Result<String, Error> {
    let wrong = || fail(format!("a str is needed, not '{}'", type_name(value)));
    value.as_str().map(str::to_owned).ok_or_else(wrong)
}

fn one(arguments: &Arguments<'_>, name: &str) -> Result<String, Error> {
    str_of(&arguments.required(0, name)?)
}

/// A position within the length. A negative one counts from the end.
pub(crate) fn bound(at: Option<i64>, length: usize) -> Option<usize> {
    at.map(|at| match usize::try_from(at) {
        Ok(at) => at,
        Err(_) => length.saturating_sub(usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX)),
    })
}

/// The part of a text between the second and third arguments, and its start in characters. When the
/// start lies beyond the end of the text, the part is empty and starts beyond it.
fn between<'a>(s: &'a str, arguments: &Arguments<'_>) -> Result<(&'a str, usize), Error> {
    let length = s.chars().count();
    let start = bound(arguments.int(1, "start")?, length).unwrap_or(0);
    let stop = bound(arguments.int(2, "end")?, length).unwrap_or(length).min(length);
    let byte = |at: usize| s.char_indices().nth(at).map_or(s.len(), |(byte, _)| byte);
    Ok((s.get(byte(start)..byte(stop)).unwrap_or_default(), start))
}

fn find(s: &str, name: &str, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let wanted = one(arguments, "sub")?;
    let (within, start) = between(s, arguments)?;
    let inside = start <= s.chars().count();
    let found = if name.starts_with('r') { within.rfind(&wanted) } else { within.find(&wanted) };
    match found.filter(|_| inside).and_then(|byte| within.get(..byte)) {
        Some(before) => Ok(Value::from(start + before.chars().count())),
        None if name.ends_with("index") => Err(fail("substring not found")),
        None => Ok(Value::from(-1)),
    }
}

fn affix(
    s: &str,
    arguments: &Arguments<'_>,
    has: impl Fn(&str, &str) -> bool,
) -> Result<Value, Error> {
    let wanted = arguments.required(0, "prefix")?;
    let (within, start) = between(s, arguments)?;
    let wanted = if is_list(&wanted) { items(&wanted)? } else { vec![wanted] };
    let mut found = false;
    for affix in &wanted {
        found |= has(within, &str_of(affix)?) && start <= s.chars().count();
    }
    Ok(Value::from(found))
}

pub(crate) fn replace(s: &str, old: &str, new: &str, count: Option<i64>) -> Result<Value, Error> {
    let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    let matches = s.matches(old).count().min(count);
    fits((s.len() as u64).saturating_add(times(matches, new.len())))?;
    Ok(Value::from(s.replacen(old, new, count)))
}

fn split(s: &str, arguments: &Arguments<'_>, from_right: bool) -> Result<Value, Error> {
    let separator = arguments.option(0, "sep")?.filter(|v| !v.is_none());
    let splits = arguments.int(1, "maxsplit")?.and_then(|n| usize::try_from(n).ok());
    let parts = splits.unwrap_or(usize::MAX - 1) + 1;
    let mut found: Vec<&str> = match separator {
        Some(separator) => {
            let separator = str_of(&separator)?;
            match (separator.is_empty(), from_right) {
                (true, _) => return Err(fail("empty separator")),
                (false, false) => s.splitn(parts, separator.as_str()).collect(),
                (false, true) => s.rsplitn(parts, separator.as_str()).collect(),
            }
        }
        None => words(s, parts, from_right),
    };
    if from_right {
        found.reverse();
    }
    values::list(found.into_iter().map(Value::from))
}

/// Splits at white space into at most this many parts. The last part keeps the rest.
fn words(s: &str, parts: usize, from_right: bool) -> Vec<&str> {
    let mut found = Vec::new();
    let trim = |s: &'_ str| -> (usize, usize) {
        let left = s.trim_start_matches(is_space);
        if from_right {
            (0, s.trim_end_matches(is_space).len())
        } else {
            (s.len() - left.len(), s.len())
        }
    };
    let mut rest = s;
    loop {
        let (from, to) = trim(rest);
        rest = rest.get(from..to).unwrap_or_default();
        if rest.is_empty() {
            return found;
        }
        let cut = if from_right { rest.rfind(is_space) } else { rest.find(is_space) };
        let Some(cut) = cut.filter(|_| found.len() + 1 < parts) else {
            found.push(rest);
            return found;
        };
        let after = cut + rest.get(cut..).and_then(|r| r.chars().next()).map_or(0, char::len_utf8);
        let (word, left) =
            if from_right { (after..rest.len(), 0..cut) } else { (0..cut, after..rest.len()) };
        found.push(rest.get(word).unwrap_or_default());
        rest = rest.get(left).unwrap_or_default();
    }
}

fn strip(s: &str, arguments: &Arguments<'_>, left: bool, right: bool) -> Result<Value, Error> {
    let chars = arguments.option(0, "chars")?.filter(|v| !v.is_none());
    let chars = chars.map(|chars| str_of(&chars)).transpose()?;
    Ok(Value::from(stripped(s, chars.as_deref(), left, right)))
}

/// The text without these characters at its ends, or without white space.
pub(crate) fn stripped<'a>(
    mut s: &'a str,
    chars: Option<&str>,
    left: bool,
    right: bool,
) -> &'a str {
    let is = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    if left {
        s = s.trim_start_matches(is);
    }
    if right {
        s = s.trim_end_matches(is);
    }
    s
}

fn partition(s: &str, separator: &str, from_right: bool) -> Result<Value, Error> {
    if separator.is_empty() {
        return Err(fail("empty separator"));
    }
    let split = if from_right { s.rsplit_once(separator) } else { s.split_once(separator) };
    let parts = match split {
        Some((before, after)) => [before, separator, after],
        None if from_right => ["", "", s],
        None => [s, "", ""],
    };
    values::list(parts.map(Value::from))
}

/// The lines of a text. Every character that ends a line in Python ends one here.
pub(crate) fn lines(s: &str, keep_ends: bool) -> Vec<&str> {
    const ENDS: [char; 10] = [
        '\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}',
        '\u{2029}',
    ];
    let mut found = Vec::new();
    let mut rest = s;
    while let Some(end) = rest.find(ENDS) {
        let tail = rest.get(end..).unwrap_or_default();
        let width = if tail.starts_with("\r\n") {
            2
        } else {
            tail.chars().next().map_or(1, char::len_utf8)
        };
        found.extend(rest.get(..if keep_ends { end + width } else { end }));
        rest = rest.get(end + width..).unwrap_or_default();
    }
    if !rest.is_empty() {
        found.push(rest);
    }
    found
}

/// Joins texts with a separator.
pub(crate) fn joined(separator: &str, all: &[Value]) -> Result<Value, Error> {
    let mut out = String::new();
    for (at, item) in all.iter().enumerate() {
        if at > 0 {
            out.push_str(separator);
        }
        out.push_str(&text(item));
        fits(out.len() as u64)?;
    }
    Ok(Value::from(out))
}

fn join(separator: &str, all: &[Value]) -> Result<Value, Error> {
    all.iter().try_for_each(|item| str_of(item).map(|_| ()))?;
    joined(separator, all)
}

fn width(arguments: &Arguments<'_>, s: &str) -> Result<(usize, usize), Error> {
    let width = arguments.int(0, "width")?.map_or(0, |width| usize::try_from(width).unwrap_or(0));
    fits((width as u64).saturating_mul(4))?;
    Ok((width, width.saturating_sub(s.chars().count())))
}

fn zfill(s: &str, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let (_, missing) = width(arguments, s)?;
    let sign = s.len() - s.strip_prefix(['+', '-']).unwrap_or(s).len();
    let (sign, digits) = s.split_at(sign);
    Ok(Value::from(format!("{sign}{}{digits}", "0".repeat(missing))))
}

fn justify(s: &str, name: &str, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let (width, missing) = width(arguments, s)?;
    let fill = arguments.option(1, "fillchar")?.map_or(Ok(" ".to_owned()), |fill| str_of(&fill))?;
    if fill.chars().count() != 1 {
        return Err(fail("The fill character must be exactly one character long"));
    }
    let left = match name {
        "ljust" => 0,
        "rjust" => missing,
        // Python's rounding.
        _ => missing / 2 + (missing & width & 1),
    };
    Ok(Value::from(format!("{}{s}{}", fill.repeat(left), fill.repeat(missing - left))))
}

/// `str.title`: a capital after every character that is not a letter.
fn title(s: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in s.chars() {
        if inside {
            out.extend(c.to_lowercase())
        } else {
            out.extend(c.to_uppercase())
        }
        inside = c.is_lowercase() || c.is_uppercase();
    }
    out
}
