use std::borrow::Cow;

use bias_types::TokenRole;
use burn::tensor::{Bool, Int, Tensor, TensorData, backend::Backend};

use super::sequence::Sequence;
use crate::device::float::wide_from;
use crate::error::ProbeError;

/// What every row of a batch already has behind it: columns kept in a KV cache.
///
/// Column `c` of a row is visible to a new token when that token descends from it.
#[derive(Debug, Clone, Default)]
struct RowPast {
    /// Depth of each column (its position), `None` for padding.
    depth: Vec<Option<usize>>,
    /// For each column, the columns it descends from, itself included.
    ancestors: Vec<Vec<u64>>,
}

/// Sequences padded on the right to one width, ready for a forward pass.
///
/// Shapes are `[rows, width]`; `past` columns may lie before them in a KV cache.
#[derive(Debug, Clone)]
pub struct TokenBatch {
    rows: usize,
    width: usize,
    past: usize,
    tokens: Vec<u32>,
    roles: Vec<TokenRole>,
    weights: Vec<f32>,
    positions: Vec<usize>,
    /// `[rows, width, past + width]`: true where a token must *not* look.
    blocked: Vec<bool>,
    rows_past: Vec<RowPast>,
}

impl TokenBatch {
    /// Pads the sequences to a common width.
    ///
    /// # Errors
    /// [`ProbeError::EmptyBatch`] without sequences.
    pub fn new(sequences: &[Sequence]) -> Result<Self, ProbeError> {
        let rows = sequences.iter().map(|s| RowTokens {
            tokens: Cow::from(s.tokens()),
            roles: Cow::from(s.roles()),
            parents: Cow::from(s.parents()),
        });
        let mut batch = Self::build(rows.collect(), vec![RowPast::default(); sequences.len()], 0)?;
        for (own, sequence) in batch.weights.chunks_exact_mut(batch.width).zip(sequences) {
            own[..sequence.len()].copy_from_slice(sequence.weights());
        }
        Ok(batch)
    }

    /// New tokens that follow this batch in a KV cache: for each row, `(parent
    /// column, token, role)`. Columns count from the first cached one; those of this
    /// batch start at [`past`](Self::past). Rows may get different numbers of tokens.
    ///
    /// # Errors
    /// [`ProbeError::EmptyBatch`] when no row gets a token, [`ProbeError::BadSequence`]
    /// when the number of rows differs or a parent is absent or padding.
    pub fn following(&self, new: &[Vec<(usize, u32, TokenRole)>]) -> Result<Self, ProbeError> {
        if new.len() != self.rows {
            let reason = format!("{} rows were cached and {} are to follow", self.rows, new.len());
            return Err(ProbeError::BadSequence { row: new.len(), reason });
        }
        let rows = new.iter().map(|row| RowTokens {
            tokens: row.iter().map(|n| n.1).collect(),
            roles: row.iter().map(|n| n.2).collect(),
            parents: row.iter().map(|n| Some(n.0)).collect(),
        });
        Self::build(rows.collect(), self.rows_past.clone(), self.past + self.width)
    }

    fn build(rows: Vec<RowTokens<'_>>, mut rows_past: Vec<RowPast>, past: usize) -> Result<Self, ProbeError> {
        let width = rows.iter().map(|r| r.tokens.len()).max().unwrap_or(0);
        if width == 0 {
            return Err(ProbeError::EmptyBatch);
        }
        let total = past + width;
        let cells = rows.len() * width;
        let mut batch = Self {
            rows: rows.len(),
            width,
            past,
            tokens: Vec::with_capacity(cells),
            roles: Vec::with_capacity(cells),
            weights: vec![1.0; cells],
            positions: Vec::with_capacity(cells),
            blocked: vec![true; cells * total],
            rows_past: Vec::new(),
        };
        for (r, (row, known)) in rows.iter().zip(&mut rows_past).enumerate() {
            for column in 0..width {
                let at = past + column;
                let own =
                    row.tokens.get(column).map(|&token| (token, row.roles[column], row.parents[column]));
                let (token, role, position, mut ancestors) = match own {
                    Some((token, role, None)) => (token, role, Some(0), vec![0; total.div_ceil(64)]),
                    Some((token, role, Some(parent))) => {
                        let depth = known.depth.get(parent).copied().flatten();
                        let Some(depth) = depth else {
                            let reason =
                                format!("token {column} follows column {parent}, which holds no token");
                            return Err(ProbeError::BadSequence { row: r, reason });
                        };
                        let mut seen = known.ancestors[parent].clone();
                        seen.resize(total.div_ceil(64), 0);
                        (token, role, Some(depth + 1), seen)
                    }
                    None => (0, TokenRole::Padding, None, vec![0; total.div_ceil(64)]),
                };
                // Every token sees itself, padding too: a row with nothing visible has no softmax.
                ancestors[at / 64] |= 1 << (at % 64);
                let blocked = &mut batch.blocked[(r * width + column) * total..][..total];
                for (word, bits) in ancestors.iter().enumerate() {
                    let mut bits = *bits;
                    while bits != 0 {
                        blocked[word * 64 + bits.trailing_zeros() as usize] = false;
                        bits &= bits - 1;
                    }
                }
                batch.tokens.push(token);
                batch.roles.push(role);
                batch.positions.push(position.unwrap_or(0));
                known.depth.push(position);
                known.ancestors.push(ancestors);
            }
        }
        batch.rows_past = rows_past;
        Ok(batch)
    }

    /// Some of the rows, in this order; a row may be taken several times. Goes with the
    /// same choice of a KV cache's rows.
    #[must_use]
    pub fn with_rows(&self, rows: &[usize]) -> Self {
        fn pick<T: Clone>(all: &[T], rows: &[usize], each: usize) -> Vec<T> {
            rows.iter().flat_map(|r| all[r * each..(r + 1) * each].iter().cloned()).collect()
        }
        Self {
            rows: rows.len(),
            width: self.width,
            past: self.past,
            tokens: pick(&self.tokens, rows, self.width),
            roles: pick(&self.roles, rows, self.width),
            weights: pick(&self.weights, rows, self.width),
            positions: pick(&self.positions, rows, self.width),
            blocked: pick(&self.blocked, rows, self.width * (self.past + self.width)),
            rows_past: pick(&self.rows_past, rows, 1),
        }
    }

    /// How many sequences.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Tokens per row, padding included.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Columns that lie before these in the KV cache.
    #[must_use]
    pub fn past(&self) -> usize {
        self.past
    }

    /// Token ids, row by row.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Roles, row by row.
    #[must_use]
    pub fn roles(&self) -> &[TokenRole] {
        &self.roles
    }

    /// How much each token counts in statistics, row by row; meaningless where padding.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Positions for the rotary embedding, row by row: a token's depth in its tree.
    #[must_use]
    pub fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// Where token `column` of `row` must not look, as `past + width` flags.
    #[must_use]
    pub fn blocked(&self, row: usize, column: usize) -> &[bool] {
        let total = self.past + self.width;
        &self.blocked[(row * self.width + column) * total..][..total]
    }

    /// Token ids on a device, `[rows, width]`.
    #[must_use]
    pub fn token_tensor<B: Backend>(&self, device: &B::Device) -> Tensor<B, 2, Int> {
        let ids: Vec<i32> = self.tokens.iter().map(|&t| i32::try_from(t).unwrap_or(i32::MAX)).collect();
        Tensor::from_data(TensorData::new(ids, [self.rows, self.width]), device)
    }

    /// True where a query must not look at a key, `[rows, 1, width, past + width]`.
    #[must_use]
    pub fn blocked_tensor<B: Backend>(&self, device: &B::Device) -> Tensor<B, 4, Bool> {
        let shape = [self.rows, 1, self.width, self.past + self.width];
        Tensor::from_data(TensorData::new(self.blocked.clone(), shape), device)
    }

    /// The same for attention that reaches back fewer than `window` positions: a token
    /// at position `p` sees its ancestors at `p - window + 1` and later, itself included.
    #[must_use]
    pub fn blocked_beyond<B: Backend>(&self, window: usize, device: &B::Device) -> Tensor<B, 4, Bool> {
        let total = self.past + self.width;
        let mut blocked = self.blocked.clone();
        for (cell, own) in blocked.chunks_exact_mut(total.max(1)).enumerate() {
            let depth = &self.rows_past[cell / self.width].depth;
            for (flag, key) in own.iter_mut().zip(depth) {
                *flag |= key.is_some_and(|key| key.saturating_add(window) <= self.positions[cell]);
            }
        }
        let shape = [self.rows, 1, self.width, total];
        Tensor::from_data(TensorData::new(blocked, shape), device)
    }

    /// The longest path from a row's first token to one of these, in tokens.
    #[must_use]
    pub fn reach(&self, row: usize) -> usize {
        self.positions[row * self.width..][..self.width].iter().max().map_or(0, |p| p + 1)
    }

    /// A token's weight where it has the role, else 0, one row per role: `[roles, rows·width]`;
    /// [`wide`](crate::device::wide), to take sums with.
    #[must_use]
    pub fn role_weights<B: Backend>(&self, roles: &[TokenRole], device: &B::Device) -> Tensor<B, 2> {
        let own = |role| {
            let tokens = self.roles.iter().zip(&self.weights);
            tokens.map(move |(own, weight)| if *own == role { *weight } else { 0.0 })
        };
        let flags: Vec<f32> = roles.iter().flat_map(|role| own(*role)).collect();
        wide_from(TensorData::new(flags, [roles.len(), self.rows * self.width]), device)
    }
}

struct RowTokens<'a> {
    tokens: Cow<'a, [u32]>,
    roles: Cow<'a, [TokenRole]>,
    parents: Cow<'a, [Option<usize>]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(tokens: &[u32]) -> Sequence {
        Sequence::chain(tokens.to_vec(), vec![TokenRole::Prompt; tokens.len()]).unwrap()
    }

    #[test]
    fn chains_are_causal_and_padding_sees_only_itself() {
        let batch = TokenBatch::new(&[prompt(&[5, 6, 7]), prompt(&[8])]).unwrap();
        assert_eq!((batch.rows(), batch.width()), (2, 3));
        assert_eq!(batch.blocked(0, 1), [false, false, true]);
        assert_eq!(batch.blocked(1, 0), [false, true, true]);
        assert_eq!(batch.blocked(1, 2), [true, true, false]);
        assert_eq!(batch.positions(), [0, 1, 2, 0, 0, 0]);
    }

    #[test]
    fn windows_count_positions_along_a_branch() {
        let roles = vec![TokenRole::Prompt; 5];
        let parents = vec![None, Some(0), Some(1), Some(1), Some(3)];
        let tree = Sequence::tree(vec![1, 2, 3, 4, 5], roles, parents).unwrap();
        let batch = TokenBatch::new(&[tree]).unwrap();
        let flags = batch.blocked_beyond::<burn::backend::Flex>(2, &Default::default());
        let flags: Vec<bool> = flags.into_data().to_vec().unwrap();
        assert_eq!(flags[4 * 5..], [true, true, true, false, false]);
        assert_eq!(flags[5..10], [false, false, true, true, true]);
        assert_eq!(batch.reach(0), 4);
    }

    #[test]
    fn branches_see_their_ancestors_only() {
        let roles = vec![TokenRole::Prompt; 4];
        let tree = Sequence::tree(vec![1, 2, 3, 4], roles, vec![None, Some(0), Some(0), Some(2)]).unwrap();
        let batch = TokenBatch::new(&[tree]).unwrap();
        assert_eq!(batch.blocked(0, 3), [false, true, false, false]);
        assert_eq!(batch.positions(), [0, 1, 1, 2]);
    }

    #[test]
    fn following_tokens_see_the_cache_but_not_its_padding() {
        let first = TokenBatch::new(&[prompt(&[5, 6, 7]), prompt(&[8])]).unwrap();
        let role = TokenRole::Answer;
        let next = first.following(&[vec![(2, 9, role)], vec![(0, 9, role), (0, 4, role)]]).unwrap();
        assert_eq!(next.blocked(0, 0), [false, false, false, false, true]);
        assert_eq!(next.blocked(1, 1), [false, true, true, true, false]);
        assert_eq!(next.positions(), [3, 0, 1, 1]);
        // The second row's column 2 was padding, and nothing can follow it.
        assert!(first.following(&[vec![], vec![(2, 9, role)]]).is_err());
        assert!(first.following(&[vec![]]).is_err());
    }

    #[test]
    fn weights_follow_their_tokens_and_padding_has_none() {
        let long = prompt(&[5, 6, 7]).with_weights(vec![1.0, 0.5, 0.25]).unwrap();
        let batch = TokenBatch::new(&[prompt(&[8]), long]).unwrap();
        let weights = batch.role_weights::<burn::backend::Flex>(&[TokenRole::Prompt], &Default::default());
        assert_eq!(weights.into_data().to_vec::<f32>().unwrap(), [1.0, 0.0, 0.0, 1.0, 0.5, 0.25]);
        assert!(prompt(&[1, 2]).with_weights(vec![1.0]).is_err());
        assert!(prompt(&[1]).with_weights(vec![f32::NAN]).is_err());
    }

    #[test]
    fn sequences_that_do_not_fit_are_refused() {
        let role = TokenRole::Prompt;
        assert!(Sequence::chain(vec![], vec![]).is_err());
        assert!(Sequence::chain(vec![1, 2], vec![role]).is_err());
        assert!(Sequence::chain(vec![1], vec![TokenRole::Padding]).is_err());
        assert!(Sequence::tree(vec![1, 2], vec![role; 2], vec![None, Some(1)]).is_err());
        assert!(TokenBatch::new(&[]).is_err());
    }
}
