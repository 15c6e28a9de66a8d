use burn::tensor::{Tensor, TensorData, backend::Backend};

/// Cosines and sines of rotary position embeddings for one batch, each `[rows, 1, width, d_head]`.
///
/// Su et al. 2021, in the half-split layout of Hugging Face's Llama: channel `i`
/// pairs with channel `i + d_head/2`, both turned by `position · θ^(-2i/d_head)`.
#[derive(Debug, Clone)]
pub(crate) struct Rotary<B: Backend> {
    cos: Tensor<B, 4>,
    sin: Tensor<B, 4>,
}

impl<B: Backend> Rotary<B> {
    pub(crate) fn new(
        positions: &[usize],
        rows: usize,
        d_head: usize,
        theta: f64,
        device: &B::Device,
    ) -> Self {
        let half = d_head / 2;
        // In f32 as transformers does, so that long positions round the same way.
        let frequencies: Vec<f32> =
            (0..half).map(|i| (1.0 / theta.powf((2 * i) as f64 / d_head as f64)) as f32).collect();
        let angles = |f: fn(f32) -> f32| {
            let values: Vec<f32> = positions
                .iter()
                .flat_map(|&p| {
                    let turn = frequencies.iter().map(move |w| f(p as f32 * w));
                    turn.clone().chain(turn)
                })
                .collect();
            let shape = [rows, 1, positions.len() / rows.max(1), d_head];
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Self { cos: angles(f32::cos), sin: angles(f32::sin) }
    }

    /// Turns queries or keys, `[rows, heads, width, d_head]`.
    pub(crate) fn turn(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let half = x.dims()[3] / 2;
        let [low, high] = [x.clone().narrow(3, 0, half), x.clone().narrow(3, half, half)];
        let swapped = Tensor::cat(vec![-high, low], 3);
        x * self.cos.clone() + swapped * self.sin.clone()
    }
}
