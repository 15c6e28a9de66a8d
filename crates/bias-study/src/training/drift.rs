use bias_probe::device::{LOGITS_AT_ONCE, to_f32};
use bias_probe::{HookedModel, NoObserver, Observer, ProbeError, Sequence, TokenBatch};
use burn::tensor::activation::log_softmax;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Int, Tensor, TensorData};

/// The most predictions of a text that are compared.
const CELLS: usize = 32;

/// How far a changed model's predictions are from those of the model as it was, on some texts: the
/// sum over texts of the mean, over at most 32 evenly chosen tokens, of
/// `KL(p before ‖ p changed)` in nats. The observer makes the change.
///
/// # Errors
/// A failed pass.
pub fn drift<A: AutodiffBackend>(
    model: &impl HookedModel<A>,
    texts: &[&Sequence],
    observer: &mut dyn Observer<A>,
) -> Result<Tensor<A, 1>, ProbeError> {
    let sequences: Vec<Sequence> = texts.iter().map(|text| (*text).clone()).collect();
    let batch = TokenBatch::new(&sequences)?;
    let (width, vocab) = (batch.width(), model.dims().vocab.max(1));
    let most = (LOGITS_AT_ONCE / vocab / texts.len().max(1)).clamp(1, CELLS);
    let (mut cells, mut weights) = (Vec::new(), Vec::new());
    for (row, text) in texts.iter().enumerate() {
        let count = text.len().min(most);
        cells.extend((0..count).map(|i| (row * width + i * text.len() / count) as i32));
        weights.extend(std::iter::repeat_n(1.0 / count as f32, count));
    }
    let count = cells.len();
    let device = model.device();
    let index: Tensor<A, 1, Int> = Tensor::from_data(TensorData::new(cells, [count]), &device);
    let log_probs = |observer: &mut dyn Observer<A>| -> Result<Tensor<A, 2>, ProbeError> {
        let hidden = model.hidden(&batch, observer)?;
        let [rows, width, channels] = hidden.dims();
        let taken = hidden.reshape([rows * width, channels]).select(0, index.clone());
        let logits = model.unembed(taken.unsqueeze_dim(0))?.reshape([count, vocab]);
        Ok(log_softmax(to_f32(logits), 1))
    };
    let before = log_probs(&mut NoObserver)?.detach();
    let after = log_probs(observer)?;
    let weights =
        Tensor::<A, 2>::from_data(TensorData::new(weights, [count, 1]), (&device, after.dtype()));
    Ok((before.clone().exp() * (before - after) * weights).sum())
}
