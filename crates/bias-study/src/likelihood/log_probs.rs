use bias_ask::{Answering, AskError};
use bias_model::LanguageModel;
use bias_probe::Sequence;
use burn::tensor::backend::Backend;

/// Log-probability in nats of every token but the first, given those before it, text by text.
///
/// # Errors
/// A text longer than the model's context, or a failed pass.
pub fn token_log_probs<B: Backend, M: Answering<B>, T>(
    model: &LanguageModel<B, M, T>,
    texts: &[Sequence],
) -> Result<Vec<Vec<f64>>, AskError> {
    bias_ask::likelihood::token_log_probs(model.model(), texts)
}
