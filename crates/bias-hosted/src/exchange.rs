//! One question to the server and its answer: from the record if it is known, and kept in it if not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::HostedError;
use crate::manners::Sender;
use crate::record::{Journal, Name, Seen};
use crate::wire::{Ask, Dialect, Endpoint, Prompt, Reply, parse};

/// What a server offers at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// How many alternatives it tells with log-probabilities; `None` if it tells none.
    pub alternatives: Option<u32>,
    /// Whether the token that ends an answer is among the tokens that it tells.
    pub tells_end: bool,
}

/// What was learnt of a server. It is kept in the record, so that a run that goes on asks alike.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Learnt {
    dialects: BTreeMap<Endpoint, Dialect>,
    offers: BTreeMap<Endpoint, Offer>,
}

/// Questions and answers with one server.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub sender: Sender,
    pub journal: Option<Journal>,
    learnt: Mutex<Learnt>,
    /// Endpoints that give one answer to a request, whatever is asked for. It is not kept: a run that
    /// goes on finds it out from the same response.
    single: Mutex<BTreeSet<Endpoint>>,
    seen: Mutex<Seen>,
}

fn locked<T>(own: &Mutex<T>) -> MutexGuard<'_, T> {
    own.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Exchange {
    pub fn new(sender: Sender, journal: Option<Journal>) -> Self {
        let kept = journal.as_ref().and_then(Journal::learnt);
        let learnt = kept.and_then(|own| serde_json::from_value(own).ok()).unwrap_or_default();
        let (single, seen) = (Mutex::default(), Mutex::default());
        Self { sender, journal, learnt: Mutex::new(learnt), single, seen }
    }

    pub fn seen(&self) -> Seen {
        locked(&self.seen).clone()
    }

    pub fn dialect(&self, endpoint: Endpoint) -> Dialect {
        let known = locked(&self.learnt).dialects.get(&endpoint).cloned();
        known.unwrap_or_else(|| Dialect::of_host(self.sender.address().host()))
    }

    pub fn offer(&self, endpoint: Endpoint) -> Option<Offer> {
        locked(&self.learnt).offers.get(&endpoint).copied()
    }

    pub fn set_offer(&self, endpoint: Endpoint, offer: Offer) -> Result<(), HostedError> {
        self.learn(|own| own.offers.extend([(endpoint, offer)]))
    }

    /// Whether a request gets one answer.
    pub fn is_single(&self, endpoint: Endpoint) -> bool {
        endpoint == Endpoint::Messages
            || locked(&self.single).contains(&endpoint)
            || self.dialect(endpoint).lacks("n")
    }

    /// Several answers were asked for, and fewer came.
    pub fn set_single(&self, endpoint: Endpoint) {
        locked(&self.single).insert(endpoint);
    }

    fn set_dialect(&self, endpoint: Endpoint, dialect: Dialect) -> Result<(), HostedError> {
        self.learn(|own| own.dialects.extend([(endpoint, dialect)]))
    }

    fn learn(&self, change: impl FnOnce(&mut Learnt)) -> Result<(), HostedError> {
        let mut own = locked(&self.learnt);
        change(&mut own);
        let Some(journal) = &self.journal else { return Ok(()) };
        let value = serde_json::to_value(&*own).map_err(|error| HostedError::Record {
            path: journal.path().into(),
            source: error.into(),
        })?;
        journal.learn(&value)
    }

    /// The answer to what is asked. The stream and the number of the draw tell repeated requests with
    /// the same words apart.
    pub fn ask(&self, ask: &Ask<'_>, stream: u64, draw: u32) -> Result<Reply, HostedError> {
        loop {
            let dialect = self.dialect(ask.endpoint);
            let body = ask.body(&dialect);
            let name = Name::of(self.sender.address(), ask.endpoint, &body, stream, draw);
            if let Some(journal) = &self.journal
                && let Some(kept) = journal.get(&name)?
            {
                let url = self.sender.address().endpoint(ask.endpoint.path());
                let odd = |reason| HostedError::Unreadable { url, reason };
                let reply = parse(ask.endpoint, &kept.body).map_err(odd)?;
                self.note(ask, &reply, kept.at, true)?;
                return Ok(reply);
            }
            let sent = self.sender.send(ask.endpoint, &body, most_tokens(ask));
            let error = match sent {
                Ok((reply, response)) => {
                    let at = self.sender.clock().wall();
                    self.note(ask, &reply, at, false)?;
                    if let Some(journal) = &self.journal {
                        journal.put(name, draw, at, &response)?;
                    }
                    return Ok(reply);
                }
                Err(error) => error,
            };
            let HostedError::Refused { status: 400 | 422, message, .. } = &error else {
                return Err(error);
            };
            // Somebody else may have learnt it meanwhile.
            if self.dialect(ask.endpoint) != dialect {
                continue;
            }
            let Some(learnt) = dialect.learnt(&body, message) else { return Err(error) };
            self.set_dialect(ask.endpoint, learnt)?;
        }
    }

    fn note(
        &self,
        ask: &Ask<'_>,
        reply: &Reply,
        at: jiff::Timestamp,
        from_record: bool,
    ) -> Result<(), HostedError> {
        if let Some(answered) = reply.model.as_deref().filter(|own| !same_model(ask.model, own)) {
            let (asked, answered) = (ask.model.into(), answered.into());
            return Err(HostedError::OtherModel { asked, answered });
        }
        let (model, fingerprint) = (reply.model.as_deref(), reply.fingerprint.as_deref());
        locked(&self.seen).add(model, fingerprint, at, from_record);
        Ok(())
    }
}

/// Whether a server's name of a model is of the one that was asked for: the same, one version of it
/// (`gpt-4o-2024-08-06` for `gpt-4o`), or the same without the folder that it lies in.
fn same_model(asked: &str, answered: &str) -> bool {
    let plain = |name: &str| {
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        name.trim_end_matches("-latest").to_ascii_lowercase()
    };
    let (asked, answered) = (plain(asked), plain(answered));
    match answered.strip_prefix(&asked) {
        Some(rest) => rest.is_empty() || rest.starts_with(['-', ':', '.', '@', '_']),
        None => answered.is_empty(),
    }
}

/// The most tokens that a request uses, as far as that can be told without a tokenizer.
pub(crate) fn most_tokens(ask: &Ask<'_>) -> u64 {
    let bytes = match ask.prompt {
        Prompt::Text(text) => text.len(),
        Prompt::Turns { system, message, begun } => {
            let parts = [system, Some(message), begun.map(|(text, _)| text)];
            parts.into_iter().flatten().map(str::len).sum()
        }
    };
    tokens_of(bytes) + ask.max_tokens as u64 * u64::from(ask.n)
}

/// Tokens of a text, roughly: three bytes each, and a few that a chat template adds.
pub(crate) fn tokens_of(bytes: usize) -> u64 {
    bytes as u64 / 3 + 12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_a_model_is_that_model() {
        for (asked, answered) in [
            ("gpt-4o", "gpt-4o-2024-08-06"),
            ("claude-3-5-haiku-latest", "claude-3-5-haiku-20241022"),
            ("org/Model", "org/model"),
            ("model", "/models/model"),
            ("llama3.2", "llama3.2:latest"),
            ("m", ""),
        ] {
            assert!(same_model(asked, answered), "{asked} {answered}");
        }
        for (asked, answered) in [("gpt-4", "gpt-4o"), ("gpt-4o", "gpt-4"), ("a", "b")] {
            assert!(!same_model(asked, answered), "{asked} {answered}");
        }
    }
}
