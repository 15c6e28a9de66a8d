use bias_cube::matmul;
use bias_probe::TokenBatch;
use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::arch::rope_scaling::Rope;

/// Cosines and sines of rotary position embeddings for one batch and number of heads,
/// each `[rows·width, heads·d_head]`.
///
/// Su et al. 2021, in the half-split layout of Hugging Face: channel `i` pairs with channel `i +
/// rotary/2`, and both are rotated by `position · radians[i]`. Where pairs are interleaved, these
/// are channels `2i` and `2i + 1`. Channels beyond the first `rotary`
/// of a head stay as they are. Tables are written out for every head, and a product with a signed
/// permutation swaps the pairs: plain matrices are much faster than views and broadcasts.
#[derive(Debug, Clone)]
pub(crate) struct Rotary<B: Backend> {
    cos: Tensor<B, 2>,
    sin: Tensor<B, 2>,
    /// The table of one head, `[rows·width, d_head]`.
    of_head: [Tensor<B, 2>; 2],
    /// `[d_head, d_head]`: `(low, high)` to `(-high, low)`.
    swap: Tensor<B, 2>,
    /// The distance between the two channels of a pair; none if they are neighbours.
    half: Option<usize>,
}

impl<B: Backend> Rotary<B> {
    pub(crate) fn new(
        batch: &TokenBatch,
        heads: usize,
        d_head: usize,
        frequencies: &Rope,
        device: &B::Device,
    ) -> Self {
        let (half, cells) = (frequencies.rotary / 2, batch.rows() * batch.width());
        let shared = frequencies.radians(1);
        let of_row = |row: usize| {
            // Each row by its own length, so that batching changes nothing.
            if frequencies.by_length() {
                frequencies.radians(batch.reach(row))
            } else {
                shared.clone()
            }
        };
        let radians: Vec<Vec<f32>> = (0..batch.rows()).map(of_row).collect();
        let factor = frequencies.attention();
        let table = |f: fn(f32) -> f32, rest: f32| {
            let mut values: Vec<f32> = Vec::with_capacity(cells * d_head);
            for (cell, &position) in batch.positions().iter().enumerate() {
                let start = values.len();
                let own = radians[cell / batch.width()].iter();
                let own = own.map(|w| f(position as f32 * w) * factor);
                if frequencies.interleaved {
                    values.extend(own.flat_map(|value| [value; 2]));
                } else {
                    values.extend(own);
                    values.extend_from_within(start..);
                }
                values.resize(start + d_head, rest);
            }
            Tensor::<B, 2>::from_data(TensorData::new(values, [cells, d_head]), device)
        };
        let of_head = [table(f32::cos, 1.0), table(f32::sin, 0.0)];
        let [cos, sin] = of_head.clone().map(|table| {
            table.reshape([cells, 1, d_head]).repeat_dim(1, heads).reshape([cells, heads * d_head])
        });
        let mut swap = vec![0f32; d_head * d_head];
        for i in 0..half {
            let (low, high) =
                if frequencies.interleaved { (2 * i, 2 * i + 1) } else { (i, i + half) };
            swap[high * d_head + low] = -1.0;
            swap[low * d_head + high] = 1.0;
        }
        let half = (!frequencies.interleaved).then_some(half);
        let swap = Tensor::from_data(TensorData::new(swap, [d_head, d_head]), device);
        Self { cos, sin, of_head, swap, half }
    }

    /// Rotates queries or keys, `[rows·width, heads·d_head]`.
    pub(crate) fn turn(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let ([cells, channels], [d_head, _]) = (x.dims(), self.swap.dims());
        let at_once = |half| bias_cube::rotated(&x, self.of_head.each_ref(), half);
        if let Some(turned) = self.half.and_then(at_once) {
            return turned;
        }
        let by_head = x.clone().reshape([cells * channels / d_head, d_head]);
        let swapped = matmul(by_head, self.swap.clone()).reshape([cells, channels]);
        x * self.cos.clone() + swapped * self.sin.clone()
    }
}
