use std::collections::BTreeMap;

/// The special tokens of a tokenizer. Templates know them by these names; all others are undefined
/// in a template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens(BTreeMap<String, String>);

impl SpecialTokens {
    /// The token that begins a text.
    #[must_use]
    pub fn bos(self, token: impl Into<String>) -> Self {
        self.with("bos_token", token)
    }

    /// The token that ends a text or a turn.
    #[must_use]
    pub fn eos(self, token: impl Into<String>) -> Self {
        self.with("eos_token", token)
    }

    /// Any other special token, by its name in tokenizer files, such as `pad_token`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, token: impl Into<String>) -> Self {
        self.0.insert(name.into(), token.into());
        self
    }

    /// The token of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names and their tokens.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, token)| (name.as_str(), token.as_str()))
    }
}
