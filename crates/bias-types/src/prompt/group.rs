use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::TypesError;

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The label itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = TypesError;

            fn from_str(text: &str) -> Result<Self, TypesError> {
                let text = text.trim();
                if text.is_empty() || text.chars().any(char::is_control) {
                    return Err(TypesError::Parse {
                        kind: $kind,
                        text: text.into(),
                        expected: "a label with at least one visible character",
                    });
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = TypesError;

            fn try_from(text: String) -> Result<Self, TypesError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(label: $name) -> Self {
                label.0
            }
        }
    };
}

label! {
    /// A group of people, under its name in the prompt file, such as `white_women`.
    Group, "group"
}

label! {
    /// A situation in which the model is asked about a person, such as `commercial`
    /// (the `scenario` column of a prompt file).
    Context, "context"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_can_be_seen() {
        assert_eq!(" white_women ".parse::<Group>().unwrap().as_str(), "white_women");
        for bad in [" ", "", "a\tb"] {
            assert!(bad.parse::<Group>().is_err(), "{bad:?}");
        }
    }
}
