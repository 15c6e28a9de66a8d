use std::net::IpAddr;

use ureq::http::Uri;

use crate::error::HostedError;

/// The address of a server's interface: scheme, host, perhaps a port, and the path before
/// `/chat/completions`. Without a path it is `/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    host: String,
    https: bool,
}

impl Address {
    /// Reads an address such as `https://api.openai.com/v1` or `http://localhost:8000`.
    ///
    /// # Errors
    /// [`HostedError::Address`] for what is no address of HTTP, and for one with a name and password,
    /// a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, HostedError> {
        // What stands before an @ may be a secret.
        let shown = match text.rsplit_once('@') {
            Some((_, host)) => format!("…@{host}"),
            None => text.to_owned(),
        };
        let bad = |reason: &str| HostedError::Address { url: shown.clone(), reason: reason.into() };
        let uri: Uri = text
            .parse()
            .map_err(|_| bad("is none; write it as https://HOST/v1 or http://HOST:PORT/v1"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(bad("has no scheme or host; write it as https://HOST/v1"));
        };
        if !matches!(scheme, "http" | "https") {
            return Err(bad("is not of HTTP; write it as https://HOST/v1"));
        }
        if authority.as_str().contains('@') {
            return Err(bad(
                "contains a name or password; put the key into an environment variable and name that",
            ));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(bad("has a query or a fragment; give it up to the path, such as /v1"));
        }
        if authority.host().is_empty() {
            return Err(bad("has no host; write it as https://HOST/v1"));
        }
        // A port that is no number would be passed over, and the key sent to the usual one.
        let behind = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        let port = authority.port_u16().filter(|port| *port > 0).map(|port| format!(":{port}"));
        if behind != port.unwrap_or_default() {
            return Err(bad(
                "has no port of 1 to 65535 behind its host; write it as http://HOST:PORT/v1",
            ));
        }
        let path = match uri.path().trim_end_matches('/') {
            "" => "/v1",
            path => path,
        };
        for end in ["/chat/completions", "/completions", "/messages"] {
            if path.ends_with(end) {
                return Err(bad("names an endpoint; give it up to the version, such as /v1"));
            }
        }
        Ok(Self {
            text: format!("{scheme}://{authority}{path}"),
            host: authority.host().trim_matches(['[', ']']).to_ascii_lowercase(),
            https: scheme == "https",
        })
    }

    /// The address of an endpoint, such as `chat/completions`.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}/{path}", self.text)
    }

    /// The address as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, in small letters.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is this machine.
    #[must_use]
    pub fn is_here(&self) -> bool {
        let own = self.host.parse::<IpAddr>();
        self.host == "localhost" || own.is_ok_and(|own| own.is_loopback())
    }

    /// Whether a key may be sent there: encrypted, or not leaving this machine.
    #[must_use]
    pub fn keeps_secrets(&self) -> bool {
        self.https || self.is_here()
    }

    /// The environment variable in which the users of this host usually keep their key. Other hosts
    /// get no key that was not named for them.
    #[must_use]
    pub fn usual_key(&self) -> Option<&'static str> {
        match self.host.as_str() {
            "api.openai.com" => Some("OPENAI_API_KEY"),
            "api.anthropic.com" => Some("ANTHROPIC_API_KEY"),
            "api.mistral.ai" => Some("MISTRAL_API_KEY"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_up_to_the_version() {
        for (text, endpoint) in [
            ("http://localhost:8000", "http://localhost:8000/v1/completions"),
            ("http://localhost:8000/", "http://localhost:8000/v1/completions"),
            ("https://api.openai.com/v1/", "https://api.openai.com/v1/completions"),
            ("http://[::1]:80/openai/v1", "http://[::1]:80/openai/v1/completions"),
        ] {
            assert_eq!(Address::parse(text).unwrap().endpoint("completions"), endpoint);
        }
        let here = |text: &str| Address::parse(text).unwrap().is_here();
        assert!(here("http://127.0.0.1:1") && here("http://[::1]:1") && here("http://LOCALHOST"));
        assert!(!here("http://127.0.0.1.example.com") && !here("http://example.com"));
        let own = Address::parse("http://example.com").unwrap();
        assert!(!own.keeps_secrets() && own.usual_key().is_none());
        let own = Address::parse("https://API.openai.com").unwrap();
        assert!(own.keeps_secrets() && own.usual_key() == Some("OPENAI_API_KEY"));
    }

    #[test]
    fn other_addresses_are_refused_without_showing_a_secret() {
        for (text, reason) in [
            ("", "is none"),
            ("localhost:8000", "no scheme"),
            ("ftp://host", "not of HTTP"),
            ("https://me:secret@host/v1", "name or password"),
            ("https://host/v1?key=1", "query"),
            ("http://127.0.0.1:99999/v1", "no port"),
            ("http://host:080/v1", "no port"),
            ("http://host:0/v1", "no port"),
            ("http://[::1]:65536/v1", "no port"),
            ("http://host:/v1", "no port"),
            ("https://host/v1/chat/completions", "up to the version"),
            ("http:///v1", "is none"),
            ("http://host name", "is none"),
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
