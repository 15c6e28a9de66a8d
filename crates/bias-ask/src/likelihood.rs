//! The log-probability of a text's tokens.

use bias_probe::device::{LOGITS_AT_ONCE, read_back, to_f32};
use bias_probe::{HookedModel, NoObserver, Sequence, TokenBatch};
use burn::tensor::activation::log_softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use crate::error::AskError;

/// The number of texts that run together.
const ROWS: usize = 8;

/// The log-probability in nats of every token but the first, given the tokens before it, for each
/// text.
///
/// # Errors
/// A text longer than the model's context, or a failed pass.
pub fn token_log_probs<B: Backend, M: HookedModel<B> + ?Sized>(
    model: &M,
    texts: &[Sequence],
) -> Result<Vec<Vec<f64>>, AskError> {
    let mut found = Vec::with_capacity(texts.len());
    for chunk in texts.chunks(ROWS) {
        let batch = TokenBatch::new(chunk)?;
        let (rows, width) = (batch.rows(), batch.width());
        let hidden = model.hidden(&batch, &mut NoObserver)?;
        let (vocab, device) = (model.dims().vocab, hidden.device());
        let mut targets = vec![0i32; rows * width];
        for (row, sequence) in chunk.iter().enumerate() {
            for (i, &token) in sequence.tokens().iter().enumerate().skip(1) {
                targets[row * width + i - 1] = token as i32;
            }
        }
        let d_model = hidden.dims()[2];
        let hidden = hidden.reshape([rows * width, d_model]);
        // Of a large vocabulary, all places' logits together would be gigabytes.
        let at_once = (LOGITS_AT_ONCE / vocab.max(1)).max(1);
        let mut log_p: Vec<f32> = Vec::with_capacity(rows * width);
        for (first, targets) in (0..).step_by(at_once).zip(targets.chunks(at_once)) {
            let places = hidden.clone().narrow(0, first, targets.len()).unsqueeze_dim(0);
            let logits = model.unembed(places)?.reshape([targets.len(), vocab]);
            let targets: Tensor<B, 2, Int> =
                Tensor::from_data(TensorData::new(targets.to_vec(), [targets.len(), 1]), &device);
            let own = read_back(log_softmax(to_f32(logits), 1).gather(1, targets));
            log_p.extend(
                own.map_err(|reason| AskError::Readback { what: "log-probabilities", reason })?,
            );
        }
        let own = log_p.chunks_exact(width).zip(chunk);
        found.extend(
            own.map(|(row, text)| row[..text.len() - 1].iter().map(|p| f64::from(*p)).collect()),
        );
    }
    Ok(found)
}
