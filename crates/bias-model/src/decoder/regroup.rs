use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

/// Regroups a batch's rows of `d_head` channels between token order (`[rows, width, heads]`) and
/// head order (`[rows, heads, width]`), as one gather of whole rows.
pub(crate) struct Regroup<B: Backend> {
    heads: usize,
    by_head: Tensor<B, 1, Int>,
    by_token: Tensor<B, 1, Int>,
}

impl<B: Backend> Regroup<B> {
    pub(crate) fn new(rows: usize, width: usize, heads: usize, device: &B::Device) -> Self {
        let count = rows * width * heads;
        let (mut by_head, mut by_token) = (vec![0i32; count], vec![0i32; count]);
        for row in 0..rows {
            for column in 0..width {
                for head in 0..heads {
                    let token = (row * width + column) * heads + head;
                    let own = (row * heads + head) * width + column;
                    by_head[own] = token as i32;
                    by_token[token] = own as i32;
                }
            }
        }
        let index = |values| Tensor::from_data(TensorData::new(values, [count]), device);
        Self { heads, by_head: index(by_head), by_token: index(by_token) }
    }

    /// `[rows·width, heads·d_head]` → `[rows, heads, width, d_head]`
    pub(crate) fn split(&self, x: Tensor<B, 2>, rows: usize, width: usize) -> Tensor<B, 4> {
        let d_head = x.dims()[1] / self.heads;
        let x = x.reshape([rows * width * self.heads, d_head]).select(0, self.by_head.clone());
        x.reshape([rows, self.heads, width, d_head])
    }

    /// `[rows, heads, width, d_head]` → `[rows, width, heads·d_head]`
    pub(crate) fn join(&self, x: Tensor<B, 4>) -> Tensor<B, 3> {
        let [rows, heads, width, d_head] = x.dims();
        let x = x.reshape([rows * heads * width, d_head]).select(0, self.by_token.clone());
        x.reshape([rows, width, heads * d_head])
    }
}
