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
    // A prefix runs as a chain, so it ends where a prompt branches.
    let chain = |p: &Sequence, n: usize| p.parents().get(n).copied() == Some(n.checked_sub(1));
    let alike =
        |n: &usize| prompts.iter().all(|p| p.tokens().get(*n) == first.get(*n) && chain(p, *n));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(tokens: &[u32], parents: &[Option<usize>]) -> Sequence {
        let roles = vec![TokenRole::Prompt; tokens.len()];
        Sequence::tree(tokens.to_vec(), roles, parents.to_vec()).unwrap()
    }

    #[test]
    fn a_prefix_ends_where_prompts_differ_or_branch() {
        let chain: Vec<Option<usize>> = (0..7usize).map(|n| n.checked_sub(1)).collect();
        let whole = tree(&[5, 6, 7, 8, 9, 1, 2], &chain);
        let other = tree(&[5, 6, 7, 8, 9, 3, 2], &chain);
        assert_eq!(alike(true, &[&whole, &other]), Some(&[5, 6, 7, 8, 9][..]));
        // Prompts keep a token of their own.
        assert_eq!(alike(true, &[&whole, &whole]).map(<[u32]>::len), Some(6));
        assert_eq!(alike(false, &[&whole, &whole]), None);
        // The last two tokens both follow the fifth.
        let mut forked = chain.clone();
        forked[6] = Some(4);
        let mut longer = forked.clone();
        longer.push(Some(6));
        let forked = tree(&[5, 6, 7, 8, 9, 1, 2, 3], &longer);
        assert_eq!(alike(true, &[&forked, &forked]).map(<[u32]>::len), Some(6));
    }
}
