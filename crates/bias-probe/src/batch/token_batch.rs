use std::borrow::Cow;

use bias_types::TokenRole;
use burn::tensor::{Bool, Int, Tensor, TensorData, backend::Backend};

use super::sequence::Sequence;
use crate::device::float::f32_from;
use crate::error::ProbeError;

/// The tree of a row's tokens: those kept in a KV cache, then those of the batch.
///
/// A token sees itself and its ancestors. Two numbers per column hold that for all tokens; the
/// attention mask is made from them when it is asked for.
#[derive(Debug, Clone, Default)]
struct RowTree {
    /// Depth of each column (its position), `None` for padding.
    depths: Vec<Option<usize>>,
    /// The column that each column follows; `None` for a first token and for padding.
    parents: Vec<Option<usize>>,
}

impl RowTree {
    /// Clears the flags of the columns that `column` sees.
    fn unblock(&self, column: usize, blocked: &mut [bool]) {
        let mut next = Some(column);
        while let Some(at) = next {
            blocked[at] = false;
            next = self.parents[at];
        }
    }
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
    /// Of `past + width` columns each.
    trees: Vec<RowTree>,
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
        let mut batch = Self::build(rows.collect(), vec![RowTree::default(); sequences.len()], 0)?;
        for (own, sequence) in batch.weights.chunks_exact_mut(batch.width).zip(sequences) {
            own[..sequence.len()].copy_from_slice(sequence.weights());
        }
        Ok(batch)
    }

    /// A batch of new tokens that follow this batch in a KV cache. Each is given, row by row, as
    /// `(parent column, token, role)`. Columns count from the first cached one; those of this batch
    /// start at [`past`](Self::past). Rows may get different numbers of tokens.
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
        Self::build(rows.collect(), self.trees.clone(), self.past + self.width)
    }

    fn build(
        rows: Vec<RowTokens<'_>>,
        mut trees: Vec<RowTree>,
        past: usize,
    ) -> Result<Self, ProbeError> {
        let width = rows.iter().map(|r| r.tokens.len()).max().unwrap_or(0);
        if width == 0 {
            return Err(ProbeError::EmptyBatch);
        }
        let cells = rows.len() * width;
        let mut batch = Self {
            rows: rows.len(),
            width,
            past,
            tokens: Vec::with_capacity(cells),
            roles: Vec::with_capacity(cells),
            weights: vec![1.0; cells],
            positions: Vec::with_capacity(cells),
            trees: Vec::new(),
        };
        for (r, (row, tree)) in rows.iter().zip(&mut trees).enumerate() {
            for column in 0..width {
                let own = row
                    .tokens
                    .get(column)
                    .map(|&token| (token, row.roles[column], row.parents[column]));
                let (token, role, position, parent) = match own {
                    Some((token, role, None)) => (token, role, Some(0), None),
                    Some((token, role, Some(parent))) => {
                        let depth = tree.depths.get(parent).copied().flatten();
                        let Some(depth) = depth else {
                            let reason = format!(
                                "token {column} follows column {parent}, which holds no token"
                            );
                            return Err(ProbeError::BadSequence { row: r, reason });
                        };
                        (token, role, Some(depth + 1), Some(parent))
                    }
                    None => (0, TokenRole::Padding, None, None),
                };
                batch.tokens.push(token);
                batch.roles.push(role);
                batch.positions.push(position.unwrap_or(0));
                tree.depths.push(position);
                tree.parents.push(parent);
            }
        }
        batch.trees = trees;
        Ok(batch)
    }

    /// Some of the rows, in the order given. A row may be taken several times. Take the same rows
    /// of the KV cache.
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
            trees: pick(&self.trees, rows, 1),
        }
    }

    /// Number of sequences.
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

    /// Each token's weight in statistics, row by row. The weight of padding means nothing.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Positions for the rotary embedding, row by row: a token's depth in its tree.
    #[must_use]
    pub fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// The columns that token `column` of `row` must not attend to, as `past + width` flags. Every
    /// token sees itself, padding too, because a softmax needs at least one visible column.
    #[must_use]
    pub fn blocked(&self, row: usize, column: usize) -> Vec<bool> {
        let mut blocked = vec![true; self.past + self.width];
        self.trees[row].unblock(self.past + column, &mut blocked);
        blocked
    }

    /// The flags of every token, `[rows, width, past + width]`.
    fn all_blocked(&self) -> Vec<bool> {
        let total = self.past + self.width;
        let mut all = vec![true; self.rows * self.width * total];
        for (tree, row) in self.trees.iter().zip(all.chunks_exact_mut((self.width * total).max(1)))
        {
            for column in 0..self.width {
                let (before, own) = row.split_at_mut(column * total);
                let (own, at) = (&mut own[..total], self.past + column);
                // A parent in the same batch came earlier: its flags are copied as a whole.
                match tree.parents[at].and_then(|parent| parent.checked_sub(self.past)) {
                    Some(parent) => {
                        own.copy_from_slice(&before[parent * total..][..total]);
                        own[at] = false;
                    }
                    None => tree.unblock(at, own),
                }
            }
        }
        all
    }

    /// Token ids on a device, `[rows, width]`.
    #[must_use]
    pub fn token_tensor<B: Backend>(&self, device: &B::Device) -> Tensor<B, 2, Int> {
        let ids: Vec<i32> =
            self.tokens.iter().map(|&t| i32::try_from(t).unwrap_or(i32::MAX)).collect();
        Tensor::from_data(TensorData::new(ids, [self.rows, self.width]), device)
    }

    /// True where a query must not attend to a key, `[rows, 1, width, past + width]`.
    #[must_use]
    pub fn blocked_tensor<B: Backend>(&self, device: &B::Device) -> Tensor<B, 4, Bool> {
        let shape = [self.rows, 1, self.width, self.past + self.width];
        Tensor::from_data(TensorData::new(self.all_blocked(), shape), device)
    }

    /// The same for attention that reaches back fewer than `window` positions: a token
    /// at position `p` sees its ancestors at `p - window + 1` and later, itself included.
    #[must_use]
    pub fn blocked_beyond<B: Backend>(
        &self,
        window: usize,
        device: &B::Device,
    ) -> Tensor<B, 4, Bool> {
        let total = self.past + self.width;
        let mut blocked = self.all_blocked();
        for (cell, own) in blocked.chunks_exact_mut(total.max(1)).enumerate() {
            let depths = &self.trees[cell / self.width].depths;
            for (flag, key) in own.iter_mut().zip(depths) {
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

    /// One row per role with the weights of the tokens that have the role, and 0 for other tokens:
    /// `[roles, rows·width]`. The tensor is one of [`to_f32`](crate::device::to_f32), so that sums
    /// can be taken with it.
    #[must_use]
    pub fn role_weights<B: Backend>(
        &self,
        roles: &[TokenRole],
        device: &B::Device,
    ) -> Tensor<B, 2> {
        let cells: Vec<usize> = (0..self.rows * self.width).collect();
        self.weights_of(roles, &cells, device)
    }

    /// The same of some tokens, by `row · width + column`: `[roles, cells]`.
    pub(crate) fn weights_of<B: Backend>(
        &self,
        roles: &[TokenRole],
        cells: &[usize],
        device: &B::Device,
    ) -> Tensor<B, 2> {
        let own = |role| {
            let weight = move |cell: &usize| match self.roles[*cell] == role {
                true => self.weights[*cell],
                false => 0.0,
            };
            cells.iter().map(weight)
        };
        let flags: Vec<f32> = roles.iter().flat_map(|role| own(*role)).collect();
        f32_from(TensorData::new(flags, [roles.len(), cells.len()]), device)
    }
}

struct RowTokens<'a> {
    tokens: Cow<'a, [u32]>,
    roles: Cow<'a, [TokenRole]>,
    parents: Cow<'a, [Option<usize>]>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl TokenBatch {
        /// Bytes held for one row.
        fn bytes(&self, row: usize) -> usize {
            let tree = &self.trees[row];
            let each =
                size_of::<u32>() + size_of::<TokenRole>() + size_of::<f32>() + size_of::<usize>();
            self.width * each + size_of_val(&tree.depths[..]) + size_of_val(&tree.parents[..])
        }
    }

    /// Parents of a tree whose tokens each follow one of those before, or none.
    fn parents() -> impl Strategy<Value = Vec<Option<usize>>> {
        let token = |i: usize| {
            (0..=2 * i).prop_map(move |at| Some(at.min(i)).and_then(|at| at.checked_sub(1)))
        };
        (1usize..24).prop_flat_map(move |len| (0..len).map(token).collect::<Vec<_>>())
    }

    /// Where each column must not look, by walking up from it: parents as columns, `None` for
    /// padding.
    fn walked(columns: &[Option<Option<usize>>], at: usize) -> Vec<bool> {
        let mut blocked = vec![true; columns.len()];
        let mut seen = vec![at];
        while let Some(Some(Some(parent))) = seen.last().map(|at| columns[*at]) {
            seen.push(parent);
        }
        seen.into_iter().for_each(|at| blocked[at] = false);
        blocked
    }

    proptest! {
        #[test]
        fn tokens_see_their_ancestors_and_nothing_else(
            trees in prop::collection::vec(parents(), 1..4),
            steps in prop::collection::vec(prop::collection::vec(prop::collection::vec(0usize..1000, 0..4), 3), 0..4),
            window in 1usize..8,
        ) {
            let role = TokenRole::Prompt;
            let sequences = trees.iter().map(|parents| {
                Sequence::tree(vec![1; parents.len()], vec![role; parents.len()], parents.clone()).unwrap()
            });
            let mut batch = TokenBatch::new(&sequences.collect::<Vec<_>>()).unwrap();
            let pad = |own: Vec<Option<usize>>, width: usize| {
                let padding = width - own.len();
                own.into_iter().map(Some).chain(std::iter::repeat_n(None, padding)).collect::<Vec<_>>()
            };
            let mut columns: Vec<_> = trees.iter().map(|own| pad(own.clone(), batch.width())).collect();
            let mut steps = steps.into_iter();
            loop {
                let all = batch.blocked_tensor::<burn::backend::Flex>(&Default::default());
                let all: Vec<bool> = all.into_data().to_vec().unwrap();
                let near = batch.blocked_beyond::<burn::backend::Flex>(window, &Default::default());
                let near: Vec<bool> = near.into_data().to_vec().unwrap();
                let total = batch.past() + batch.width();
                for (cell, (all, near)) in all.chunks(total).zip(near.chunks(total)).enumerate() {
                    let (row, column) = (cell / batch.width(), cell % batch.width());
                    let at = batch.past() + column;
                    let naive = walked(&columns[row], at);
                    prop_assert_eq!(all, &naive[..]);
                    prop_assert_eq!(batch.blocked(row, column), naive.clone());
                    let depth = |at: usize| walked(&columns[row], at).iter().filter(|blocked| !**blocked).count();
                    for key in 0..total {
                        let far = columns[row][key].is_some() && columns[row][at].is_some()
                            && depth(key) + window <= depth(at);
                        // A padding token's position is 0, so nothing is far from it.
                        prop_assert_eq!(near[key], naive[key] || far, "{} {}", at, key);
                    }
                    if columns[row][at].is_some() {
                        prop_assert_eq!(batch.positions()[cell] + 1, depth(at));
                    }
                }
                let Some(step) = steps.next() else { break };
                let new: Vec<Vec<(usize, u32, TokenRole)>> = columns.iter().zip(step).map(|(own, picks)| {
                    let there: Vec<usize> = (0..own.len()).filter(|at| own[*at].is_some()).collect();
                    picks.into_iter().map(|pick| (there[pick % there.len()], 2, role)).collect()
                }).collect();
                if new.iter().all(Vec::is_empty) {
                    continue;
                }
                batch = batch.following(&new).unwrap();
                for (own, new) in columns.iter_mut().zip(new) {
                    own.extend(pad(new.into_iter().map(|(parent, ..)| Some(parent)).collect(), batch.width()));
                }
            }
        }
    }

    #[test]
    fn what_is_held_grows_with_tokens_not_with_their_square() {
        let mut batch = TokenBatch::new(&[prompt(&[1, 2, 3])]).unwrap();
        for _ in 0..2000 {
            let last = batch.past() + batch.width() - 1;
            batch = batch.following(&[vec![(last, 9, TokenRole::Answer)]]).unwrap();
        }
        let tokens = batch.past() + batch.width();
        assert_eq!(tokens, 2003);
        assert!(batch.bytes(0) <= 64 * tokens, "{} bytes", batch.bytes(0));
        assert!(batch.blocked(0, 0).iter().all(|blocked| !blocked));
    }

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
        let tree =
            Sequence::tree(vec![1, 2, 3, 4], roles, vec![None, Some(0), Some(0), Some(2)]).unwrap();
        let batch = TokenBatch::new(&[tree]).unwrap();
        assert_eq!(batch.blocked(0, 3), [false, true, false, false]);
        assert_eq!(batch.positions(), [0, 1, 1, 2]);
    }

    #[test]
    fn following_tokens_see_the_cache_but_not_its_padding() {
        let first = TokenBatch::new(&[prompt(&[5, 6, 7]), prompt(&[8])]).unwrap();
        let role = TokenRole::Answer;
        let next =
            first.following(&[vec![(2, 9, role)], vec![(0, 9, role), (0, 4, role)]]).unwrap();
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
        let weights =
            batch.role_weights::<burn::backend::Flex>(&[TokenRole::Prompt], &Default::default());
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
