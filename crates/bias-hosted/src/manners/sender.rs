use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::caps::{Caps, Purse, Spent};
use super::clock::Clock;
use super::pace::{LONGEST, Pace, retry_after};
use super::patience::Patience;
use crate::error::HostedError;
use crate::http::{Address, Client, Response};
use crate::wire::{Endpoint, Reply, parse};

/// Sends requests to one server: paced, patient, within limits. Threads may share it.
#[derive(Debug)]
pub struct Sender {
    client: Client,
    clock: Arc<dyn Clock>,
    pace: Pace,
    patience: Patience,
    purse: Purse,
    /// Whether the server has ever answered: until then, nobody being there does not pass.
    met: AtomicBool,
}

impl Sender {
    /// A sender with these manners.
    #[must_use]
    pub fn new(client: Client, clock: Arc<dyn Clock>, patience: Patience, caps: Caps) -> Self {
        let (pace, purse) = (Pace::default(), Purse::new(caps));
        Self { client, clock, pace, patience, purse, met: AtomicBool::new(false) }
    }

    /// What was used so far.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.purse.spent()
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.client.address()
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// When the next request may be sent.
    #[must_use]
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Sends a request until it is answered, and returns the answer and its body. `tokens` is what
    /// it may use, at most.
    ///
    /// # Errors
    /// What does not pass, at once; [`HostedError::GaveUp`] for what did not pass in time;
    /// [`HostedError::Cap`]; [`HostedError::Stopped`].
    pub fn send(
        &self,
        endpoint: Endpoint,
        body: &Value,
        tokens: u64,
    ) -> Result<(Reply, Value), HostedError> {
        let bytes = body.to_string().into_bytes();
        let (mut attempts, mut waited) = (0, Duration::ZERO);
        loop {
            self.pace.wait(&*self.clock)?;
            self.purse.take(tokens)?;
            let sent = self.client.post(endpoint.path(), &bytes);
            attempts += 1;
            let after = sent.as_ref().ok().and_then(|own| self.told(own));
            let read = sent.and_then(|own| self.read(endpoint, &own));
            let used = read.as_ref().ok().and_then(|(own, _)| own.usage);
            let used = used.map(|own| (own.prompt_tokens, own.completion_tokens));
            self.purse.settle(tokens, used, read.is_ok());
            let error = match read {
                Ok(own) => return Ok(own),
                Err(error) => error,
            };
            let alone = !self.met.load(Ordering::Relaxed);
            if !error.passes() || (alone && matches!(error, HostedError::Unreachable { .. })) {
                return Err(error);
            }
            let backoff = self.patience.backoff(attempts, self.clock.chance());
            let wait = after.map_or(backoff, |own| own.max(Duration::from_millis(1)));
            let total = waited.saturating_add(wait);
            if attempts >= self.patience.attempts || total > self.patience.waiting {
                let (url, waited) =
                    (self.client.address().endpoint(endpoint.path()), waited.as_secs());
                return Err(HostedError::GaveUp { url, attempts, waited, last: Box::new(error) });
            }
            waited = total;
            self.pace.pause(&*self.clock, wait)?;
        }
    }

    /// Heeds what the headers say; the pause that they ask for, if this request failed.
    fn told(&self, own: &Response) -> Option<Duration> {
        self.met.store(true, Ordering::Relaxed);
        self.pace.heed(&*self.clock, &own.headers);
        if own.status < 400 {
            return None;
        }
        let after = retry_after(&own.headers, self.clock.wall())?.min(LONGEST);
        if own.status == 429 {
            // It is said to one, and holds for all. Who must not wait that long will say so.
            self.pace.hold(&*self.clock, after.min(self.patience.waiting));
        }
        Some(after)
    }

    fn read(&self, endpoint: Endpoint, own: &Response) -> Result<(Reply, Value), HostedError> {
        let url = || self.client.address().endpoint(endpoint.path());
        if !(200..300).contains(&own.status) {
            return Err(self.refused(url(), own));
        }
        let odd = |reason| HostedError::Unreadable { url: url(), reason };
        let body: Value = serde_json::from_slice(&own.body).map_err(|error| {
            let start = String::from_utf8_lossy(own.body.get(..200).unwrap_or(&own.body));
            let start = crate::http::shortened(&self.client.scrubbed(&start), 80);
            odd(format!("it is no JSON ({error}): `{start}`"))
        })?;
        // Some proxies say errors with status 200.
        if let Some(error) = body.get("error").filter(|own| !own.is_null()) {
            let status =
                error.get("code").and_then(Value::as_u64).and_then(|own| own.try_into().ok());
            let body = serde_json::to_vec(&body).unwrap_or_default();
            let response = Response { status: status.unwrap_or(502), headers: Vec::new(), body };
            return Err(self.refused(url(), &response));
        }
        let reply = parse(endpoint, &body).map_err(odd)?;
        Ok((reply, body))
    }

    fn refused(&self, url: String, own: &Response) -> HostedError {
        let (message, kind) = said(&own.body);
        let message = crate::http::shortened(&self.client.scrubbed(&message), 300);
        let status = own.status;
        if status == 402 || (matches!(status, 400 | 403 | 429) && is_quota(&message, &kind)) {
            return HostedError::Quota { url, message };
        }
        match status {
            408 | 409 | 425 | 429 | 500.. => HostedError::Busy { url, status, message },
            401 | 403 if message.is_empty() => {
                let message =
                    "no key, or one that is not accepted; name its variable with --key-env";
                HostedError::Refused { url, status, message: message.into() }
            }
            _ => HostedError::Refused { url, status, message },
        }
    }
}

/// The message of an error's body, and its kind: what stands in `code` and `type`.
fn said(body: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(body).into_owned();
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return (text, String::new()) };
    let error = body.get("error").unwrap_or(&body);
    let field = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let message = match field("message") {
        "" => error.as_str().map_or(text, str::to_owned),
        message => message.to_owned(),
    };
    (message, format!("{} {}", field("code"), field("type")))
}

/// Whether an error says that no credit is left: to ask again would not help.
fn is_quota(message: &str, kind: &str) -> bool {
    let message = message.to_lowercase();
    ["insufficient_quota", "billing_hard_limit_reached", "billing_error"]
        .iter()
        .any(|own| kind.contains(own))
        || ["exceeded your current quota", "credit balance is too low", "insufficient credit"]
            .iter()
            .any(|own| message.contains(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_in_each_form() {
        let of = |body: &str| said(body.as_bytes());
        let own = of(r#"{"error": {"message": "no", "code": "insufficient_quota", "type": "x"}}"#);
        assert_eq!(own.0, "no");
        assert!(is_quota(&own.0, &own.1));
        assert_eq!(of(r#"{"error": "no"}"#).0, "no");
        assert_eq!(of(r#"{"object": "error", "message": "no", "code": 400}"#).0, "no");
        assert_eq!(of("Bad Gateway").0, "Bad Gateway");
        assert!(is_quota("Your credit balance is too low to access", ""));
        assert!(!is_quota("Rate limit reached for requests", "rate_limit_exceeded tokens"));
    }
}
