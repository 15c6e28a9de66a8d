use bias_model::{LanguageModel, ModelError};
use bias_probe::device::wide;
use bias_probe::{HookedModel as _, NoObserver, Sequence, TokenBatch};
use burn::tensor::activation::log_softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

/// Texts run together.
const ROWS: usize = 8;

/// Log-probability in nats of every token but the first, given those before it, text by text.
///
/// # Errors
/// A text longer than the model's context, or a failed pass.
pub fn token_log_probs<B: Backend>(
    model: &LanguageModel<B>,
    texts: &[Sequence],
) -> Result<Vec<Vec<f64>>, ModelError> {
    let mut found = Vec::with_capacity(texts.len());
    for chunk in texts.chunks(ROWS) {
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
        let log_p = log_softmax(wide(logits).reshape([rows * width, vocab]), 1).gather(1, targets);
        let log_p = log_p
            .into_data()
            .convert::<f32>()
            .into_vec::<f32>()
            .map_err(|e| ModelError::Readback { what: "log-probabilities", reason: format!("{e:?}") })?;
        let own = log_p.chunks_exact(width).zip(chunk);
        found.extend(own.map(|(row, text)| row[..text.len() - 1].iter().map(|p| f64::from(*p)).collect()));
    }
    Ok(found)
}
