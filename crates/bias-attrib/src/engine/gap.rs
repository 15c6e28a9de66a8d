use super::answer_tree::AnswerTree;
use crate::contrast::expected::{Expected, expected};
use crate::contrast::gapless::Gapless;
use crate::contrast::prompt_case::{Contrast, PromptCase};
use crate::error::AttribError;

/// `G = (E[v|A] − E[v|B]) / s`, the standardized difference of the groups' expected answers, over
/// the answers that state a number; `s` is the pooled standard deviation. On a scale of choices
/// each person has one value, and `s` is the deviation among people.
///
/// Under another model the answers stay the same and their weights `w` become `w · p'/p`,
/// normalised for each prompt. This is exact on the answers explored and needs no new decoding. For
/// the model that gave the answers it is `w` itself.
#[derive(Debug)]
pub(crate) struct Gap<'a> {
    pub a: GroupMean<'a>,
    pub b: GroupMean<'a>,
    pub spread: f64,
}

/// One group's expected answers, with the same weight for each person.
#[derive(Debug)]
pub(crate) struct GroupMean<'a> {
    arm: char,
    pub cases: &'a [PromptCase],
    pub mean: f64,
    variance: f64,
    people: Vec<Expected>,
}

impl<'a> Gap<'a> {
    pub(crate) fn new(contrast: &'a Contrast) -> Result<Self, AttribError> {
        contrast.check()?;
        let (a, b) = (GroupMean::new('A', &contrast.a)?, GroupMean::new('B', &contrast.b)?);
        let spread = ((a.variance + b.variance) / 2.0).sqrt();
        // A smaller spread is a rounding error of equal answers.
        if spread <= 1e-7 * a.mean.abs().max(b.mean.abs()) {
            return Err(AttribError::NoSpread);
        }
        if !a.varies() && !b.varies() {
            return Err(AttribError::Unvarying { arm: None });
        }
        Ok(Self { a, b, spread })
    }

    /// For methods that change B's runs alone.
    ///
    /// # Errors
    /// [`AttribError::Unvarying`] where nobody's answer in B varies.
    pub(crate) fn check_b_varies(&self) -> Result<(), AttribError> {
        if self.b.varies() { Ok(()) } else { Err(AttribError::Unvarying { arm: Some('B') }) }
    }

    /// Positive where A is given more.
    pub(crate) fn size(&self) -> f64 {
        (self.a.mean - self.b.mean) / self.spread
    }

    pub(crate) fn sign(&self) -> f64 {
        (self.a.mean - self.b.mean).signum()
    }

    /// The fall of `|G|` if the groups' means become `mean_a` and `mean_b`. `s` stays fixed.
    pub(crate) fn fall(&self, mean_a: f64, mean_b: f64) -> f64 {
        ((self.a.mean - self.b.mean).abs() - (mean_a - mean_b).abs()) / self.spread
    }
}

/// The gaps of the contrasts that have one, and a list of the others.
///
/// # Errors
/// The first contrast's reason if none has a gap, and any other error.
pub(crate) fn gaps(contrasts: &[Contrast]) -> Result<(Vec<Gap<'_>>, Vec<Gapless>), AttribError> {
    let (mut gaps, mut left_out, mut first) =
        (Vec::with_capacity(contrasts.len()), Vec::new(), None);
    for (index, contrast) in contrasts.iter().enumerate() {
        match Gap::new(contrast) {
            Ok(gap) => gaps.push(gap),
            Err(error) if error.is_without_gap() => {
                left_out.push(Gapless { contrast: index, reason: error.to_string() });
                first.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match first {
        Some(error) if gaps.is_empty() => Err(error),
        _ => Ok((gaps, left_out)),
    }
}

impl<'a> GroupMean<'a> {
    fn new(arm: char, cases: &'a [PromptCase]) -> Result<Self, AttribError> {
        let n = cases.len() as f64;
        let mut people = Vec::with_capacity(cases.len());
        for (index, case) in cases.iter().enumerate() {
            let logs: Vec<f64> = case.answers.iter().map(|a| a.weight.ln()).collect();
            let person = expected(case.scale, &case.answers, &logs);
            people.push(person.ok_or(AttribError::NoValue { arm, index })?);
        }
        let mean: f64 = people.iter().map(|person| person.value / n).sum();
        let between = people.iter().map(|person| (person.value - mean).powi(2) / n).sum::<f64>();
        let within = people.iter().map(|person| person.variance / n).sum::<f64>();
        Ok(Self { arm, cases, mean, variance: between + within, people })
    }

    fn varies(&self) -> bool {
        self.people.iter().any(Expected::varies)
    }

    /// `scale · ∂(group's mean)/∂(log p)` of every branch. With `E` a person's mean it is
    /// `∂E = Σ p (v − E) ∂log p` over all answers, so it has no sampling noise.
    pub(crate) fn worths(&self, trees: &[AnswerTree<'_>], scale: f64) -> Vec<f64> {
        let share = scale / self.people.len() as f64;
        let of_tree = |tree: &AnswerTree<'_>| {
            tree.sums(self.people[tree.index].slopes.iter().map(|s| share * s))
        };
        trees.iter().flat_map(of_tree).collect()
    }

    /// The contribution of these people to the group's mean if their answers' log-probabilities go
    /// from `base` to `now`.
    ///
    /// # Errors
    /// [`AttribError::ValueLost`] for a person whose answers have no probability left.
    pub(crate) fn mean_under(
        &self,
        trees: &[AnswerTree<'_>],
        base: &[Vec<f64>],
        now: &[Vec<f64>],
    ) -> Result<f64, AttribError> {
        let mut sum = 0.0;
        for ((tree, base), now) in trees.iter().zip(base).zip(now) {
            let moved = tree.answers.iter().zip(now.iter().zip(base));
            let logs: Vec<f64> = moved.map(|(a, (now, base))| a.weight.ln() + now - base).collect();
            let person = expected(tree.scale, tree.answers, &logs)
                .ok_or(AttribError::ValueLost { arm: self.arm, index: tree.index })?;
            sum += person.value;
        }
        Ok(sum / self.people.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use bias_probe::Sequence;
    use bias_types::TokenRole;

    use super::*;
    use crate::contrast::prompt_case::PossibleAnswer;

    fn contrast() -> Contrast {
        let prompt = Sequence::chain(vec![1], vec![TokenRole::Prompt]).unwrap();
        let answer = |token, value, weight| PossibleAnswer {
            tokens: vec![token],
            finished: true,
            value,
            weight,
            ..PossibleAnswer::default()
        };
        let ask = |low: f64| {
            PromptCase::new(
                prompt.clone(),
                vec![
                    answer(3, Some(10.0), low),
                    answer(4, Some(20.0), 0.8 - low),
                    answer(5, None, 0.2),
                ],
            )
        };
        Contrast { a: vec![ask(0.2)], b: vec![ask(0.6)] }
    }

    #[test]
    fn the_gap_is_standardized_and_its_weights_move_with_the_model() {
        let contrast = contrast();
        let gap = Gap::new(&contrast).unwrap();
        assert!((gap.a.mean - 17.5).abs() < 1e-12 && (gap.b.mean - 12.5).abs() < 1e-12);
        assert!((gap.spread - 18.75f64.sqrt()).abs() < 1e-12);
        let trees = crate::engine::answer_tree::batches(gap.a.cases).unwrap();
        let base = vec![vec![-1.0, -2.0, -3.0]];
        assert!((gap.a.mean_under(&trees[0], &base, &base).unwrap() - 17.5).abs() < 1e-12);
        // The first answer becomes three times as probable: 0.6 against 0.6.
        let now = vec![vec![3f64.ln() - 1.0, -2.0, -3.0]];
        let moved = gap.a.mean_under(&trees[0], &base, &now).unwrap();
        assert!((moved - 15.0).abs() < 1e-12);
        assert!((gap.fall(moved, gap.b.mean) - 2.5 / gap.spread).abs() < 1e-12);
        // A very different model leaves a number all the same.
        let moved = gap.a.mean_under(&trees[0], &base, &[vec![-1e9, -2e9, 0.0]]).unwrap();
        assert_eq!(moved, 10.0);
        // One that leaves no answer with a value does not.
        let lost = gap.a.mean_under(&trees[0], &base, &[vec![f64::NEG_INFINITY; 3]]);
        assert!(matches!(lost, Err(AttribError::ValueLost { arm: 'A', index: 0 })), "{lost:?}");
    }
}
