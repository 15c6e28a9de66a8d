use crate::error::AskError;

/// Tokens whose likelihood is wanted, behind tokens that are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    tokens: Vec<u32>,
    given: usize,
}

impl Continuation {
    /// The tokens that are given, and those that may follow them.
    ///
    /// # Errors
    /// [`AskError::Continuation`] if either has no token: the first token of a text has no
    /// likelihood.
    pub fn new(given: &[u32], wanted: &[u32]) -> Result<Self, AskError> {
        if given.is_empty() || wanted.is_empty() {
            return Err(AskError::Continuation { given: given.len(), wanted: wanted.len() });
        }
        Ok(Self { tokens: [given, wanted].concat(), given: given.len() })
    }

    /// All tokens.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The number of tokens that are only given.
    #[must_use]
    pub fn given(&self) -> usize {
        self.given
    }

    /// The tokens whose likelihood is wanted.
    #[must_use]
    pub fn wanted(&self) -> &[u32] {
        &self.tokens[self.given..]
    }
}

/// How likely a model finds a [`Continuation`].
#[derive(Debug, Clone, PartialEq)]
pub struct Likelihood {
    /// The log-probability of each wanted token in nats, given all tokens before it.
    pub log_probs: Vec<f64>,
    /// Whether each wanted token is the most probable one in its place: whether greedy decoding
    /// would say them. A token as probable as the most probable one counts.
    pub greedy: bool,
}

impl Likelihood {
    /// The log-likelihood of all wanted tokens together, in nats.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.log_probs.iter().sum()
    }
}
