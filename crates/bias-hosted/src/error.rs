//! Errors of asking a hosted model.

use std::path::PathBuf;

use thiserror::Error;

/// An error between a question and a server's answer. No message contains a key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HostedError {
    /// An address that cannot be asked.
    #[error("the address `{url}` {reason}")]
    Address {
        /// The address as it was given, without credentials.
        url: String,
        /// The reason, and what to write instead.
        reason: String,
    },
    /// The environment variable that should hold the key is not set.
    #[error(
        "no key for {url}: the environment variable {variable} is not set; set it, or name another one"
    )]
    NoKey {
        /// The address.
        url: String,
        /// The variable.
        variable: String,
    },
    /// A key that cannot be sent as a header.
    #[error(
        "the key in the environment variable {variable} is empty or has spaces, line breaks or other characters that no \
         key has; set it again"
    )]
    BadKey {
        /// The variable.
        variable: String,
    },
    /// Nobody answers at the address.
    #[error("nobody answers at {url}: {reason}; check the address, and that the server runs")]
    Unreachable {
        /// The address.
        url: String,
        /// The reason.
        reason: String,
    },
    /// The server's certificate does not verify, or TLS fails otherwise.
    #[error(
        "no trusted connection to {url}: {reason}; a certificate that does not verify is refused, and nothing was sent"
    )]
    Tls {
        /// The address.
        url: String,
        /// The reason.
        reason: String,
    },
    /// The server took too long.
    #[error("{url} did not answer in time ({reason}); raise the time limit, or ask fewer at once")]
    Timeout {
        /// The address.
        url: String,
        /// Which limit.
        reason: String,
    },
    /// The connection ended within a response.
    #[error("the connection to {url} broke within an answer: {reason}")]
    Cut {
        /// The address.
        url: String,
        /// The reason.
        reason: String,
    },
    /// A response that is larger than any answer can be.
    #[error(
        "the answer of {url} is larger than {limit} bytes; this is not an answer to what was asked"
    )]
    TooLarge {
        /// The address.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// A redirect, which is not followed.
    #[error(
        "{url} redirects to `{to}`; the key is not sent along. If that is the right server, give its address"
    )]
    Redirect {
        /// The address.
        url: String,
        /// The place that it points to.
        to: String,
    },
    /// The server refuses the request, and would refuse it again.
    #[error("{url} refuses (status {status}): {message}")]
    Refused {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the server says, shortened.
        message: String,
    },
    /// The server cannot answer now (status 408, 409, 425, 429, 5xx).
    #[error("{url} cannot answer now (status {status}): {message}")]
    Busy {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the server says, shortened.
        message: String,
    },
    /// The account has no credit left.
    #[error(
        "the quota at {url} is used up: {message}; every answer so far is in the record, so a later run goes on here"
    )]
    Quota {
        /// The address.
        url: String,
        /// What the server says, shortened.
        message: String,
    },
    /// All attempts failed.
    #[error("gave up {url} after {attempts} attempts and {waited} s of waiting")]
    GaveUp {
        /// The address.
        url: String,
        /// How often it was tried.
        attempts: u32,
        /// How long was waited between the attempts, in seconds.
        waited: u64,
        /// What the last attempt said.
        #[source]
        last: Box<HostedError>,
    },
    /// A response that is not what the protocol says.
    #[error("the answer of {url} cannot be read: {reason}; is --protocol right?")]
    Unreadable {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another model answers.
    #[error(
        "asked for the model `{asked}`, and `{answered}` answers; name the model as the server names it"
    )]
    OtherModel {
        /// The model that was asked for.
        asked: String,
        /// The model that the response names.
        answered: String,
    },
    /// A limit of the run is reached.
    #[error(
        "{what} would exceed {limit} ({used} used); every answer so far is in the record: raise the limit and run again \
         to go on"
    )]
    Cap {
        /// Requests or tokens.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// How many were used.
        used: u64,
    },
    /// What cannot be asked of this server.
    #[error("{what}: {reason}")]
    Cannot {
        /// What was asked for.
        what: String,
        /// Why it cannot be done, and what can.
        reason: String,
    },
    /// Another question failed, so that this one was not asked.
    #[error("stopped, because another question failed")]
    Stopped,
    /// A record that cannot be read or written.
    #[error("the record {}: {source}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A record of something else.
    #[error(
        "the record {} is of {what} `{found}`, and this run is of `{expected}`; name another file with --record", path.display()
    )]
    OtherRecord {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the file says.
        found: String,
        /// What this run says.
        expected: String,
    },
    /// A record with a line that is no response.
    #[error("line {line} of the record {} cannot be read: {reason}; restore the file, or name another one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl HostedError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Timeout { .. }
                | Self::Cut { .. }
                | Self::Busy { .. }
                | Self::Unreadable { .. }
        )
    }
}
