//! Neutral texts as answers to their first tokens.

use bias_probe::Sequence;
use bias_types::TokenRole;

use crate::contrast::prompt_case::{PossibleAnswer, PromptCase};
use crate::error::AttribError;

/// A text as the only answer to its first token. Its last token is predicted and never run.
///
/// # Errors
/// [`AttribError::ShortNeutral`] for a text without a second.
pub(crate) fn as_answer(index: usize, text: &Sequence) -> Result<PromptCase, AttribError> {
    let [first, rest @ ..] = text.tokens() else {
        return Err(AttribError::ShortNeutral { index, tokens: 0 });
    };
    if rest.is_empty() {
        return Err(AttribError::ShortNeutral { index, tokens: 1 });
    }
    let prompt = Sequence::chain(vec![*first], vec![TokenRole::Prompt])?;
    let answer = PossibleAnswer {
        tokens: rest.to_vec(),
        finished: true,
        weight: 1.0,
        ..PossibleAnswer::default()
    };
    Ok(PromptCase::new(prompt, vec![answer]))
}
