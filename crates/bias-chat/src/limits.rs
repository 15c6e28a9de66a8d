use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use minijinja::value::Object;
use minijinja::{Error, ErrorKind, State};

/// The longest template source, in bytes.
pub(crate) const MAX_SOURCE: usize = 1 << 20;
/// The most words and signs between `{{` and `}}`. Expressions are compiled recursively.
pub(crate) const MAX_TAG: usize = 1000;
/// The most `elif` in a template. They are parsed recursively as well.
pub(crate) const MAX_ELIF: usize = 200;
/// The longest text, and the largest list or dict, that a template may make.
pub(crate) const MAX_SIZE: u64 = 4 << 20;
/// The deepest nesting of lists and dicts.
pub(crate) const MAX_DEPTH: u32 = 64;
/// The most items of `range`, as in Jinja's sandbox.
pub(crate) const MAX_RANGE: u64 = 100_000;
/// The most instructions of one rendering.
pub(crate) const FUEL: u64 = 4_000_000;
/// The deepest nesting of loops. Macros may nest four times as deep.
pub(crate) const RECURSION: usize = 300;
/// The most bytes of all values that one rendering looks up or makes.
const WORK: u64 = 128 << 20;

/// The resources that a rendering has used so far.
#[derive(Debug, Default)]
struct Spent(AtomicU64);

impl Object for Spent {}

/// Counts bytes of work. No useful template comes near the limit.
pub(crate) fn spend(state: &State, bytes: u64) -> Result<(), Error> {
    let spent = state.get_or_set_temp_object("spent", Spent::default);
    if spent.0.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > WORK {
        return Err(fail("the template does too much work"));
    }
    Ok(())
}

/// Refuses a text that would be longer than the limit, before it is made.
pub(crate) fn fits(bytes: u64) -> Result<(), Error> {
    // A little above, for the weight of an empty value.
    if bytes > MAX_SIZE + 64 { Err(fail("the template makes too long a text")) } else { Ok(()) }
}

/// The product of two sizes, or on overflow a size beyond every limit.
pub(crate) fn times(a: usize, b: usize) -> u64 {
    (a as u64).saturating_mul(b as u64)
}

pub(crate) fn fail(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

pub(crate) fn undefined() -> Error {
    Error::new(ErrorKind::UndefinedError, "an undefined value was used")
}
