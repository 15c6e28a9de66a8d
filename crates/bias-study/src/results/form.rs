use std::fmt;

use bias_metrics::parse::AnswerReader;
use bias_model::question::{Choices, NumberGrammar};
use bias_types::prompt::Scale;
use serde::{Deserialize, Serialize};

/// How a question is put, and what counts as an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Form {
    /// How the answer begins: the model goes on from there. Without choices, by a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What can be chosen; without, the answer is a number in any words, or in the next ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Choices>,
    /// Whether the text is gone on with as it stands, without chat template and system message.
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

/// What kind of answer is asked for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Any words, in which a number is looked for.
    #[default]
    Free,
    /// A number, begun for the model.
    Number,
    /// One of several words.
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

/// What a choice is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChoiceValue {
    /// The log-odds of the favourable option against the others, in nats.
    #[default]
    LogOdds,
    /// The same with every word's probability taken per token, so that long words are not held to
    /// be improbable.
    LogOddsPerToken,
    /// The probability of the favourable option among all that can be chosen.
    Probability,
}

impl ChoiceValue {
    /// What a distribution over options is summed up by.
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

    /// What kind of answer it asks for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match (&self.choices, &self.prefix) {
            (Some(_), _) => Kind::Choice,
            (None, Some(_)) => Kind::Number,
            (None, None) => Kind::Free,
        }
    }

    /// From a prompt file's columns or a command line's arguments; what is not said is as in
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
