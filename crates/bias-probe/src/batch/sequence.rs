use bias_types::TokenRole;

use crate::error::ProbeError;

/// The tokens of one prompt (and its answer), each with its role.
///
/// Usually a chain: every token follows the one before. It may also branch:
/// several possible answers to one prompt share the prompt's tokens, and each
/// token sees only its own ancestors. One pass over such a tree gives the same
/// activations as one pass per branch.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    tokens: Vec<u32>,
    roles: Vec<TokenRole>,
    /// Each token's weight in statistics: 1, or the probability of reaching it.
    weights: Vec<f32>,
    /// `parents[i]` is the token that token `i` follows; `None` for a first token.
    parents: Vec<Option<usize>>,
}

impl Sequence {
    /// A chain of tokens.
    ///
    /// # Errors
    /// [`ProbeError::BadSequence`] if there is no token, if there are not as many roles as tokens,
    /// or if a role is [`TokenRole::Padding`].
    pub fn chain(tokens: Vec<u32>, roles: Vec<TokenRole>) -> Result<Self, ProbeError> {
        let parents = (0..tokens.len()).map(|i| i.checked_sub(1)).collect();
        Self::tree(tokens, roles, parents)
    }

    /// A tree of tokens; a parent always comes before its children.
    ///
    /// # Errors
    /// As [`chain`](Self::chain), and when a parent does not come before its child.
    pub fn tree(
        tokens: Vec<u32>,
        roles: Vec<TokenRole>,
        parents: Vec<Option<usize>>,
    ) -> Result<Self, ProbeError> {
        let bad = |reason: String| Err(ProbeError::BadSequence { row: 0, reason });
        if tokens.is_empty() {
            return bad("it has no tokens".into());
        }
        if roles.len() != tokens.len() || parents.len() != tokens.len() {
            return bad(format!(
                "{} tokens need as many roles and parents, found {} and {}",
                tokens.len(),
                roles.len(),
                parents.len()
            ));
        }
        if roles.contains(&TokenRole::Padding) {
            return bad("padding is added by the batch and cannot be a token's own role".into());
        }
        if let Some(i) = (0..parents.len()).find(|&i| parents[i].is_some_and(|p| p >= i)) {
            return bad(format!(
                "token {i} follows token {:?}, which does not come before it",
                parents[i]
            ));
        }
        Ok(Self { weights: vec![1.0; tokens.len()], tokens, roles, parents })
    }

    /// Sets each token's weight in statistics, which is 1 otherwise. If the weights are the
    /// probabilities of reaching each token in a tree of answers, a sum over the tree's tokens is
    /// the expected sum over the tokens of one answer.
    ///
    /// # Errors
    /// [`ProbeError::BadSequence`] unless there is a finite weight of at least 0 per token.
    pub fn with_weights(self, weights: Vec<f32>) -> Result<Self, ProbeError> {
        let fit = weights.len() == self.tokens.len()
            && weights.iter().all(|w| w.is_finite() && *w >= 0.0);
        if !fit {
            let reason =
                format!("{} tokens need as many weights, finite and at least 0", self.tokens.len());
            return Err(ProbeError::BadSequence { row: 0, reason });
        }
        Ok(Self { weights, ..self })
    }

    /// Each token's weight in statistics.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The token ids.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Each token's role.
    #[must_use]
    pub fn roles(&self) -> &[TokenRole] {
        &self.roles
    }

    /// The token that each token follows; `None` for a first token.
    #[must_use]
    pub fn parents(&self) -> &[Option<usize>] {
        &self.parents
    }

    /// Number of tokens, branches included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Never true: a sequence has at least one token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}
