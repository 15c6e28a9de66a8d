use bias_ask::{AskError, Respond};

/// `exp` of the mean negative log-probability of every token but the first, over all texts
/// together. It measures the model's remaining usefulness on texts that are not about people.
/// `None` without texts of at least two tokens, or for a responder that does not report
/// log-probabilities.
///
/// # Errors
/// A text that cannot be encoded, is longer than the model's context, or a failed pass.
pub fn perplexity<R: Respond>(model: &R, texts: &[String]) -> Result<Option<f64>, AskError> {
    let log_probs = model.log_probs(texts)?.unwrap_or_default();
    let (sum, count) =
        log_probs.iter().flatten().fold((0.0, 0usize), |(sum, count), p| (sum + p, count + 1));
    Ok((count > 0).then(|| (-sum / count as f64).exp()))
}
