use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

/// The keys and values of every layer for the columns that were run, each `[rows, kv_heads,
/// columns, d_head]`.
#[derive(Debug, Clone)]
pub struct KvCache<B: Backend> {
    layers: Vec<Option<(Tensor<B, 4>, Tensor<B, 4>)>>,
}

impl<B: Backend> KvCache<B> {
    /// An empty cache.
    #[must_use]
    pub fn new(layers: usize) -> Self {
        Self { layers: (0..layers).map(|_| None).collect() }
    }

    /// Some of the rows, in this order. A row may be taken several times.
    ///
    /// Together with [`TokenBatch::with_rows`](bias_probe::TokenBatch::with_rows), it runs a common
    /// prefix once for many prompts and drops finished rows.
    #[must_use]
    pub fn with_rows(&self, rows: &[usize]) -> Self {
        let layer = |slot: &Option<(Tensor<B, 4>, Tensor<B, 4>)>| {
            let (keys, values) = slot.as_ref()?;
            let index: Vec<i32> = rows.iter().map(|r| *r as i32).collect();
            let index = Tensor::<B, 1, Int>::from_data(
                TensorData::new(index, [rows.len()]),
                &keys.device(),
            );
            Some((keys.clone().select(0, index.clone()), values.clone().select(0, index)))
        };
        Self { layers: self.layers.iter().map(layer).collect() }
    }

    /// Appends new columns, and returns all keys and values.
    pub(crate) fn append(
        &mut self,
        layer: usize,
        keys: Tensor<B, 4>,
        values: Tensor<B, 4>,
    ) -> (Tensor<B, 4>, Tensor<B, 4>) {
        let Some(slot) = self.layers.get_mut(layer) else { return (keys, values) };
        let both = match slot.take() {
            None => (keys, values),
            Some((k, v)) => (Tensor::cat(vec![k, keys], 2), Tensor::cat(vec![v, values], 2)),
        };
        *slot = Some(both.clone());
        both
    }
}
