use bias_probe::Sequence;
use bias_types::prompt::{Scale, TokenSet};

use crate::error::AttribError;

/// A possible answer of a model, with its probability.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PossibleAnswer {
    /// Its tokens, the ending one included.
    pub tokens: Vec<u32>,
    /// Whether the last of these tokens ends the answer, so that it is never run itself.
    pub finished: bool,
    /// Tokens that would continue the answer. If there are any, every other token ends it, as any
    /// token but a digit ends a number. The answer's probability is then that of its tokens times
    /// the total probability of the tokens that end it.
    pub until: Option<TokenSet>,
    /// The number it states, or `None` if it states none. For a choice it is 1 if the answer is
    /// favourable to the person and 0 if not.
    pub value: Option<f64>,
    /// The probability, or the share of samples with this answer.
    pub weight: f64,
}

impl PossibleAnswer {
    /// An answer with these tokens and without a number. Call [`ending`](Self::ending) if the last
    /// token ends the answer.
    #[must_use]
    pub fn new(tokens: impl Into<Vec<u32>>, weight: f64) -> Self {
        Self { tokens: tokens.into(), weight, ..Self::default() }
    }

    /// The answer with a number. For a choice this is 1 if it is favourable and 0 if not.
    #[must_use]
    pub fn with_value(self, value: f64) -> Self {
        Self { value: Some(value), ..self }
    }

    /// The answer, ended by its last token. The model never runs that token.
    #[must_use]
    pub fn ending(self) -> Self {
        Self { finished: true, ..self }
    }
}

/// A prompt about one person, and the answers to it.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptCase {
    /// The prompt's tokens, with those of the name marked.
    pub prompt: Sequence,
    /// Distinct answers.
    pub answers: Vec<PossibleAnswer>,
    /// The scale on which these answers are summed up.
    pub scale: Scale,
}

impl PromptCase {
    /// A case whose answers are summed up by their mean.
    #[must_use]
    pub fn new(prompt: Sequence, answers: Vec<PossibleAnswer>) -> Self {
        Self { prompt, answers, scale: Scale::Mean }
    }

    /// The case with another scale.
    #[must_use]
    pub fn on(self, scale: Scale) -> Self {
        Self { scale, ..self }
    }
}

/// The same question about people of two groups.
///
/// `a` is the group that a positive difference favours (white-associated names in
/// the paper), `b` the one it is compared with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Contrast {
    /// Prompts about group A.
    pub a: Vec<PromptCase>,
    /// Prompts about group B.
    pub b: Vec<PromptCase>,
}

impl Contrast {
    /// Several contrasts as one, for methods that pool prompts.
    #[must_use]
    pub fn pooled(contrasts: &[Self]) -> Self {
        let all = |pick: fn(&Self) -> &Vec<PromptCase>| {
            contrasts.iter().flat_map(pick).cloned().collect()
        };
        Self { a: all(|c| &c.a), b: all(|c| &c.b) }
    }

    /// The contrast with only the `count` most probable answers to each prompt, for methods that
    /// look at how an answer comes about and not at its number.
    #[must_use]
    pub fn most_probable(&self, count: usize) -> Self {
        let keep = |cases: &[PromptCase]| {
            let own = cases.iter().map(|r| {
                let mut answers = r.answers.clone();
                answers.sort_by(|a, b| {
                    b.weight.total_cmp(&a.weight).then_with(|| a.tokens.cmp(&b.tokens))
                });
                answers.truncate(count);
                PromptCase { prompt: r.prompt.clone(), answers, scale: r.scale }
            });
            own.collect()
        };
        Self { a: keep(&self.a), b: keep(&self.b) }
    }

    /// The contrast with A and B exchanged, for methods that treat the groups differently.
    #[must_use]
    pub fn swapped(&self) -> Self {
        Self { a: self.b.clone(), b: self.a.clone() }
    }

    /// Refuses contrasts that no method can work with. Every [`Attribution`](crate::Attribution)
    /// begins with this check.
    ///
    /// # Errors
    /// [`AttribError::EmptyArm`]; [`AttribError::BadAnswer`] for an answer that has neither tokens
    /// nor an end, or whose weight or value is impossible.
    pub fn check(&self) -> Result<(), AttribError> {
        for (arm, cases) in [('A', &self.a), ('B', &self.b)] {
            if cases.is_empty() {
                return Err(AttribError::EmptyArm { arm });
            }
            for (index, answer) in
                cases.iter().enumerate().flat_map(|(i, r)| r.answers.iter().map(move |a| (i, a)))
            {
                let number = answer.value.is_none_or(f64::is_finite);
                let nothing = answer.tokens.is_empty() && answer.until.is_none();
                if nothing || !answer.weight.is_finite() || answer.weight < 0.0 || !number {
                    return Err(AttribError::BadAnswer { arm, index });
                }
            }
        }
        Ok(())
    }

    /// Does the same, for methods that compare A's `k`-th person with B's.
    ///
    /// # Errors
    /// As [`check`](Self::check); [`AttribError::Unpaired`] for groups of different sizes.
    pub fn check_pairs(&self) -> Result<(), AttribError> {
        self.check()?;
        if self.a.len() == self.b.len() {
            return Ok(());
        }
        Err(AttribError::Unpaired { a: self.a.len(), b: self.b.len() })
    }
}
