use std::fmt;

use bias_metrics::parse::AnswerReader;
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
    /// The field of an answer in JSON, or in lines of `field: value`, that holds the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// How a question is put, in the words of a prompt file's columns or a command line's arguments;
/// what is empty is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FormText<'t> {
    /// How the answer begins.
    pub prefix: &'t str,
    /// What can be chosen, such as `Yes,yes|No,no`.
    pub choices: &'t str,
    /// The option that is favourable to the person.
    pub better: &'t str,
    /// The field that holds the answer.
    pub field: &'t str,
    /// Whether the text is gone on with as it stands.
    pub raw: Option<bool>,
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
    /// Reads the numbers in answers to a question that is put so.
    #[must_use]
    pub fn reader(&self, question: &str) -> AnswerReader {
        let reader = AnswerReader::default().question(question);
        self.field.iter().fold(reader, |reader, field| reader.field(field))
    }

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
    /// In words: options that cannot be told apart, a prefix that holds a number already, a field
    /// of an answer that is no free one.
    pub fn read(text: &FormText<'_>, otherwise: &Self) -> Result<Self, String> {
        let choices = match (text.choices.trim(), text.better.trim()) {
            ("", "") => otherwise.choices.clone(),
            ("", _) => return Err("`better` names an option, but there are no `choices`".into()),
            (_, "") => {
                return Err(
                    "`choices` need `better`: the option that is favourable to the person".into()
                );
            }
            (choices, better) => Some(Choices::parse(choices, better).map_err(|e| e.to_string())?),
        };
        let said = |text: &str| (!text.trim().is_empty()).then(|| text.to_owned());
        let own = Self {
            prefix: said(text.prefix).or_else(|| otherwise.prefix.clone()),
            choices,
            raw: text.raw.unwrap_or(otherwise.raw),
            field: said(text.field.trim()).or_else(|| otherwise.field.clone()),
        };
        if let Some(field) = own.field.as_ref().filter(|_| own.kind() != Kind::Free) {
            return Err(format!(
                "`answer_field` is `{field}`, but the answer is a {}: only a free answer has fields",
                own.kind()
            ));
        }
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
