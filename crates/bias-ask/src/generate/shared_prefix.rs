//! The common beginning of several prompts, run once for all of them.

use bias_probe::{Sequence, TokenBatch};
use bias_types::TokenRole;
use burn::tensor::backend::Backend;

use super::runner::Runner;
use crate::error::AskError;

/// The common beginning of several prompts, already run.
pub(crate) struct Prefix<C> {
    pub tokens: Vec<u32>,
    /// The batch, of one row.
    pub batch: TokenBatch,
    pub cache: C,
}

/// A shorter prefix is not worth a pass of its own.
const SHORTEST_PREFIX: usize = 4;

impl<C> Prefix<C> {
    pub(crate) fn new(tokens: &[u32], cache: C) -> Result<Self, AskError> {
        let chain = Sequence::chain(tokens.to_vec(), vec![TokenRole::Prompt; tokens.len()])?;
        Ok(Self { tokens: tokens.to_vec(), batch: TokenBatch::new(&[chain])?, cache })
    }
}

/// The common beginning of all prompts, if it is worth a pass of its own and may be `shared`.
pub(crate) fn alike<'p>(shared: bool, prompts: &[&'p Sequence]) -> Option<&'p [u32]> {
    // Every prompt keeps a token of its own: its end has to be run.
    let shortest = prompts.iter().map(|p| p.len()).min()?.saturating_sub(1);
    let first = prompts.first()?.tokens();
    let alike = |n: &usize| prompts.iter().all(|p| p.tokens().get(*n) == first.get(*n));
    let length = (0..shortest).take_while(alike).count();
    (prompts.len() > 1 && length >= SHORTEST_PREFIX && shared).then(|| &first[..length])
}

/// Prompts to be run behind their common beginning; they may branch after it.
pub(crate) fn behind<B: Backend, R: Runner<B>>(
    runner: &R,
    prompts: &[&Sequence],
    prefix: Option<&Prefix<R::Cache>>,
) -> Result<(TokenBatch, R::Cache), AskError> {
    let Some(prefix) = prefix else {
        let prompts: Vec<Sequence> = prompts.iter().map(|own| (*own).clone()).collect();
        return Ok((TokenBatch::new(&prompts)?, runner.empty()));
    };
    let every_row = vec![0; prompts.len()];
    let rest = prompts.iter().map(|prompt| {
        let own = prompt
            .tokens()
            .iter()
            .zip(prompt.roles())
            .zip(prompt.parents())
            .skip(prefix.tokens.len());
        own.map(|((token, role), parent)| (parent.unwrap_or(0), *token, *role)).collect()
    });
    let batch = prefix.batch.with_rows(&every_row).following(&rest.collect::<Vec<_>>())?;
    Ok((batch, runner.rows(&prefix.cache, &every_row)))
}
