use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::http::Address;
use crate::wire::Endpoint;

/// What identifies a request: SHA-256 over the address, the body, the stream of random
/// numbers that the question draws with, and the number of the draw. The last two tell requests with
/// the same body apart where a server takes no seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Name(pub [u8; 32]);

impl Name {
    pub fn of(address: &Address, endpoint: Endpoint, body: &Value, stream: u64, draw: u32) -> Self {
        let url = address.endpoint(endpoint.path());
        let mut hash = Sha256::new();
        let body = body.to_string();
        for part in [url.as_bytes(), body.as_bytes(), &stream.to_le_bytes(), &draw.to_le_bytes()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// Its first half.
    pub fn half(&self) -> [u8; 16] {
        let [half @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.0;
        half
    }

    /// In hexadecimal digits.
    pub fn text(&self) -> String {
        bias_files::hex(&self.0)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut own = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (i, byte) in own.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
        }
        Some(Self(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Answers are kept under these names, which must never change.
    #[test]
    fn names_are_stable() {
        let address = Address::parse("http://localhost:8000").unwrap();
        let of = |body: Value, draw| Name::of(&address, Endpoint::Chat, &body, 5, draw).text();
        let own = of(json!({"model": "m"}), 0);
        assert_eq!(own, "ddf6623507f518285ac93b647b221eb59c6f18146ef688653d18923b14f6dd22");
        assert_ne!(own, of(json!({"model": "m"}), 1));
        assert_ne!(own, of(json!({"model": "n"}), 0));
        assert_eq!(Name::parse(&own).unwrap().text(), own);
        assert!(Name::parse("zz").is_none() && Name::parse(&"é".repeat(32)).is_none());
    }
}
