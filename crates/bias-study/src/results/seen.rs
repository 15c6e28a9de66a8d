use std::fmt;
use std::str::FromStr;

use bias_types::UnitKind;
use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use super::alternative::Alternative;
use super::form::{Form, Kind};

/// How a question asks, as far as generalization is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Asking {
    /// A number in free words.
    Free,
    /// A number that is begun for the model.
    Number,
    /// A choice between options.
    Choice,
    /// A text without chat template that the model continues.
    Unfinished,
}

impl Asking {
    /// How questions of this form ask.
    #[must_use]
    pub fn of(form: &Form) -> Self {
        match (form.raw, form.kind()) {
            (true, _) => Self::Unfinished,
            (false, Kind::Free) => Self::Free,
            (false, Kind::Number) => Self::Number,
            (false, Kind::Choice) => Self::Choice,
        }
    }
}

impl fmt::Display for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Free => "free answers",
            Self::Number => "numbers",
            Self::Choice => "choices",
            Self::Unfinished => "unfinished texts",
        })
    }
}

/// Another way to put the same questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// The other rendering: what goes through the chat template is continued as plain text, and
    /// unfinished texts go through the chat template.
    Rendering,
    /// A sentence before the question.
    Preamble,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Rendering, Self::Preamble];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rendering => "rendering",
            Self::Preamble => "preamble",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rendering => "the other rendering",
            Self::Preamble => "a sentence before",
        })
    }
}

/// What is tried: a method that finds a mask, an edit, or the truth where it was planted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum Approach {
    /// A method by its name and the kind of unit that it prunes.
    Mask(String, UnitKind),
    /// An alternative to pruning.
    Edit(Alternative),
    /// The units that were planted.
    Planted,
}

impl Approach {
    /// The name of the units that were planted.
    pub const PLANTED: &'static str = "planted";

    /// Whether it prunes.
    #[must_use]
    pub fn is_mask(&self) -> bool {
        !matches!(self, Self::Edit(_))
    }
}

impl fmt::Display for Approach {
    /// `signed-gap`, `signed-gap@neuron`, `projection`, `planted`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mask(name, UnitKind::Weight) => f.write_str(name),
            Self::Mask(name, unit) => write!(f, "{name}@{unit}"),
            Self::Edit(own) => f.write_str(own.name()),
            Self::Planted => f.write_str(Self::PLANTED),
        }
    }
}

impl FromStr for Approach {
    type Err = String;

    /// Reads a name with `@` and a kind of unit behind it, if it is not weights. Whether a method of
    /// that name exists is not checked.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == Self::PLANTED {
            return Ok(Self::Planted);
        }
        if let Some(own) = Alternative::named(text) {
            return Ok(Self::Edit(own));
        }
        match text.split_once('@') {
            _ if text.is_empty() || text.starts_with('@') => Err("it names no method".into()),
            None => Ok(Self::Mask(text.into(), UnitKind::Weight)),
            Some((name, unit)) => {
                let found = UnitKind::ALL.into_iter().find(|own| own.to_string() == unit);
                let known = UnitKind::ALL.map(|own| own.to_string()).join(", ");
                found
                    .map(|unit| Self::Mask(name.into(), unit))
                    .ok_or_else(|| format!("`{unit}` is no kind of unit; the kinds are {known}"))
            }
        }
    }
}

impl From<Approach> for String {
    fn from(own: Approach) -> Self {
        own.to_string()
    }
}

impl TryFrom<String> for Approach {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The questions that an approach saw, always about the names of the attribution half.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Seen {
    /// The attribution variations of one context, the home.
    Home(Context),
    /// Those of them that ask in one way.
    Asking(Context, Asking),
    /// The attribution variations of all contexts but one.
    AllBut(Context),
}

impl Seen {
    /// The context that it is about: the home, or the one left out.
    #[must_use]
    pub fn context(&self) -> &Context {
        match self {
            Self::Home(own) | Self::Asking(own, _) | Self::AllBut(own) => own,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Home(own) => write!(f, "{own}"),
            Self::Asking(own, asking) => write!(f, "{own}, {asking}"),
            Self::AllBut(own) => write!(f, "all but {own}"),
        }
    }
}

/// What a change is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Control {
    /// None: it is the approach itself.
    Own,
    /// Placebo: the same approach on groups that were shuffled over names, at the same damage.
    Shuffled,
    /// As many random weights in every matrix.
    Random,
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Own => "",
            Self::Shuffled => "placebo",
            Self::Random => "random",
        })
    }
}

/// Where a change is tested, always on the held-out names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Target {
    /// The variations that were seen: only the names are others.
    Names(Context),
    /// Held-out variations at home.
    Home(Context),
    /// All variations of another context, none of which was seen.
    Elsewhere(Context),
    /// Questions at home that ask in another way than those seen.
    Asking(Context, Asking),
    /// Held-out variations at home, put in another way.
    Format(Context, Format),
}

impl Target {
    /// The context that is asked about.
    #[must_use]
    pub fn context(&self) -> &Context {
        match self {
            Self::Names(own)
            | Self::Home(own)
            | Self::Elsewhere(own)
            | Self::Asking(own, _)
            | Self::Format(own, _) => own,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Names(own) => write!(f, "{own}, questions seen"),
            Self::Home(own) => write!(f, "{own}, held-out questions"),
            Self::Elsewhere(own) => write!(f, "{own}, all questions"),
            Self::Asking(own, asking) => write!(f, "{own}, {asking}"),
            Self::Format(own, format) => write!(f, "{own}, {format}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files and pieces contain these.
    #[test]
    fn approaches_are_read_as_they_are_written() {
        for text in
            ["signed-gap", "signed-gap@neuron", "knockout@key/value group", "projection", "planted"]
        {
            let own: Approach = text.parse().unwrap();
            assert_eq!(own.to_string(), text);
            assert_eq!(own.is_mask(), text != "projection");
            let json = serde_json::to_string(&own).unwrap();
            assert_eq!(serde_json::from_str::<Approach>(&json).unwrap(), own);
        }
        for text in ["", "@neuron", "signed-gap@guess"] {
            assert!(text.parse::<Approach>().is_err(), "{text}");
        }
        let raw = Form { raw: true, ..Form::default() };
        assert_eq!(
            (Asking::of(&raw), Asking::of(&Form::default())),
            (Asking::Unfinished, Asking::Free)
        );
    }
}
