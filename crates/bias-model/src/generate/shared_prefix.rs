//! What several prompts begin with alike, run once for all of them.

use bias_probe::{HookedModel as _, Sequence, TokenBatch};
use bias_types::TokenRole;
use burn::tensor::backend::Backend;

use crate::decoder::kv_cache::KvCache;
use crate::decoder::model::Decoder;
use crate::error::ModelError;

/// What several prompts begin with, already run.
pub(crate) struct Prefix<B: Backend> {
    pub tokens: Vec<u32>,
    /// One row.
    pub batch: TokenBatch,
    pub cache: KvCache<B>,
}

/// A prefix shorter than this is not worth a pass of its own.
const SHORTEST_PREFIX: usize = 4;

impl<B: Backend> Prefix<B> {
    pub(crate) fn new(tokens: &[u32], layers: usize) -> Result<Self, ModelError> {
        let chain = Sequence::chain(tokens.to_vec(), vec![TokenRole::Prompt; tokens.len()])?;
        Ok(Self { tokens: tokens.to_vec(), batch: TokenBatch::new(&[chain])?, cache: KvCache::new(layers) })
    }
}

/// What all prompts begin with, if it is worth a pass of its own.
pub(crate) fn alike<'p, B: Backend>(model: &Decoder<B>, prompts: &[&'p Sequence]) -> Option<&'p [u32]> {
    // Every prompt keeps a token of its own: its end has to be run.
    let shortest = prompts.iter().map(|p| p.len()).min()?.saturating_sub(1);
    let first = prompts.first()?.tokens();
    let alike = |n: &usize| prompts.iter().all(|p| p.tokens().get(*n) == first.get(*n));
    let shared = (0..shortest).take_while(alike).count();
    (prompts.len() > 1 && shared >= SHORTEST_PREFIX && model.is_causal()).then(|| &first[..shared])
}

/// Prompts to be run, behind what they all begin with; they may branch behind that.
pub(crate) fn behind<B: Backend>(
    prompts: &[&Sequence],
    prefix: Option<&Prefix<B>>,
    layers: usize,
) -> Result<(TokenBatch, KvCache<B>), ModelError> {
    let Some(prefix) = prefix else {
        let prompts: Vec<Sequence> = prompts.iter().map(|own| (*own).clone()).collect();
        return Ok((TokenBatch::new(&prompts)?, KvCache::new(layers)));
    };
    let every_row = vec![0; prompts.len()];
    let rest = prompts.iter().map(|prompt| {
        let own = prompt.tokens().iter().zip(prompt.roles()).zip(prompt.parents()).skip(prefix.tokens.len());
        own.map(|((token, role), parent)| (parent.unwrap_or(0), *token, *role)).collect()
    });
    let batch = prefix.batch.with_rows(&every_row).following(&rest.collect::<Vec<_>>())?;
    Ok((batch, prefix.cache.with_rows(&every_row)))
}
