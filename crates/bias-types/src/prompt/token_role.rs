use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::TypesError;

/// The part of its prompt that a token belongs to, derived from character offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRole {
    /// Padding that fills a batch to equal length. It is never counted.
    Padding,
    /// Part of the system message, which precedes the question.
    System,
    /// Any other token of the prompt outside the name, such as the marks of a chat template.
    Prompt,
    /// Part of the person's name. Names are often several tokens.
    Name,
    /// Part of the model's answer.
    Answer,
}

impl TokenRole {
    /// The roles of real tokens, in the order statistics store them.
    pub const REAL: [Self; 4] = [Self::System, Self::Prompt, Self::Name, Self::Answer];
}

impl fmt::Display for TokenRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Padding => "padding",
            Self::System => "system",
            Self::Prompt => "prompt",
            Self::Name => "name",
            Self::Answer => "answer",
        })
    }
}

impl FromStr for TokenRole {
    type Err = TypesError;

    fn from_str(text: &str) -> Result<Self, TypesError> {
        [Self::Padding, Self::System, Self::Prompt, Self::Name, Self::Answer]
            .into_iter()
            .find(|r| r.to_string() == text)
            .ok_or_else(|| TypesError::Parse {
                kind: "token role",
                text: text.into(),
                expected: "`padding`, `system`, `prompt`, `name` or `answer`",
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_back_from_their_names() {
        for role in TokenRole::REAL.into_iter().chain([TokenRole::Padding]) {
            assert_eq!(role.to_string().parse::<TokenRole>().unwrap(), role);
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
        assert!(TokenRole::REAL.is_sorted());
        assert!("other".parse::<TokenRole>().is_err());
    }
}
