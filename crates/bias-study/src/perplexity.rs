use bias_core::TokenRole;
use bias_model::{LanguageModel, ModelError};
use bias_probe::{HookedModel as _, NoObserver, Sequence, TokenBatch};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

/// Texts run together.
const ROWS: usize = 8;

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
    let (mut nll, mut count) = (0.0, 0usize);
    for chunk in sequences.chunks(ROWS) {
        let batch = TokenBatch::new(chunk)?;
        let (rows, width) = (batch.rows(), batch.width());
        let logits = model.model().logits(&batch, &mut NoObserver)?;
        let (vocab, device) = (logits.dims()[2], logits.device());
        let mut targets = vec![0i32; rows * width];
        for (row, sequence) in chunk.iter().enumerate() {
            for (i, &token) in sequence.tokens().iter().enumerate().skip(1) {
                targets[row * width + i - 1] = token as i32;
            }
        }
        let targets: Tensor<B, 2, Int> =
            Tensor::from_data(TensorData::new(targets, [rows * width, 1]), &device);
        let log_p = log_softmax(logits.reshape([rows * width, vocab]), 1).gather(1, targets);
        let log_p = log_p
            .into_data()
            .convert::<f32>()
            .to_vec::<f32>()
            .map_err(|e| ModelError::Readback { what: "log-probabilities", reason: format!("{e:?}") })?;
        for (row, sequence) in log_p.chunks_exact(width).zip(chunk) {
            let own = &row[..sequence.len() - 1];
            nll -= own.iter().map(|p| f64::from(*p)).sum::<f64>();
            count += own.len();
        }
    }
    Ok((count > 0).then(|| (nll / count as f64).exp()))
}
