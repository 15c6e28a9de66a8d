//! What is asked, of whom, and how.

use std::fmt;
use std::sync::Arc;

use bias_ask::AskError;
use bias_ask::generate::{DecodeOptions, Sampling};
use bias_ask::text::Asked;
use serde::{Deserialize, Serialize};

use crate::http::{Address, Key, Timeouts};
use crate::manners::{Caps, Patience};
use crate::record::Of;
use crate::ways::Way;
use crate::wire::Prefill;

/// The protocol that a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// OpenAI's, as many servers speak it.
    Openai,
    /// Anthropic's messages.
    Anthropic,
}

impl Protocol {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
        }
    }
}

/// The text of a question as the model sees it.
pub type Render = dyn Fn(&Asked<'_>) -> Result<String, AskError> + Send + Sync;

/// A chat template that is applied here instead of by the server, so that completions can be asked.
#[derive(Clone)]
pub struct Template {
    /// Its identity, such as the hash of its file.
    pub identity: String,
    /// Writes a question, with the system message, up to where the model continues.
    pub render: Arc<Render>,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// What is asked, of whom, and how.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The server.
    pub address: Address,
    /// The protocol that it speaks.
    pub protocol: Protocol,
    /// The model's name, as the server names it.
    pub model: String,
    /// The key, if the server wants one.
    pub key: Option<Key>,
    /// The system message before every question that is not raw. A [`template`](Self::template)
    /// writes its own.
    pub system: Option<String>,
    /// The model's chat template, if it is to be applied here.
    pub template: Option<Template>,
    /// How the server continues the beginning of an answer in a chat. `None` if it does not.
    pub prefill: Option<Prefill>,
    /// The way to an answer, if it is not chosen by what the server offers.
    pub way: Option<Way>,
    /// How answers are drawn, and how long they may be.
    pub options: DecodeOptions,
    /// Added to the count of each option of a choice that is sampled: ½ makes the log-odds of counts
    /// nearly unbiased (Haldane 1956), 0 leaves their shares as they are.
    pub smoothing: f64,
    /// The number of requests on their way at once.
    pub in_flight: usize,
    /// The most that the run may use.
    pub caps: Caps,
    /// How often and how long a request is tried again.
    pub patience: Patience,
    /// How long to wait for the server.
    pub timeouts: Timeouts,
}

impl Setup {
    /// A model of a server, asked for answers of at most 16 tokens, 16 requests at once, without
    /// limits.
    #[must_use]
    pub fn new(address: Address, protocol: Protocol, model: &str) -> Self {
        let options = DecodeOptions {
            sampling: Sampling::default(),
            stop: Vec::new(),
            max_new_tokens: 16,
            batch_rows: 1,
            threads: 16,
        };
        let anthropic = protocol == Protocol::Anthropic;
        Self {
            address,
            protocol,
            model: model.into(),
            key: None,
            system: None,
            template: None,
            prefill: anthropic.then_some(Prefill::LastMessage),
            way: None,
            options,
            smoothing: 0.5,
            in_flight: 16,
            caps: Caps::default(),
            patience: Patience::default(),
            timeouts: Timeouts::default(),
        }
    }

    /// What a record of this run is of.
    #[must_use]
    pub fn of(&self) -> Of {
        let template = self.template.as_ref().map(|own| own.identity.as_str());
        let settings = serde_json::json!({
            "sampling": self.options.sampling,
            "longest": self.options.max_new_tokens,
            "system": self.system,
            "template": template,
            "prefill": self.prefill,
        });
        Of {
            record: Of::FORMAT.into(),
            url: self.address.as_str().into(),
            protocol: self.protocol.as_str().into(),
            model: self.model.clone(),
            settings: settings.to_string(),
        }
    }
}
