use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::dialect::Dialect;

/// An endpoint of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `/v1/completions`: a text is continued as it is.
    Completions,
    /// `/v1/chat/completions`: the server applies the model's chat template.
    Chat,
    /// Anthropic's `/v1/messages`.
    Messages,
}

impl Endpoint {
    /// The path behind the server's address.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Completions => "completions",
            Self::Chat => "chat/completions",
            Self::Messages => "messages",
        }
    }
}

/// How a server is told to continue the beginning of an answer in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prefill {
    /// A last message of the assistant is continued: Anthropic (older models), llama.cpp's own
    /// server.
    LastMessage,
    /// The same with `continue_final_message`: vLLM, SGLang.
    ContinueFinalMessage,
    /// The same with `prefix: true` in that message: Mistral, DeepSeek.
    Prefix,
}

/// The words of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt<'a> {
    /// A text to be continued as it is.
    Text(&'a str),
    /// Messages of a chat.
    Turns {
        /// The system message.
        system: Option<&'a str>,
        /// The user's message.
        message: &'a str,
        /// The beginning of the answer, and how the server is told to continue it.
        begun: Option<(&'a str, Prefill)>,
    },
}

/// One request: what is asked, and how the answer is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask<'a> {
    /// Where.
    pub endpoint: Endpoint,
    /// The model's name.
    pub model: &'a str,
    /// The words.
    pub prompt: Prompt<'a>,
    /// The longest answer, in tokens.
    pub max_tokens: usize,
    /// How many answers.
    pub n: u32,
    /// 0 takes the most probable token at each step.
    pub temperature: f64,
    /// The mass of the most probable tokens that are kept; 1 keeps all.
    pub top_p: f64,
    /// How many of the most probable tokens are kept; 0 keeps all.
    pub top_k: usize,
    /// The share of the most probable token's probability that a token needs; 0 keeps all.
    pub min_p: f64,
    /// The seed of the draws.
    pub seed: Option<u64>,
    /// How many alternatives are told at each step, with log-probabilities. `None` asks for none.
    pub alternatives: Option<u32>,
}

impl Ask<'_> {
    /// The body of the request, without the fields that the server does not take.
    #[must_use]
    pub fn body(&self, dialect: &Dialect) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), self.model.into());
        match self.prompt {
            Prompt::Text(text) => drop(body.insert("prompt".into(), text.into())),
            Prompt::Turns { system, message, begun } => {
                let anthropic = self.endpoint == Endpoint::Messages;
                let mut turns = Vec::new();
                match system {
                    Some(own) if anthropic => drop(body.insert("system".into(), own.into())),
                    Some(own) => turns.push(json!({"role": "system", "content": own})),
                    None => {}
                }
                turns.push(json!({"role": "user", "content": message}));
                if let Some((text, how)) = begun {
                    let mut turn = json!({"role": "assistant", "content": text});
                    if how == Prefill::Prefix {
                        turn["prefix"] = true.into();
                    }
                    turns.push(turn);
                    if how == Prefill::ContinueFinalMessage {
                        body.insert("continue_final_message".into(), true.into());
                        body.insert("add_generation_prompt".into(), false.into());
                    }
                }
                body.insert("messages".into(), turns.into());
            }
        }
        body.insert(dialect.limit_name().into(), self.max_tokens.into());
        if self.endpoint == Endpoint::Messages {
            self.draw_as_anthropic(&mut body);
        } else {
            self.draw(&mut body);
        }
        body.retain(|name, _| !dialect.lacks(name));
        body.into()
    }

    /// Nothing may be left to the server: many cut off improbable tokens unless told otherwise.
    fn draw(&self, body: &mut Map<String, Value>) {
        body.insert("temperature".into(), number(self.temperature));
        body.insert("top_p".into(), number(self.top_p));
        body.insert("top_k".into(), self.top_k.into());
        body.insert("min_p".into(), number(self.min_p));
        body.insert("repeat_penalty".into(), number(1.0));
        body.insert("repetition_penalty".into(), number(1.0));
        if self.n > 1 {
            body.insert("n".into(), self.n.into());
        }
        if let Some(seed) = self.seed {
            body.insert("seed".into(), seed.into());
        }
        match (self.alternatives, self.endpoint) {
            (Some(most), Endpoint::Completions) => {
                drop(body.insert("logprobs".into(), most.into()))
            }
            (Some(most), _) => {
                body.insert("logprobs".into(), true.into());
                body.insert("top_logprobs".into(), most.into());
            }
            (None, _) => {}
        }
    }

    /// Its own defaults cut nothing off, and newer models take no settings, so only others are said.
    fn draw_as_anthropic(&self, body: &mut Map<String, Value>) {
        if self.temperature != 1.0 {
            body.insert("temperature".into(), number(self.temperature));
        }
        if self.top_p < 1.0 {
            body.insert("top_p".into(), number(self.top_p));
        }
        if self.top_k > 0 {
            body.insert("top_k".into(), self.top_k.into());
        }
    }
}

/// A whole number without a decimal point: some servers' strict fields want one.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e9 { (value as i64).into() } else { value.into() }
}
