use std::fmt;

use bias_model::question::{Choices, NumberGrammar};
use bias_types::prompt::Scale;
use serde::{Deserialize, Serialize};

/// The form of a question, and of its answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Form {
    /// The beginning of the answer, which the model continues. Without choices, it continues with a
    /// number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The options. Without them, the answer is a number: in any words, or in the next tokens if
    /// there is a prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Choices>,
    /// Whether the model continues the text as it is, without chat template and system message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub raw: bool,
}

/// The kind of answer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Free words that contain a number.
    #[default]
    Free,
    /// A number that is begun for the model.
    Number,
    /// One of several options.
    Choice,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Free => "free answer",
            Self::Number => "number",
            Self::Choice => "choice",
        })
    }
}

/// The value of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChoiceValue {
    /// The log-odds of the favourable option against the others, in nats.
    #[default]
    LogOdds,
    /// The same with every word's probability taken per token, so that long words do not count as
    /// improbable.
    LogOddsPerToken,
    /// The probability of the favourable option among all options.
    Probability,
}

impl ChoiceValue {
    /// The scale that summarises a distribution over options.
    #[must_use]
    pub fn scale(self) -> Scale {
        match self {
            Self::LogOdds => Scale::LogOdds { per_token: false },
            Self::LogOddsPerToken => Scale::LogOdds { per_token: true },
            Self::Probability => Scale::Share,
        }
    }
}

impl fmt::Display for ChoiceValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::LogOdds => "log-odds",
            Self::LogOddsPerToken => "log-odds per token",
            Self::Probability => "probability",
        })
    }
}

impl Form {
    /// The kind of answer that it asks for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match (&self.choices, &self.prefix) {
            (Some(_), _) => Kind::Choice,
            (None, Some(_)) => Kind::Number,
            (None, None) => Kind::Free,
        }
    }

    /// Reads a prompt file's columns or a command line's arguments. Missing parts are taken from
    /// `otherwise`.
    ///
    /// # Errors
    /// A message about options that cannot be told apart, or a prefix that already contains a
    /// number.
    pub fn read(
        prefix: &str,
        choices: &str,
        better: &str,
        raw: Option<bool>,
        otherwise: &Self,
    ) -> Result<Self, String> {
        let choices = match (choices.trim(), better.trim()) {
            ("", "") => otherwise.choices.clone(),
            ("", _) => return Err("`better` names an option, but there are no `choices`".into()),
            (_, "") => {
                return Err(
                    "`choices` need `better`: the option that is favourable to the person".into()
                );
            }
            (text, better) => Some(Choices::parse(text, better).map_err(|e| e.to_string())?),
        };
        let prefix = if prefix.trim().is_empty() {
            otherwise.prefix.clone()
        } else {
            Some(prefix.to_owned())
        };
        let own = Self { prefix, choices, raw: raw.unwrap_or(otherwise.raw) };
        match own
            .prefix
            .as_deref()
            .filter(|text| own.kind() == Kind::Number && NumberGrammar::is_begun_by(text))
        {
            Some(text) => Err(format!(
                "`answer_prefix` is `{text}`, which already holds a number: the model is to say it"
            )),
            None => Ok(own),
        }
    }
}
