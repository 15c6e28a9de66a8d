use std::env;
use std::fmt;

use super::address::Address;
use crate::error::HostedError;

/// A secret that is sent to a server and never shown: not by `Debug`, and not in errors.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What stands where a key was.
const SHOWN: &str = "[key]";

impl Key {
    /// The key of an environment variable.
    ///
    /// # Errors
    /// [`HostedError::NoKey`], [`HostedError::BadKey`].
    pub fn of_environment(variable: &str, address: &Address) -> Result<Self, HostedError> {
        let value = env::var_os(variable).ok_or_else(|| HostedError::NoKey {
            url: address.as_str().into(),
            variable: variable.into(),
        })?;
        let bad = || HostedError::BadKey { variable: variable.into() };
        Self::new(&value.into_string().map_err(|_| bad())?).ok_or_else(bad)
    }

    /// A key from elsewhere. `None` if it cannot stand in a header.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.into()))
    }

    /// The key for an address: of the variable that was named, or else of the one that is usual for
    /// this host. Hosts that are not known get none.
    ///
    /// # Errors
    /// As [`of_environment`](Self::of_environment); [`HostedError::Address`] where the key would be
    /// sent unencrypted to another machine.
    pub fn for_address(
        address: &Address,
        variable: Option<&str>,
    ) -> Result<Option<Self>, HostedError> {
        let Some(variable) = variable.or_else(|| address.usual_key()) else { return Ok(None) };
        let key = Self::of_environment(variable, address)?;
        if !address.keeps_secrets() {
            let reason =
                "would get the key unencrypted over the network; use https, or name no key";
            let url = address.as_str().into();
            return Err(HostedError::Address { url, reason: reason.into() });
        }
        Ok(Some(key))
    }

    /// The key itself, for a header.
    pub(super) fn secret(&self) -> &str {
        &self.0
    }

    /// The text without the key: some servers repeat it in their errors.
    #[must_use]
    pub fn scrubbed(&self, text: &str) -> String {
        let text = text.replace(&self.0, SHOWN);
        // A part of it is shown by some, such as `sk-ab****yz`; the beginning alone tells much.
        match self.0.get(..self.0.len() / 2).filter(|half| half.len() >= 8) {
            Some(half) => text.replace(half, SHOWN),
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        let key = Key::new(" sk-1234567890abcdef\n").unwrap();
        assert_eq!(format!("{key:?}"), "Key(…)");
        let said = "Incorrect API key provided: sk-1234567890abcdef (or sk-1234567****)";
        let scrubbed = key.scrubbed(said);
        assert!(!scrubbed.contains("sk-1"), "{scrubbed}");
        for bad in ["", "  ", "a b", "a\u{7f}b", "ключ"] {
            assert!(Key::new(bad).is_none(), "{bad}");
        }
    }
}
