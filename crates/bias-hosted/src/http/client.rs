use std::error::Error as _;
use std::io::{ErrorKind, Read as _};
use std::time::Duration;

use ureq::http::header::{HeaderName, HeaderValue, LOCATION};
use ureq::{Agent, Error};

use super::address::Address;
use super::key::Key;
use crate::error::HostedError;

/// How long to wait for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, with its name and TLS.
    pub connect: Duration,
    /// From the sent request to the end of the answer.
    pub answer: Duration,
}

impl Default for Timeouts {
    /// 15 seconds for a connection, 5 minutes for an answer.
    fn default() -> Self {
        Self { connect: Duration::from_secs(15), answer: Duration::from_secs(300) }
    }
}

/// The most bytes of a response, after decompression. An answer of a thousand tokens has 10 MB
/// with a hundred alternatives of about 100 bytes each, so 32 MiB are plenty.
pub(crate) const MOST_BYTES: u64 = 32 << 20;
/// The most bytes of an error's page that are looked at.
const MOST_OF_ERROR: u64 = 64 << 10;

/// What a server said.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers that speak of limits: names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed.
    pub body: Vec<u8>,
}

/// Sends requests to one server. Threads may share it.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    address: Address,
    key: Option<Key>,
    /// What authorizes, besides the key's own header.
    version: Option<(&'static str, &'static str)>,
}

impl Client {
    /// A client for an address. `connections` is the most that are kept open.
    #[must_use]
    pub fn new(
        address: Address,
        key: Option<Key>,
        anthropic: bool,
        timeouts: Timeouts,
        connections: usize,
    ) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .timeout_resolve(Some(timeouts.connect))
            .timeout_connect(Some(timeouts.connect))
            .timeout_global(Some(timeouts.connect + timeouts.answer))
            .user_agent(concat!("bias/", env!("CARGO_PKG_VERSION")));
        // What stays on this machine goes through no proxy.
        let config = if address.is_here() { config.proxy(None) } else { config };
        let version = anthropic.then_some(("anthropic-version", "2023-06-01"));
        Self { agent: config.build().new_agent(), address, key, version }
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends one request and returns what comes back, whatever its status.
    ///
    /// # Errors
    /// A connection that fails or breaks, a certificate that does not verify, a redirect, an answer
    /// that comes too late or is too large.
    pub fn post(&self, endpoint: &str, body: &[u8]) -> Result<Response, HostedError> {
        let url = self.address.endpoint(endpoint);
        let mut request = self.agent.post(&url).header("content-type", "application/json");
        if let Some(key) = &self.key {
            let (name, value) = match self.version {
                Some(_) => ("x-api-key", key.secret().to_owned()),
                None => ("authorization", format!("Bearer {}", key.secret())),
            };
            // A sensitive header is left out of what the HTTP library logs.
            if let (Ok(name), Ok(mut value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                value.set_sensitive(true);
                request = request.header(name, value);
            }
        }
        if let Some((name, value)) = self.version {
            request = request.header(name, value);
        }
        let mut response = request.send(body).map_err(|error| self.failed(&url, error))?;
        let status = response.status().as_u16();
        if response.status().is_redirection() {
            let to =
                response.headers().get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()));
            let to = shortened(&self.scrubbed(&to.unwrap_or_default()), 200);
            return Err(HostedError::Redirect { url, to });
        }
        let told = |name: &str| {
            name.starts_with("retry-after")
                || name.starts_with("x-ratelimit-")
                || name.starts_with("anthropic-ratelimit-")
        };
        let headers = response.headers().iter().filter(|(name, _)| told(name.as_str()));
        let headers = headers
            .filter_map(|(name, value)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.into()))
            })
            .collect();
        let success = response.status().is_success();
        let most = if success { MOST_BYTES } else { MOST_OF_ERROR };
        let mut own = Vec::new();
        let reader = response.body_mut().with_config().limit(most * 2).reader();
        match reader.take(most + 1).read_to_end(&mut own) {
            Ok(_) if own.len() as u64 > most && success => {
                return Err(HostedError::TooLarge { url, limit: most });
            }
            Ok(_) => {}
            // The status of an error says enough.
            Err(_) if !success => {}
            Err(error) => return Err(self.broken(&url, error)),
        }
        Ok(Response { status, headers, body: own })
    }

    /// A server's message without the key.
    pub(crate) fn scrubbed(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.scrubbed(text))
    }

    fn failed(&self, url: &str, error: Error) -> HostedError {
        let url = url.to_owned();
        match error {
            Error::Timeout(own @ (ureq::Timeout::Connect | ureq::Timeout::Resolve)) => {
                HostedError::Unreachable { url, reason: format!("no connection in time ({own})") }
            }
            Error::Timeout(own) => HostedError::Timeout { url, reason: own.to_string() },
            Error::HostNotFound => {
                HostedError::Unreachable { url, reason: "there is no such host".into() }
            }
            Error::ConnectionFailed => {
                HostedError::Unreachable { url, reason: "no connection".into() }
            }
            Error::Io(error) => self.broken(&url, error),
            Error::Tls(reason) => HostedError::Tls { url, reason: reason.into() },
            Error::Rustls(error) => HostedError::Tls { url, reason: error.to_string() },
            Error::Protocol(error) => HostedError::Cut { url, reason: error.to_string() },
            Error::Http(_) | Error::BadUri(_) => HostedError::Address {
                url,
                reason: "cannot be asked; write it as https://HOST/v1".into(),
            },
            other => HostedError::Cut { url, reason: self.scrubbed(&other.to_string()) },
        }
    }

    fn broken(&self, url: &str, error: std::io::Error) -> HostedError {
        let url = url.to_owned();
        let inner = error.get_ref().and_then(|own| own.downcast_ref::<Error>());
        if let Some(Error::Timeout(own)) = inner {
            return HostedError::Timeout { url, reason: own.to_string() };
        }
        // rustls hands its errors on as errors of reading.
        let text = error.to_string();
        let tls = ["certificate", "TLS", "tls", "handshake", "corrupt message"];
        let is_tls = error.kind() == ErrorKind::InvalidData || error.source().is_some();
        if is_tls && tls.iter().any(|word| text.contains(word)) {
            return HostedError::Tls { url, reason: text };
        }
        // The standard library has no kind for it.
        if text.contains("lookup address") {
            return HostedError::Unreachable { url, reason: text };
        }
        match error.kind() {
            ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::AddrNotAvailable => HostedError::Unreachable { url, reason: text },
            ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                HostedError::Timeout { url, reason: text }
            }
            _ => HostedError::Cut { url, reason: self.scrubbed(&text) },
        }
    }
}

/// The beginning of a text, on one line.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    match line.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}
