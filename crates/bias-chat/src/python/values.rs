use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Error, State, Value};

use super::show::{Repr, type_name};
use crate::limits::{MAX_DEPTH, MAX_SIZE, fail, fits, spend};

/// The size of a value, counted as if its parts were not shared. Walking the value costs no more
/// than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub weight: u64,
    depth: u32,
}

/// A list with Python's behaviour. Every list in a template is one.
#[derive(Debug)]
pub(crate) struct List {
    items: Vec<Value>,
    size: Size,
}

/// A dict with Python's behaviour. It keeps the order of insertion.
#[derive(Debug)]
pub(crate) struct Dict {
    entries: IndexMap<Value, Value>,
    size: Size,
}

impl Size {
    const WORD: u64 = 16;

    pub fn of(value: &Value) -> Self {
        if let Some(text) = value.as_str() {
            return Self { weight: Self::WORD + text.len() as u64, depth: 0 };
        }
        if let Some(list) = value.downcast_object_ref::<List>() {
            return list.size;
        }
        value
            .downcast_object_ref::<Dict>()
            .map_or(Self { weight: Self::WORD, depth: 0 }, |d| d.size)
    }

    /// The size of a container of these items. Refused when it is too large.
    fn around<'a>(values: impl Iterator<Item = &'a Value>) -> Result<Self, Error> {
        let mut whole = Self { weight: Self::WORD, depth: 1 };
        for value in values {
            let size = Self::of(value);
            whole.weight += size.weight;
            whole.depth = whole.depth.max(size.depth + 1);
            if whole.weight > MAX_SIZE || whole.depth > MAX_DEPTH {
                return Err(fail("a list or dict grew too large or too deep"));
            }
        }
        Ok(whole)
    }
}

/// The value with every list and dict replaced by ours, so that nothing in it can refer back to it.
///
/// minijinja's filters return lazy lists over their input. Many of those inside one another would
/// overflow the stack.
pub(crate) fn own(value: Value) -> Result<Value, Error> {
    if let Some(map) = value.downcast_object_ref::<IndexMap<Value, Value>>() {
        return dict(map.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable if !is::<List>(&value) => list(value.try_iter()?),
        ValueKind::Invalid => Err(fail("an iteration failed")),
        _ => Ok(value),
    }
}

/// Takes in a value that an instruction made: counts it, and refuses one that is too large.
pub(crate) fn admit(state: &State, value: Value) -> Result<Value, Error> {
    let value = own(value)?;
    let weight = Size::of(&value).weight;
    fits(weight)?;
    spend(state, weight)?;
    Ok(value)
}

/// A list of these items.
pub(crate) fn list(values: impl IntoIterator<Item = Value>) -> Result<Value, Error> {
    let mut items = Vec::new();
    for value in values {
        items.push(inner(value)?);
        if items.len() as u64 * Size::WORD > MAX_SIZE {
            return Err(fail("a list grew too long"));
        }
    }
    let size = Size::around(items.iter())?;
    Ok(Value::from_object(List { items, size }))
}

/// A dict of these items. Later entries replace earlier ones.
pub(crate) fn dict(pairs: impl IntoIterator<Item = (Value, Value)>) -> Result<Value, Error> {
    let mut entries = IndexMap::new();
    for (key, value) in pairs {
        if key.as_object().is_some() {
            return Err(fail(format!("unhashable type: '{}'", type_name(&key))));
        }
        entries.insert(key, inner(value)?);
    }
    let size = Size::around(entries.iter().flat_map(|(k, v)| [k, v]))?;
    Ok(Value::from_object(Dict { entries, size }))
}

/// A value that may be stored in a container.
pub(crate) fn inner(value: Value) -> Result<Value, Error> {
    let value = own(value)?;
    // A namespace could be put into itself; loops and macros hold others.
    if value.kind() == ValueKind::Map && !is::<Dict>(&value) {
        return Err(fail("a namespace, loop or macro cannot be kept in a list, dict or namespace"));
    }
    Ok(value)
}

/// The items of a list, the characters of a text or the keys of a dict. An undefined value has
/// none.
pub(crate) fn items(value: &Value) -> Result<Vec<Value>, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.chars().map(Value::from).collect());
    }
    if value.is_none() {
        return Err(fail("'NoneType' object is not iterable"));
    }
    Ok(value.try_iter()?.collect())
}

pub(crate) fn is<T: 'static>(value: &Value) -> bool {
    value.downcast_object_ref::<T>().is_some()
}

/// Whether this is a list or another value that is iterated over like one.
pub(crate) fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

impl Dict {
    pub fn entries(&self) -> &IndexMap<Value, Value> {
        &self.entries
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.items.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.items.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (at, item) in self.items.iter().enumerate() {
            write!(f, "{}{}", if at > 0 { ", " } else { "" }, Repr(item))?;
        }
        f.write_str("]")
    }
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.entries.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.entries.keys().cloned().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.entries.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (key, value)) in self.entries.iter().enumerate() {
            write!(f, "{}{}: {}", if at > 0 { ", " } else { "" }, Repr(key), Repr(value))?;
        }
        f.write_str("}")
    }
}
