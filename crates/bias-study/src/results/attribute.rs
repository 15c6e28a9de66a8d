use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The attribute by which people are compared, such as race or gender, and its place in a prompt
/// file.
///
/// On the command line it is written as `race` (the column of that name), `race=COLUMN` (another
/// column), or `race=before:_`: the part of `name_group` before its first `_`. `after:_` is the
/// rest, `before-last:_` and `after-last:_` are the same at the last `_`. The separator is any
/// text. A group without it is its own value. `race+gender` joins several: people are then
/// told apart by all of them, and a value is written `white+women`.
///
/// ```
/// use bias_study::results::Attribute;
///
/// let of = |attribute: &str| attribute.parse::<Attribute>();
/// assert_eq!(of("race=before:_"), Ok(Attribute::before("race", "_")));
/// assert_eq!(of("gender"), Ok(Attribute::column("gender", "gender")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attribute {
    /// Its name in results.
    pub name: String,
    /// Its place in a prompt file.
    pub from: AttributeSource,
}

/// The place of an attribute in a prompt file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttributeSource {
    /// A column of its own.
    Column(String),
    /// The part of `name_group` before the first of these separators.
    Before(String),
    /// The part before the last one.
    BeforeLast(String),
    /// The part after the first one.
    After(String),
    /// The part after the last one.
    AfterLast(String),
    /// Several attributes together; a value is theirs, joined by `+`.
    All(Vec<Attribute>),
}

/// The column of a prompt file with a person's group of names.
pub(crate) const NAME_GROUP: &str = "name_group";

impl Attribute {
    /// An attribute with a column of its own.
    #[must_use]
    pub fn column(name: &str, column: &str) -> Self {
        Self { name: name.into(), from: AttributeSource::Column(column.into()) }
    }

    /// An attribute that is the part of `name_group` before the first separator.
    #[must_use]
    pub fn before(name: &str, separator: &str) -> Self {
        Self { name: name.into(), from: AttributeSource::Before(separator.into()) }
    }

    /// The columns that it is read from, in order.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        match &self.from {
            AttributeSource::Column(column) => vec![column],
            AttributeSource::All(parts) => parts.iter().flat_map(Self::columns).collect(),
            _ => vec![NAME_GROUP],
        }
    }

    /// Its value where a cell of each of its [`columns`](Self::columns) is looked up by the
    /// column's name.
    #[must_use]
    pub fn value<'t>(&self, cell: &dyn Fn(&str) -> &'t str) -> String {
        match &self.from {
            AttributeSource::Column(column) => self.part(cell(column)).to_owned(),
            AttributeSource::All(parts) => {
                parts.iter().map(|own| own.value(cell)).collect::<Vec<_>>().join("+")
            }
            _ => self.part(cell(NAME_GROUP)).to_owned(),
        }
    }

    /// The part of a cell that says its value.
    fn part<'t>(&self, text: &'t str) -> &'t str {
        let text = text.trim();
        let part = match &self.from {
            AttributeSource::Column(_) | AttributeSource::All(_) => None,
            AttributeSource::Before(separator) => {
                text.split_once(separator).map(|(before, _)| before)
            }
            AttributeSource::BeforeLast(separator) => {
                text.rsplit_once(separator).map(|(before, _)| before)
            }
            AttributeSource::After(separator) => text.split_once(separator).map(|(_, after)| after),
            AttributeSource::AfterLast(separator) => {
                text.rsplit_once(separator).map(|(_, after)| after)
            }
        };
        part.unwrap_or(text)
    }
}

impl fmt::Display for Attribute {
    /// The attribute as written on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, from } = self;
        match from {
            AttributeSource::Column(column) if column == name => f.write_str(name),
            AttributeSource::Column(column) => write!(f, "{name}={column}"),
            AttributeSource::Before(separator) => write!(f, "{name}=before:{separator}"),
            AttributeSource::BeforeLast(separator) => write!(f, "{name}=before-last:{separator}"),
            AttributeSource::After(separator) => write!(f, "{name}=after:{separator}"),
            AttributeSource::AfterLast(separator) => write!(f, "{name}=after-last:{separator}"),
            AttributeSource::All(parts) => {
                for (i, own) in parts.iter().enumerate() {
                    write!(f, "{}{own}", if i == 0 { "" } else { "+" })?;
                }
                Ok(())
            }
        }
    }
}

impl FromStr for Attribute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}`: an attribute is written as `race` or `race=COLUMN` (a column), as `race=before:_` (the part of {NAME_GROUP} before its first `_`; also after, before-last, after-last), or as several joined by `+`"
            )
        };
        // A separator may be a `+`, too.
        let parts: Result<Vec<Self>, String> =
            if text.contains('+') { text.split('+').map(str::parse).collect() } else { Err(bad()) };
        if let Ok(parts) = parts {
            let name = parts.iter().map(|own| own.name.as_str()).collect::<Vec<_>>().join("+");
            return Ok(Self { name, from: AttributeSource::All(parts) });
        }
        let (name, from) = text.split_once('=').unwrap_or((text, text));
        // A separator may be a space, and what stands before the part may not.
        let from = from.trim_start();
        let part = from.split_once(':').and_then(|(part, separator)| {
            let separator = separator.to_owned();
            match part {
                "before" => Some(AttributeSource::Before(separator)),
                "before-last" => Some(AttributeSource::BeforeLast(separator)),
                "after" => Some(AttributeSource::After(separator)),
                "after-last" => Some(AttributeSource::AfterLast(separator)),
                _ => None,
            }
        });
        let from = part.unwrap_or_else(|| AttributeSource::Column(from.trim().into()));
        let empty = match &from {
            AttributeSource::Column(text)
            | AttributeSource::Before(text)
            | AttributeSource::BeforeLast(text)
            | AttributeSource::After(text)
            | AttributeSource::AfterLast(text) => text.is_empty(),
            AttributeSource::All(parts) => parts.is_empty(),
        };
        let name = name.trim();
        if name.is_empty() || empty || name.chars().any(char::is_control) {
            return Err(bad());
        }
        Ok(Self { name: name.into(), from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_before_a_part_are_none_of_it() {
        let own: Attribute = "race= before-last: ".parse().unwrap();
        assert_eq!(own.from, AttributeSource::BeforeLast(" ".into()));
        assert_eq!(own.to_string().parse::<Attribute>().unwrap(), own);
    }

    #[test]
    fn an_attribute_is_a_column_or_a_part_of_the_group() {
        let value = |attribute: &str, text| {
            let own: Attribute = attribute.parse().unwrap();
            assert_eq!(own.to_string(), attribute);
            own.value(&|_| text)
        };
        assert_eq!(value("race=before:_", "white_women"), "white");
        assert_eq!(value("race=before:_", "black"), "black");
        assert_eq!(value("race=before-last:_", "east_asian_women"), "east_asian");
        assert_eq!(value("gender=after-last:_", "east_asian_women"), "women");
        assert_eq!(value("gender=after:, ", "white, women, old"), "women, old");
        assert_eq!(value("race", " east_asian "), "east_asian");
        let own: Attribute = "race=ethnicity".parse().unwrap();
        assert_eq!((own.name.as_str(), own.columns()), ("race", vec!["ethnicity"]));
        assert_eq!("race=before:_".parse::<Attribute>().unwrap().columns(), ["name_group"]);
        let both: Attribute = "race=before:_+age+faith=religion".parse().unwrap();
        assert_eq!(both.to_string(), "race=before:_+age+faith=religion");
        assert_eq!(
            (both.name.as_str(), both.columns()),
            ("race+age+faith", vec!["name_group", "age", "religion"])
        );
        let cell = |column: &str| match column {
            "name_group" => "white_women",
            "age" => " old ",
            _ => "none",
        };
        assert_eq!(both.value(&cell), "white+old+none");
        let own: Attribute = "race=before:+".parse().unwrap();
        assert_eq!(own.value(&|_| "white+women"), "white", "a separator");
        for bad in ["", "=race", "race=", "race=before:", "\n"] {
            assert!(bad.parse::<Attribute>().is_err(), "{bad:?}");
        }
    }
}
