use serde::de::DeserializeOwned;
use serde_json::Value;
use tokenizers::models::bpe::Merges;

use super::file::Gguf;
use crate::error::ModelError;

pub(super) const TOKENS: &str = "tokenizer.ggml.tokens";
pub(super) const MERGES: &str = "tokenizer.ggml.merges";

/// Values of `tokenizer.ggml.token_type`: tokens that are matched whole and left out of texts, and
/// tokens that are only matched whole.
pub(super) const CONTROL: i64 = 3;
pub(super) const USER_DEFINED: i64 = 4;

/// The vocabulary in the metadata: one text per id.
pub(super) struct Tokens<'a> {
    pub gguf: &'a Gguf,
    pub texts: &'a [String],
    pub kinds: Vec<i64>,
}

impl Tokens<'_> {
    pub(super) fn kind(&self, id: usize) -> i64 {
        self.kinds.get(id).copied().unwrap_or_default()
    }

    /// Whether a token is matched whole wherever it occurs in a text.
    pub(super) fn is_added(&self, id: usize) -> bool {
        matches!(self.kind(id), CONTROL | USER_DEFINED)
    }
}

impl Gguf {
    /// A part of a tokenizer, from its form in a `tokenizer.json`.
    pub(super) fn part<T: DeserializeOwned>(&self, json: Value) -> Result<T, ModelError> {
        serde_json::from_value(json).map_err(|e| self.tokenizer_error(&e.into()))
    }

    pub(crate) fn tokenizer_error(&self, error: &tokenizers::Error) -> ModelError {
        ModelError::Tokenizer {
            path: self.path().into(),
            reason: error.to_string().chars().take(200).collect(),
        }
    }

    /// The merges that the file lists, best first.
    pub(super) fn merges(&self) -> Result<Option<Merges>, ModelError> {
        let pair = |merge: &String| match merge.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => Ok((left.to_owned(), right.to_owned())),
            _ => {
                let shown: String = merge.escape_debug().take(80).collect();
                Err(self.odd(MERGES, "pairs of tokens", format!("`{shown}`")))
            }
        };
        self.texts(MERGES)?.map(|list| list.iter().map(pair).collect()).transpose()
    }

    /// A list with one item per token.
    pub(super) fn as_many<T>(
        &self,
        key: &str,
        list: Option<impl AsRef<[T]>>,
        tokens: usize,
    ) -> Result<Option<Vec<T>>, ModelError>
    where
        T: Clone,
    {
        match list {
            Some(list) if list.as_ref().len() != tokens => {
                let (found, expected) =
                    (list.as_ref().len(), format!("a list of {tokens}, one for each token"));
                Err(self.odd(key, &expected, format!("a list of {found}")))
            }
            list => Ok(list.map(|list| list.as_ref().to_vec())),
        }
    }
}
