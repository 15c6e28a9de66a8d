use bias_probe::HookedModel;
use bias_probe::device::read_back;
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

use crate::error::AskError;

/// Scores of the next token at each position, `[places, vocab]`.
type Read<'r> = dyn FnMut(&[usize]) -> Result<Vec<f32>, AskError> + 'r;

/// Reads the next-token scores of some positions, `row · width + column`, in order: `[places,
/// vocab]`.
pub(crate) struct Logits<'r> {
    pub vocab: usize,
    /// The most values in memory at a time.
    pub most: usize,
    pub read: &'r mut Read<'r>,
}

impl Logits<'_> {
    /// The number of positions that are read together.
    pub(crate) fn at_once(&self) -> usize {
        (self.most / self.vocab).max(1)
    }
}

/// Calls the closure with the logits of a pass whose output is `hidden`, `[rows, width, d_model]`.
pub(crate) fn of<B: Backend, M: HookedModel<B> + ?Sized, T>(
    model: &M,
    hidden: Tensor<B, 3>,
    most: usize,
    call: impl FnOnce(&mut Logits<'_>) -> Result<T, AskError>,
) -> Result<T, AskError> {
    let [rows, width, d_model] = hidden.dims();
    let (device, vocab) = (hidden.device(), model.dims().vocab);
    let flat = hidden.reshape([rows * width, d_model]);
    let mut read = |places: &[usize]| {
        let index: Vec<i32> = places.iter().map(|place| *place as i32).collect();
        let index: Tensor<B, 1, Int> =
            Tensor::from_data(TensorData::new(index, [places.len()]), &device);
        let logits = model.unembed(flat.clone().select(0, index).unsqueeze_dim(0))?;
        let (expected, found) = ([1, places.len(), vocab], logits.dims());
        if found != expected {
            let (expected, found) = (expected.to_vec(), found.to_vec());
            return Err(AskError::Shape { what: "logits", expected, found });
        }
        read_back(logits).map_err(|reason| AskError::Readback { what: "logits", reason })
    };
    call(&mut Logits { vocab, most, read: &mut read })
}

/// Whether logits define a distribution. Weights so large that sums overflow do not.
pub(crate) fn are_numbers(logits: &[f32]) -> bool {
    let odd = |l: &f32| l.is_nan() || *l == f32::INFINITY;
    !logits.iter().any(odd) && logits.iter().any(|l| l.is_finite())
}
