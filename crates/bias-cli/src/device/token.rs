//! What a client must know to compute at a server.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};

/// The environment variable that holds the token of a server, for the server and for its clients.
pub const TOKEN_VARIABLE: &str = "BIAS_SERVE_TOKEN";

/// What a client must know to compute at a server: 16 to 128 letters, digits, `-` or `_`. Its
/// `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// 128 bits from the system.
    ///
    /// # Errors
    /// A system that has no randomness to give.
    pub fn random() -> Result<Self, String> {
        let mut bytes = [0; 16];
        let given = OsRng.try_fill_bytes(&mut bytes);
        given.map_err(|error| format!("the system gives no random numbers: {error}"))?;
        Ok(Self(HEXLOWER.encode(&bytes)))
    }

    /// The token that the environment names.
    ///
    /// # Errors
    /// A value that is no token.
    pub fn from_environment() -> Result<Option<Self>, String> {
        let named = std::env::var_os(TOKEN_VARIABLE).filter(|value| !value.is_empty());
        let named = named.map(|value| value.to_string_lossy().parse());
        named.transpose().map_err(|error: String| format!("{TOKEN_VARIABLE}: {error}"))
    }

    /// The token as it is, to be told to somebody.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether a text is this token. The time that this takes says nothing about the token.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        Sha256::digest(&self.0) == Sha256::digest(text)
    }
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |own: u8| own.is_ascii_alphanumeric() || own == b'-' || own == b'_';
        if (16..=128).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a token has 16 to 128 letters, digits, - or _".into())
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_hard_to_guess_and_not_shown() {
        let [one, other] = [(); 2].map(|()| Token::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), 32);
        assert!(one.is(one.reveal()) && !one.is(other.reveal()) && !one.is(""));
        assert!(!format!("{one:?}").contains(one.reveal()));
        assert_eq!(one.reveal().parse::<Token>().unwrap(), one);
        for wrong in
            ["", "short", "with/a/slash/of/its/own", "mit Umlaut: äöüäöüäöü", &"x".repeat(129)]
        {
            assert!(wrong.parse::<Token>().is_err(), "{wrong}");
        }
    }
}
