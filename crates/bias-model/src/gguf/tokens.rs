use super::Gguf;

pub(super) const TOKENS: &str = "tokenizer.ggml.tokens";
pub(super) const MERGES: &str = "tokenizer.ggml.merges";

/// `tokenizer.ggml.token_type` of what is matched whole and left out of texts, and of what is only matched
/// whole.
pub(super) const CONTROL: i64 = 3;
pub(super) const USER_DEFINED: i64 = 4;

/// A vocabulary as it is in the metadata: one text per id.
pub(super) struct Tokens<'a> {
    pub gguf: &'a Gguf,
    pub texts: &'a [String],
    pub kinds: Vec<i64>,
}

impl Tokens<'_> {
    pub(super) fn kind(&self, id: usize) -> i64 {
        self.kinds.get(id).copied().unwrap_or_default()
    }

    /// Whether a token is matched whole wherever it stands in a text.
    pub(super) fn is_added(&self, id: usize) -> bool {
        matches!(self.kind(id), CONTROL | USER_DEFINED)
    }
}
