use bias_model::{LanguageModel, ModelError};
use bias_probe::Sequence;
use bias_types::TokenRole;
use burn::tensor::backend::Backend;

use super::log_probs::token_log_probs;

/// `exp` of the mean negative log-probability of every token but the first, over all
/// texts together: what is left of the model's usefulness when it is not asked about
/// anybody. `None` without texts of at least two tokens.
///
/// # Errors
/// A text that cannot be encoded, is longer than the model's context, or a failed pass.
pub fn perplexity<B: Backend>(model: &LanguageModel<B>, texts: &[String]) -> Result<Option<f64>, ModelError> {
    let mut sequences = Vec::new();
    for text in texts {
        let tokens = model.text().plain(text)?.tokens().to_vec();
        if tokens.len() > 1 {
            let roles = vec![TokenRole::Prompt; tokens.len()];
            sequences.push(Sequence::chain(tokens, roles)?);
        }
    }
    let log_probs = token_log_probs(model, &sequences)?;
    let (sum, count) = log_probs.iter().flatten().fold((0.0, 0usize), |(sum, count), p| (sum + p, count + 1));
    Ok((count > 0).then(|| (-sum / count as f64).exp()))
}
