use serde::Deserialize;

use super::log_probs::Step;

/// What a server said, whatever the protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The model that answered, as the server names it.
    pub model: Option<String>,
    /// What identifies the server's configuration (`system_fingerprint`).
    pub fingerprint: Option<String>,
    /// The answers.
    pub choices: Vec<Choice>,
    /// The tokens that were used, if told.
    pub usage: Option<Usage>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Its text.
    pub text: String,
    /// Why it ended.
    pub end: End,
    /// Its tokens with their alternatives, if they were asked for and told.
    pub steps: Option<Vec<Step>>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The model ended it.
    Stop,
    /// The limit on its length was reached.
    Length,
    /// The server kept it back or broke it off (a content filter, a refusal, a tool's call).
    Other,
}

/// The tokens of a request and of its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Usage {
    /// Those of the prompt.
    #[serde(alias = "input_tokens", default)]
    pub prompt_tokens: u64,
    /// Those of all answers.
    #[serde(alias = "output_tokens", default)]
    pub completion_tokens: u64,
}
