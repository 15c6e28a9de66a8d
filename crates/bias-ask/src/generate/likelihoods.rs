//! The likelihoods of continuations. Texts that begin alike run as one prefix tree.

use bias_probe::device::{LOGITS_AT_ONCE, read_back, to_f32};
use bias_probe::{HookedModel, ProbeError, Sequence, TokenBatch, in_threads};
use bias_types::TokenRole;
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

use super::cached::{Cached, Work};
use super::calls::Done;
use super::continuation::{Continuation, Likelihood};
use super::decoding::DecodeOptions;
use super::runner::{Anew, Behind, Runner};
use super::shared_prefix::Prefix;
use crate::error::AskError;

/// The most tokens of a tree. Its attention mask grows with their square.
const TREE: usize = 512;
/// A text joins a tree if it shares this part of its tokens with the text before it.
const SHARED: usize = 3;
/// The number of tree tokens that run together, per row of a batch: products of large matrices are
/// faster.
const TOKENS_PER_ROW: usize = 256;
/// The most tree tokens that run together, however many rows a batch has.
const TOKENS: usize = 1 << 14;
/// A common beginning of all trees in a batch that is worth a pass of its own.
const SHORTEST_PREFIX: usize = 16;
/// The most columns of a batch that run in one pass. The rest follows from the cache.
const PIECE: usize = 512;
/// The most bytes of keys, values and outputs that the trees of a streamed model take together.
const CACHED: usize = 3 << 29;

/// [`Answering::log_likelihoods`](super::Answering::log_likelihoods) for a model without a cache.
///
/// # Errors
/// As [`Answering::log_likelihoods`](super::Answering::log_likelihoods).
pub fn log_likelihoods_uncached<B: Backend, M: HookedModel<B> + ?Sized>(
    model: &M,
    wanted: &[Continuation],
    options: &DecodeOptions,
    done: &Done<'_>,
) -> Result<Vec<Likelihood>, AskError> {
    let plan = Plan::new(model, wanted, options)?;
    let mut found = Vec::with_capacity(wanted.len());
    for batch in &plan.batches {
        found.extend(run::<B, _>(&Anew(model), &mut None, batch, done)?);
    }
    Ok(in_order(found))
}

/// [`Answering::log_likelihoods`](super::Answering::log_likelihoods) for a model with a cache. A
/// beginning that all texts of a batch share is run once, and long texts run in pieces. Batches
/// run side by side on as many threads as the options say.
///
/// # Errors
/// As [`Answering::log_likelihoods`](super::Answering::log_likelihoods).
pub fn log_likelihoods_cached<B: Backend, M: Cached<B> + Clone + Send>(
    model: &M,
    wanted: &[Continuation],
    options: &DecodeOptions,
    done: &Done<'_>,
) -> Result<Vec<Likelihood>, AskError> {
    let plan = Plan::new(model, wanted, options)?;
    if model.is_streamed() {
        return Ok(in_order(together(&Behind(model), &plan.batches, options.threads, done)?));
    }
    let handle = |_| (model.clone(), None);
    let found = in_threads(options.threads, handle, &plan.batches, |(model, known), batch| {
        run(&Behind(&*model), known, batch, done)
    })?;
    Ok(in_order(found.into_iter().flatten().collect()))
}

/// A result, and the index of its continuation.
type Indexed = (usize, Likelihood);

fn in_order(mut found: Vec<Indexed>) -> Vec<Likelihood> {
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, own)| own).collect()
}

/// Texts that begin alike, as a tree without the last token of each, which is only predicted.
#[derive(Debug, Default)]
struct Tree {
    tokens: Vec<u32>,
    parents: Vec<Option<usize>>,
    /// For each continuation, its index, and each wanted token with the node that predicts it.
    wanted: Vec<(usize, Vec<(usize, u32)>)>,
    /// The nodes of the text that was added last.
    path: Vec<usize>,
    /// The number of tokens before the first branch or the first prediction.
    trunk: usize,
}

impl Tree {
    /// Adds a text whose first `shared` tokens are those of the text before it.
    fn add(&mut self, index: usize, own: &Continuation, shared: usize) {
        let run = own.tokens().len() - 1;
        if !self.tokens.is_empty() {
            self.trunk = self.trunk.min(shared);
        }
        self.path.truncate(shared);
        for token in &own.tokens()[shared..run] {
            self.parents.push(self.path.last().copied());
            self.path.push(self.tokens.len());
            self.tokens.push(*token);
        }
        if self.wanted.is_empty() {
            self.trunk = run;
        }
        // What predicts stays out of the trunk: its output is needed.
        self.trunk = self.trunk.min(own.given() - 1);
        let steps = self.path[own.given() - 1..].iter().copied().zip(own.wanted().iter().copied());
        self.wanted.push((index, steps.collect()));
    }

    fn sequence(&self, columns: usize) -> Result<Sequence, ProbeError> {
        let columns = columns.min(self.tokens.len());
        let roles = vec![TokenRole::Prompt; columns];
        Sequence::tree(self.tokens[..columns].to_vec(), roles, self.parents[..columns].to_vec())
    }
}

/// All trees, in batches.
struct Plan {
    batches: Vec<Vec<Tree>>,
}

impl Plan {
    fn new<B: Backend, M: HookedModel<B> + ?Sized>(
        model: &M,
        wanted: &[Continuation],
        options: &DecodeOptions,
    ) -> Result<Self, AskError> {
        let vocab = model.dims().vocab;
        let beyond = |token: &&u32| **token as usize >= vocab;
        if let Some(token) = wanted.iter().flat_map(Continuation::tokens).find(beyond) {
            return Err(ProbeError::TokenOutOfRange { token: *token, vocab }.into());
        }
        let mut trees = trees(wanted, model.is_causal());
        // The longest first: what is left is never more than it seems, and widths are alike.
        trees.sort_by_key(|own| std::cmp::Reverse(own.tokens.len()));
        let most = (options.batch_rows.max(1) * TOKENS_PER_ROW).min(TOKENS);
        let mut batches: Vec<Vec<Tree>> = Vec::new();
        let mut width = 0;
        for tree in trees {
            match batches.last_mut() {
                Some(last) if (last.len() + 1) * width <= most => last.push(tree),
                _ => {
                    width = tree.tokens.len();
                    batches.push(vec![tree]);
                }
            }
        }
        Ok(Self { batches })
    }
}

/// The texts as trees. Texts that do not begin alike, or that `share` nothing, are trees of their
/// own.
fn trees(wanted: &[Continuation], share: bool) -> Vec<Tree> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].tokens().cmp(wanted[*b].tokens()));
    let mut trees: Vec<Tree> = Vec::new();
    let mut before: Option<&Continuation> = None;
    for index in order {
        let own = &wanted[index];
        let run = own.tokens().len() - 1;
        let alike = before.filter(|_| share).map_or(0, |before| {
            let both = before.tokens().iter().zip(&own.tokens()[..run]);
            // The last token of the text before it has no node.
            both.take_while(|(a, b)| a == b).count().min(before.tokens().len() - 1)
        });
        before = Some(own);
        if let Some(tree) = trees.last_mut()
            && alike > 0
            && alike * SHARED >= run
            && tree.tokens.len() + run - alike <= TREE
        {
            tree.add(index, own, alike);
        } else {
            let mut tree = Tree::default();
            tree.add(index, own, 0);
            trees.push(tree);
        }
    }
    trees
}

/// The common beginning of all trees of a batch, if it is worth a pass of its own.
fn common(batch: &[Tree]) -> &[u32] {
    let Some((first, rest)) = batch.split_first() else { return &[] };
    let alike = |own: &Tree| {
        let both = first.tokens.iter().zip(&own.tokens[..own.trunk]);
        both.take_while(|(a, b)| a == b).count()
    };
    let length = rest.iter().map(alike).min().unwrap_or(0).min(first.trunk);
    if length >= SHORTEST_PREFIX { &first.tokens[..length] } else { &[] }
}

/// Runs a batch. `known` is the beginning of the batch before.
fn run<B: Backend, R: Runner<B>>(
    runner: &R,
    known: &mut Option<Prefix<R::Cache>>,
    trees: &[Tree],
    done: &Done<'_>,
) -> Result<Vec<Indexed>, AskError> {
    let width = trees.iter().map(|own| own.tokens.len()).max().unwrap_or(0);
    let beginning = if runner.shares() { common(trees) } else { &[] };
    let every_row = vec![0; trees.len()];
    let (mut before, mut cache) = (None, runner.empty());
    if !beginning.is_empty() {
        if known.as_ref().is_none_or(|own| own.tokens != beginning) {
            let mut prefix = Prefix::new(beginning, runner.empty())?;
            runner.run(&prefix.batch, &mut prefix.cache)?;
            *known = Some(prefix);
        }
        if let Some(prefix) = known {
            before = Some(prefix.batch.with_rows(&every_row));
            cache = runner.rows(&prefix.cache, &every_row);
        }
    }
    let mut read = Predicted::new(trees);
    let (mut from, piece) = (beginning.len(), if runner.shares() { PIECE } else { width });
    while from < width {
        let to = width.min(from + piece);
        let batch = match &before {
            None => TokenBatch::new(
                &trees.iter().map(|own| own.sequence(to)).collect::<Result<Vec<_>, _>>()?,
            )?,
            Some(before) => before.following(&columns(trees, from, to))?,
        };
        let hidden = runner.run(&batch, &mut cache)?;
        read.read(runner.model(), hidden, from, to)?;
        (before, from) = (Some(batch), to);
    }
    let found = read.finish()?;
    done(found.len());
    Ok(found)
}

/// Columns of trees that follow columns before them.
fn columns(trees: &[Tree], from: usize, to: usize) -> Vec<Vec<(usize, u32, TokenRole)>> {
    let of = |own: &Tree| {
        let nodes = own.tokens.iter().zip(&own.parents).take(to).skip(from);
        nodes.map(|(token, parent)| (parent.unwrap_or(0), *token, TokenRole::Prompt)).collect()
    };
    trees.iter().map(of).collect()
}

/// Runs the batches of a streamed model: as many at a time as their caches allow. All of them pass
/// each layer before the next is read.
fn together<B: Backend, R: Runner<B>>(
    runner: &R,
    batches: &[Vec<Tree>],
    threads: usize,
    done: &Done<'_>,
) -> Result<Vec<Indexed>, AskError> {
    let dims = runner.model().dims();
    let token = (2 * dims.layers * dims.kv_heads * dims.d_head + dims.d_model) * size_of::<f32>();
    let bytes = |own: &Vec<Tree>| {
        let width = own.iter().map(|own| own.tokens.len()).max().unwrap_or(0);
        own.len() * width * token
    };
    let mut found = Vec::new();
    let mut rest = batches;
    while !rest.is_empty() {
        let mut sum = 0;
        let fits = rest.iter().take_while(|own| {
            sum += bytes(own);
            sum <= CACHED
        });
        let (now, later) = rest.split_at(fits.count().max(1));
        rest = later;
        let mut runs = Vec::with_capacity(now.len());
        for trees in now {
            let rows: Vec<Sequence> =
                trees.iter().map(|own| own.sequence(usize::MAX)).collect::<Result<_, _>>()?;
            runs.push((TokenBatch::new(&rows)?, runner.empty()));
        }
        let mut work: Vec<_> =
            runs.iter_mut().map(|(batch, cache)| Work { batch, cache }).collect();
        let hidden = runner.run_all(&mut work, threads)?;
        for ((trees, (batch, _)), hidden) in now.iter().zip(&runs).zip(hidden) {
            let mut read = Predicted::new(trees);
            read.read(runner.model(), hidden, 0, batch.width())?;
            let own = read.finish()?;
            done(own.len());
            found.extend(own);
        }
    }
    Ok(found)
}

/// A node that predicts: its row and column, and each token wanted behind it with the places of
/// the results.
struct Place {
    row: usize,
    column: usize,
    wanted: Vec<(u32, Vec<(usize, usize)>)>,
}

/// A wanted token's log-probability, and whether it is the most probable one, once it was read.
type Read = Option<(f64, bool)>;

/// The log-probabilities of a batch's wanted tokens, as far as they were read.
struct Predicted {
    places: Vec<Place>,
    /// For each continuation of the batch, its index and its wanted tokens.
    found: Vec<(usize, Vec<Read>)>,
}

impl Predicted {
    fn new(trees: &[Tree]) -> Self {
        let mut found = Vec::new();
        let mut places: Vec<Place> = Vec::new();
        for (row, tree) in trees.iter().enumerate() {
            let mut steps: Vec<(usize, u32, (usize, usize))> = Vec::new();
            for (index, own) in &tree.wanted {
                let at = (0..).zip(own).map(|(i, (node, token))| (*node, *token, (found.len(), i)));
                steps.extend(at);
                found.push((*index, vec![None; own.len()]));
            }
            steps.sort_unstable();
            for (column, token, place) in steps {
                let last = places.last_mut().filter(|own| (own.row, own.column) == (row, column));
                let Some(last) = last else {
                    places.push(Place { row, column, wanted: vec![(token, vec![place])] });
                    continue;
                };
                match last.wanted.last_mut().filter(|own| own.0 == token) {
                    Some(own) => own.1.push(place),
                    None => last.wanted.push((token, vec![place])),
                }
            }
        }
        Self { places, found }
    }

    /// Reads the output of a pass over the columns `from..to`, `[rows, to − from, d_model]`. Of
    /// the logits, only those of wanted tokens, the highest and the sum leave the device.
    fn read<B: Backend, M: HookedModel<B> + ?Sized>(
        &mut self,
        model: &M,
        hidden: Tensor<B, 3>,
        from: usize,
        to: usize,
    ) -> Result<(), AskError> {
        let [rows, width, d_model] = hidden.dims();
        let (vocab, device) = (model.dims().vocab, hidden.device());
        let hidden = hidden.reshape([rows * width, d_model]);
        let at_once = (LOGITS_AT_ONCE / vocab.max(1)).max(1);
        let own: Vec<&Place> =
            self.places.iter().filter(|own| (from..to).contains(&own.column)).collect();
        for places in own.chunks(at_once) {
            let n = places.len();
            let index = places.iter().map(|own| (own.row * width + own.column - from) as i32);
            let index = TensorData::new(index.collect::<Vec<_>>(), [n]);
            let index: Tensor<B, 1, Int> = Tensor::from_data(index, &device);
            let most = places.iter().map(|own| own.wanted.len()).max().unwrap_or(1);
            let mut tokens = vec![0i32; n * most];
            for (row, place) in tokens.chunks_exact_mut(most).zip(places) {
                row.iter_mut()
                    .zip(&place.wanted)
                    .for_each(|(own, (token, _))| *own = *token as i32);
            }
            let tokens: Tensor<B, 2, Int> =
                Tensor::from_data(TensorData::new(tokens, [n, most]), &device);
            let logits = model.unembed(hidden.clone().select(0, index).unsqueeze_dim(0))?;
            let logits = to_f32(logits).reshape([n, vocab]);
            let top = logits.clone().max_dim(1);
            let wanted = logits.clone().gather(1, tokens);
            let sum = (logits - top.clone()).exp().sum_dim(1);
            let values = read_back(Tensor::cat(vec![top, sum, wanted], 1))
                .map_err(|reason| AskError::Readback { what: "log-probabilities", reason })?;
            for (values, place) in values.chunks_exact(most + 2).zip(places) {
                let (top, sum) = (f64::from(values[0]), f64::from(values[1]));
                if !(top.is_finite() && sum.is_finite() && sum > 0.0) {
                    return Err(AskError::Logits { at: place.column });
                }
                for (logit, (_, results)) in values[2..].iter().zip(&place.wanted) {
                    let logit = f64::from(*logit);
                    for (continuation, token) in results {
                        self.found[*continuation].1[*token] =
                            Some((logit - top - sum.ln(), logit >= top));
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Indexed>, AskError> {
        let of = |(index, own): (usize, Vec<Read>)| {
            let own: Option<Vec<(f64, bool)>> = own.into_iter().collect();
            let own = own.ok_or_else(|| ProbeError::BadSequence {
                row: 0,
                reason: "a wanted token was not predicted".into(),
            })?;
            let greedy = own.iter().all(|(_, top)| *top);
            Ok((
                index,
                Likelihood { log_probs: own.into_iter().map(|own| own.0).collect(), greedy },
            ))
        };
        self.found.into_iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn continuation(given: &[u32], wanted: &[u32]) -> Continuation {
        Continuation::new(given, wanted).unwrap()
    }

    #[test]
    fn texts_that_begin_alike_are_one_tree() {
        let own = [
            continuation(&[1, 2, 3], &[4, 5]),
            continuation(&[1, 2, 3], &[6]),
            continuation(&[9, 8], &[7]),
            continuation(&[1, 2, 3], &[4, 5]),
            continuation(&[1, 2], &[3]),
        ];
        let found = trees(&own, true);
        assert_eq!(found.len(), 2);
        let tree = &found[0];
        assert_eq!(tree.tokens, [1, 2, 3, 4]);
        assert_eq!(tree.parents, [None, Some(0), Some(1), Some(2)]);
        // The shortest text predicts behind its second token.
        assert_eq!(tree.trunk, 1);
        let indices: Vec<usize> = tree.wanted.iter().map(|own| own.0).collect();
        assert_eq!(indices, [4, 0, 3, 1]);
        assert_eq!(tree.wanted[1].1, [(2, 4), (3, 5)]);
        assert_eq!(tree.wanted[3].1, [(2, 6)]);
        assert_eq!(trees(&own, false).len(), own.len());
    }

    #[test]
    fn a_branch_follows_what_it_shares() {
        let own = [continuation(&[1, 2, 3], &[4, 5, 6]), continuation(&[1, 2, 3], &[4, 7, 6])];
        let tree = &trees(&own, true)[0];
        assert_eq!(tree.tokens, [1, 2, 3, 4, 5, 7]);
        assert_eq!(tree.parents[5], Some(3));
        assert_eq!(tree.trunk, 2);
    }

    #[test]
    fn nothing_follows_nothing() {
        assert!(matches!(
            Continuation::new(&[], &[1]),
            Err(AskError::Continuation { given: 0, wanted: 1 })
        ));
        assert!(Continuation::new(&[1], &[]).is_err());
    }
}
