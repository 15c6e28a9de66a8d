use burn::tensor::{Tensor, backend::Backend};

/// Keys and values of every layer for the columns already run, each
/// `[rows, kv_heads, columns, d_head]`.
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

    /// Appends new columns and gives all keys and values back.
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
