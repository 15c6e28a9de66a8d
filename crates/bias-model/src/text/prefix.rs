use std::path::Path;

use bias_chat::SpecialTokens;

use crate::error::ModelError;

/// The token that lm-evaluation-harness puts before a text without a context: the tokenizer's
/// `bos_token`, or else its `eos_token` (`HFLM.prefix_token_id`). `config.json` has no say in it.
/// `None` for a tokenizer that names neither.
///
/// `file` is the folder's `tokenizer.json`, or a GGUF file; `token_id` knows its tokens, and `rows`
/// is the number of the model's embeddings, where a model is loaded.
///
/// # Errors
/// A token that the tokenizer does not have, or for which the model has no embedding.
pub(super) fn prefix_token(
    file: &Path,
    special: &SpecialTokens,
    token_id: impl Fn(&str) -> Option<u32>,
    rows: Option<usize>,
) -> Result<Option<u32>, ModelError> {
    for name in ["bos_token", "eos_token"] {
        // As in transformers, an empty text is no token.
        let Some(token) = special.get(name).filter(|token| !token.is_empty()) else { continue };
        let id = token_id(token);
        if let Some(id) = id.filter(|id| rows.is_none_or(|rows| (*id as usize) < rows)) {
            return Ok(Some(id));
        }
        let why = match (id, rows) {
            (Some(id), Some(rows)) => {
                format!("has the id {id}, and the model has {rows} embeddings")
            }
            _ => "is none of its tokens".to_owned(),
        };
        return Err(ModelError::Config {
            path: file.into(),
            reason: format!(
                "the {name} `{token}` {why}, so that texts cannot begin with it; name another \
                 token, or null, in tokenizer_config.json"
            ),
        });
    }
    Ok(None)
}
