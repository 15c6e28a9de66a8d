use burn::tensor::{Tensor, TensorData, backend::Backend};

/// Cosines and sines of rotary position embeddings for one batch and number of heads,
/// each `[rows·width, heads·d_head]`.
///
/// Su et al. 2021, in the half-split layout of Hugging Face's Llama: channel `i`
/// pairs with channel `i + d_head/2`, both turned by `position · θ^(-2i/d_head)`.
/// Tables are written out for every head, and the pairs are swapped by a product with
/// a signed permutation: plain matrices are much faster than views and broadcasts.
#[derive(Debug, Clone)]
pub(crate) struct Rotary<B: Backend> {
    cos: Tensor<B, 2>,
    sin: Tensor<B, 2>,
    /// `[d_head, d_head]`: `(low, high)` to `(-high, low)`.
    swap: Tensor<B, 2>,
}

impl<B: Backend> Rotary<B> {
    pub(crate) fn new(
        positions: &[usize],
        heads: usize,
        d_head: usize,
        theta: f64,
        device: &B::Device,
    ) -> Self {
        let half = d_head / 2;
        // In f32 as transformers does, so that long positions round the same way.
        let frequencies: Vec<f32> =
            (0..half).map(|i| (1.0 / theta.powf((2 * i) as f64 / d_head as f64)) as f32).collect();
        let table = |f: fn(f32) -> f32| {
            let mut values = Vec::with_capacity(positions.len() * heads * d_head);
            for &position in positions {
                let start = values.len();
                values.extend(frequencies.iter().map(|w| f(position as f32 * w)));
                values.extend_from_within(start..);
                let head = start..values.len();
                (1..heads).for_each(|_| values.extend_from_within(head.clone()));
            }
            Tensor::from_data(TensorData::new(values, [positions.len(), heads * d_head]), device)
        };
        let mut swap = vec![0f32; d_head * d_head];
        for i in 0..half {
            swap[(i + half) * d_head + i] = -1.0;
            swap[i * d_head + i + half] = 1.0;
        }
        let swap = Tensor::from_data(TensorData::new(swap, [d_head, d_head]), device);
        Self { cos: table(f32::cos), sin: table(f32::sin), swap }
    }

    /// Turns queries or keys, `[rows·width, heads·d_head]`.
    pub(crate) fn turn(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let ([cells, channels], [d_head, _]) = (x.dims(), self.swap.dims());
        let by_head = x.clone().reshape([cells * channels / d_head, d_head]);
        let swapped = by_head.matmul(self.swap.clone()).reshape([cells, channels]);
        x * self.cos.clone() + swapped * self.sin.clone()
    }
}
