use super::prompt_case::{Contrast, PromptCase};
use crate::error::AttribError;

/// Builds a [`Contrast`] and checks it: see [`Contrast::builder`].
#[derive(Debug, Clone, Default)]
#[must_use = "call `build` to get the contrast"]
pub struct ContrastBuilder {
    contrast: Contrast,
    paired: bool,
}

impl Contrast {
    /// Starts a contrast without prompts. [`build`](ContrastBuilder::build) checks it.
    ///
    /// ```
    /// use bias_attrib::prelude::*;
    ///
    /// // Token 5 or 6 is the name. The answer is 7, worth 10, or 8, worth 20.
    /// let about = |name: u32, high: f64| -> Result<PromptCase, ProbeError> {
    ///     let roles = vec![TokenRole::Prompt, TokenRole::Name, TokenRole::Prompt];
    ///     let answer = |token, value, weight| PossibleAnswer::new([token], weight).with_value(value);
    ///     let answers = vec![answer(7, 10.0, 1.0 - high), answer(8, 20.0, high)];
    ///     Ok(PromptCase::new(Sequence::chain(vec![1, name, 3], roles)?, answers))
    /// };
    /// let contrast = Contrast::builder().a([about(5, 0.6)?]).b([about(6, 0.4)?]).paired().build()?;
    /// assert_eq!((contrast.a.len(), contrast.b.len()), (1, 1));
    /// // A group is missing.
    /// assert!(Contrast::builder().a([about(5, 0.6)?]).build().is_err());
    /// # Ok::<(), AttribError>(())
    /// ```
    pub fn builder() -> ContrastBuilder {
        ContrastBuilder::default()
    }
}

impl ContrastBuilder {
    /// Adds prompts about group A, which a positive difference favours.
    pub fn a(mut self, prompts: impl IntoIterator<Item = PromptCase>) -> Self {
        self.contrast.a.extend(prompts);
        self
    }

    /// Adds prompts about group B, which is compared with A.
    pub fn b(mut self, prompts: impl IntoIterator<Item = PromptCase>) -> Self {
        self.contrast.b.extend(prompts);
        self
    }

    /// Requires groups of the same size, for methods such as patching that compare A's `k`-th
    /// person with B's.
    pub fn paired(self) -> Self {
        Self { paired: true, ..self }
    }

    /// Checks the contrast and returns it.
    ///
    /// # Errors
    /// As [`Contrast::check`], and with [`paired`](Self::paired) as [`Contrast::check_pairs`].
    pub fn build(self) -> Result<Contrast, AttribError> {
        if self.paired {
            self.contrast.check_pairs()?;
        } else {
            self.contrast.check()?;
        }
        Ok(self.contrast)
    }
}

#[cfg(test)]
mod tests {
    use bias_probe::Sequence;
    use bias_types::TokenRole;

    use super::*;
    use crate::contrast::prompt_case::PossibleAnswer;

    fn person(weight: f64) -> PromptCase {
        let prompt = Sequence::chain(vec![1], vec![TokenRole::Prompt]).unwrap();
        PromptCase::new(prompt, vec![PossibleAnswer::new([3], weight).with_value(1.0)])
    }

    #[test]
    fn what_is_built_was_checked() {
        let built =
            Contrast::builder().a([person(1.0)]).b([person(0.5)]).b([person(0.2)]).build().unwrap();
        assert_eq!(built, Contrast { a: vec![person(1.0)], b: vec![person(0.5), person(0.2)] });
        let empty = Contrast::builder().b([person(1.0)]).build();
        assert!(matches!(empty, Err(AttribError::EmptyArm { arm: 'A' })));
        let negative = Contrast::builder().a([person(1.0)]).b([person(1.0), person(-1.0)]).build();
        assert!(matches!(negative, Err(AttribError::BadAnswer { arm: 'B', index: 1 })));
    }

    #[test]
    fn pairs_are_asked_for() {
        let uneven = Contrast::builder().a([person(1.0)]).b([person(1.0), person(1.0)]);
        assert!(uneven.clone().build().is_ok());
        assert!(matches!(uneven.paired().build(), Err(AttribError::Unpaired { a: 1, b: 2 })));
    }
}
