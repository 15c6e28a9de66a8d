use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The attribute by which people are compared, such as race or gender, and its place in a prompt
/// file.
///
/// On the command line it is written as `race` (the column of that name), `race=COLUMN` (another
/// column), or `race=before:_`: the part of `name_group` before its first `_`. `after:_` is the
/// rest, `before-last:_` and `after-last:_` are the same at the last `_`. The separator is any
/// text. A group without it is its own value.
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

    /// The column that it is read from.
    #[must_use]
    pub fn read_from(&self) -> &str {
        match &self.from {
            AttributeSource::Column(column) => column,
            _ => NAME_GROUP,
        }
    }

    /// Its value if that column contains `text`.
    #[must_use]
    pub fn value<'t>(&self, text: &'t str) -> &'t str {
        let text = text.trim();
        let part = match &self.from {
            AttributeSource::Column(_) => None,
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
        }
    }
}

impl FromStr for Attribute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}`: an attribute is written as `race` or `race=COLUMN` (a column), or as `race=before:_` (the part of {NAME_GROUP} before its first `_`; also after, before-last, after-last)"
            )
        };
        let (name, from) = text.split_once('=').unwrap_or((text, text));
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
    fn an_attribute_is_a_column_or_a_part_of_the_group() {
        let value = |attribute: &str, text| {
            let own: Attribute = attribute.parse().unwrap();
            assert_eq!(own.to_string(), attribute);
            own.value(text).to_owned()
        };
        assert_eq!(value("race=before:_", "white_women"), "white");
        assert_eq!(value("race=before:_", "black"), "black");
        assert_eq!(value("race=before-last:_", "east_asian_women"), "east_asian");
        assert_eq!(value("gender=after-last:_", "east_asian_women"), "women");
        assert_eq!(value("gender=after:, ", "white, women, old"), "women, old");
        assert_eq!(value("race", " east_asian "), "east_asian");
        let own: Attribute = "race=ethnicity".parse().unwrap();
        assert_eq!((own.name.as_str(), own.read_from()), ("race", "ethnicity"));
        assert_eq!("race=before:_".parse::<Attribute>().unwrap().read_from(), "name_group");
        for bad in ["", "=race", "race=", "race=before:", "\n"] {
            assert!(bad.parse::<Attribute>().is_err(), "{bad:?}");
        }
    }
}
