use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::TypesError;

/// What a token is in its prompt, found from character offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRole {
    /// Fills a batch to equal length; never counted anywhere.
    Padding,
    /// Part of the system message: what the model is told before the question.
    System,
    /// Any other token of the prompt that is not part of the name: template marks included.
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
