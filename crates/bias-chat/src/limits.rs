use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use minijinja::value::Object;
use minijinja::{Error, ErrorKind, State};

/// Longest template.
pub(crate) const MAX_SOURCE: usize = 1 << 20;
/// Most words and signs between `{{` and `}}`: expressions are compiled recursively.
pub(crate) const MAX_TAG: usize = 1000;
/// Most `elif` in a template, which are parsed recursively as well.
pub(crate) const MAX_ELIF: usize = 200;
/// Longest text, and heaviest list or dict, that a template may make.
pub(crate) const MAX_SIZE: u64 = 4 << 20;
/// Deepest nesting of lists and dicts.
pub(crate) const MAX_DEPTH: u32 = 64;
/// Most items of `range`, as in Jinja's sandbox.
pub(crate) const MAX_RANGE: u64 = 100_000;
/// Instructions that one rendering may take.
pub(crate) const FUEL: u64 = 4_000_000;
/// Nesting of loops, and four times that of macros.
pub(crate) const RECURSION: usize = 300;
/// Bytes that all values looked up or made in one rendering may have together.
const WORK: u64 = 128 << 20;

/// What a rendering has used up.
#[derive(Debug, Default)]
struct Spent(AtomicU64);

impl Object for Spent {}

/// Counts some bytes of work; no template that does something useful comes near the limit.
pub(crate) fn spend(state: &State, bytes: u64) -> Result<(), Error> {
    let spent = state.get_or_set_temp_object("spent", Spent::default);
    if spent.0.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > WORK {
        return Err(fail("the template does too much work"));
    }
    Ok(())
}

/// Refuses what would be longer than any text may be, before it is made.
pub(crate) fn fits(bytes: u64) -> Result<(), Error> {
    // A little above, for the weight of an empty value.
    if bytes > MAX_SIZE + 64 { Err(fail("the template makes too long a text")) } else { Ok(()) }
}

/// The product of two sizes, or so much that it fits nowhere.
pub(crate) fn times(a: usize, b: usize) -> u64 {
    (a as u64).saturating_mul(b as u64)
}

pub(crate) fn fail(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

pub(crate) fn undefined() -> Error {
    Error::new(ErrorKind::UndefinedError, "an undefined value was used")
}
