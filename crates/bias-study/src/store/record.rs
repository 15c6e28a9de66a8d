//! A finished piece in its file: with the hash of its own content, so that a change is noticed
//! whoever reads it next.

use std::path::Path;

use bias_files::hex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::StudyError;

/// The content of a file in `pieces/`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record<T> {
    /// [`Provenance::id`](super::Provenance::id) of the study.
    pub study: String,
    /// The [`Piece`](super::Piece).
    pub piece: serde_json::Value,
    pub content: T,
}

/// A file begins with this, the hash in 64 digits, and a quote and a comma. The hash is that of
/// everything behind them.
const BEGIN: &[u8] = br#"{"sha256":""#;
const DIGITS: usize = 64;

impl<T: Serialize> Record<T> {
    /// The bytes of its file.
    pub(super) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let json = serde_json::to_vec(self)?;
        // The brace that opens the object stands before the hash.
        let rest = json.strip_prefix(b"{").unwrap_or(&json);
        Ok([BEGIN, hash(rest).as_bytes(), b"\",", rest].concat())
    }
}

impl<T: DeserializeOwned> Record<T> {
    /// The record in the bytes of a file.
    ///
    /// # Errors
    /// [`StudyError::Damaged`] for bytes without the hash, with that of others, or that are no
    /// record.
    pub(crate) fn of_bytes(path: &Path, bytes: &[u8]) -> Result<Self, StudyError> {
        let damaged = |reason: String| StudyError::Damaged { path: path.into(), reason };
        let parts = bytes.strip_prefix(BEGIN).and_then(|rest| rest.split_at_checked(DIGITS));
        let Some((known, rest)) =
            parts.and_then(|(known, rest)| Some((known, rest.strip_prefix(b"\",")?)))
        else {
            return Err(damaged("it does not begin with the hash of its content".into()));
        };
        if hash(rest).as_bytes() != known {
            return Err(damaged("its content does not match its own hash".into()));
        }
        serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))
    }
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_byte_is_noticed() {
        let record =
            Record { study: "ab".into(), piece: serde_json::json!({"tested": 1}), content: 0.5 };
        let bytes = record.to_bytes().unwrap();
        let read = |bytes: &[u8]| Record::<f64>::of_bytes(Path::new("pieces/a.json"), bytes);
        let own = read(&bytes).unwrap();
        assert_eq!((own.study, own.piece, own.content), (record.study, record.piece, 0.5));
        // Others read it as JSON.
        assert!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["sha256"].is_string());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let error = read(&changed).unwrap_err().to_string();
            assert!(error.contains("pieces/a.json") && error.contains("delete it"), "{error}");
            assert!(read(&bytes[..at]).is_err(), "cut at {at}");
        }
        let old = serde_json::to_vec(&serde_json::json!({"study": "ab", "content": 0.5})).unwrap();
        let error = read(&old).unwrap_err().to_string();
        assert!(error.contains("does not begin with the hash"), "{error}");
    }
}
