use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use bias_probe::device::{Memory, to_f32};
use bias_probe::gradients::Factors;
use bias_probe::{DifferentiableModel, ProbeError};
use bias_types::{Convention, ParamPath, ParamScores, Projection};
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};
use rayon::slice::{ParallelSlice as _, ParallelSliceMut as _};

use super::attribution::Attribution;
use crate::contrast::gapless::Gapless;
use crate::contrast::prompt_case::Contrast;
use crate::engine::answer_tree::AnswerTree;
use crate::engine::gap::{Gap, gaps};
use crate::engine::likelihood::{Predicted, checked_temperature};
use crate::engine::readback::{finite, read_any};
use crate::engine::shared_prefix::{Capacity, PrefixTree, batches, token_batch};
use crate::error::{AttribError, ValuesOf};

/// Each weight's share of the gap between two groups' mean answers, to first order:
/// `sign(G) · W_ij · ∂G/∂W_ij`, the fall of `|G|` if the weight becomes 0.
///
/// `G = (E[v|A] − E[v|B]) / s` is the standardized difference of the *whole* number's
/// expectation over the answers given, with the pooled standard deviation `s` held
/// fixed. With `p` an answer's probability and `E` its person's mean,
/// `∂E/∂W = Σ p (v − E) ∂log p/∂W` is summed over all answers, so the gradient has no
/// sampling noise; answers that were not explored count as the mean.
///
/// If sampling truncates the distribution (top-k, top-p), the set of tokens kept is taken as given
/// and the common factor of their probabilities is not differentiated. This is an approximation.
///
/// Positive weights carry the gap, negative ones hold it down. The answers must come from the model
/// in its present state, at the given [temperature](Self::with_temperature).
#[derive(Debug, Clone, Copy)]
pub struct SignedGap {
    temperature: f64,
    guard: f64,
    threads: usize,
}

impl Default for SignedGap {
    /// Temperature 1, no guard, one thread.
    fn default() -> Self {
        Self { temperature: 1.0, guard: 0.0, threads: 1 }
    }
}

impl SignedGap {
    /// The temperature the answers' probabilities were taken at.
    ///
    /// # Errors
    /// [`AttribError::Temperature`] unless positive and finite.
    pub fn with_temperature(self, temperature: f64) -> Result<Self, AttribError> {
        Ok(Self { temperature: checked_temperature(temperature)?, ..self })
    }

    /// Discounts weights that move both groups' answers in the same direction, because pruning them
    /// would spoil all answers. `guard` times `|W · ∂L/∂W|` is subtracted from the score, where `L`
    /// is the mean of both groups' standardized expectations.
    #[must_use]
    pub fn with_guard(self, guard: f64) -> Self {
        Self { guard: guard.max(0.0), ..self }
    }

    /// The number of batches that run side by side
    /// ([`factors_all`](DifferentiableModel::factors_all)), and of matrices scored side by side.
    /// The scores do not depend on it.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads: threads.max(1), ..self }
    }
}

impl<B: AutodiffBackend, M: DifferentiableModel<B>> Attribution<B, M> for SignedGap {
    type Found = Vec<ParamScores>;

    fn name(&self) -> &'static str {
        "signed-gap"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<Vec<ParamScores>, AttribError> {
        self.sums(model, std::slice::from_ref(contrast))
    }
}

/// A person's answers, and the worths of their branches.
type Person<'a> = (AnswerTree<'a>, Vec<f64>);

/// People who are run in one batch.
struct Part {
    rows: Vec<PrefixTree>,
    worths: Vec<f64>,
    /// 1 for group B, which the level subtracts; always 0 without a guard.
    arm: usize,
}

impl Part {
    fn all(people: &[Person<'_>], capacity: Capacity, arm: usize) -> impl Iterator<Item = Self> {
        let trees: Vec<&AnswerTree<'_>> = people.iter().map(|(tree, _)| tree).collect();
        batches(&trees, capacity).into_iter().map(move |rows| {
            let members = rows.iter().flat_map(|row| &row.members);
            let worths = members.flat_map(|i| people[*i].1.iter().copied()).collect();
            Self { rows, worths, arm }
        })
    }
}

impl SignedGap {
    /// Every matrix's scores, summed over all contrasts that have a gap, in the order of the
    /// model's matrices. [`score`](Self::score) also returns the contrasts without a gap. A
    /// [guard](Self::with_guard) discounts weights that move the answers of all contrasts together.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn sums<B: AutodiffBackend, M: DifferentiableModel<B>>(
        &self,
        model: &M,
        contrasts: &[Contrast],
    ) -> Result<Vec<ParamScores>, AttribError> {
        let mut found = BTreeMap::new();
        self.score(model, contrasts, &mut |scores| {
            found.insert(scores.path().clone(), scores);
            Ok(())
        })?;
        Ok(model.dims().projections().filter_map(|(path, ..)| found.remove(&path)).collect())
    }

    /// Scores all contrasts together and hands out each matrix's scores as soon as they are
    /// complete, in the order of the model's [gradients](DifferentiableModel::factors_all). With a
    /// model that is left in its file, no more than one layer's scores are ever held. Contrasts
    /// without a gap to differentiate are left out and returned with the reason.
    ///
    /// # Errors
    /// [`AttribError::NoSpread`], [`AttribError::NoValue`] or [`AttribError::Unvarying`] if no
    /// contrast is left; a failed pass; the errors of `take`.
    pub fn score<B: AutodiffBackend, M: DifferentiableModel<B>>(
        &self,
        model: &M,
        contrasts: &[Contrast],
        take: &mut dyn FnMut(ParamScores) -> Result<(), AttribError>,
    ) -> Result<Vec<Gapless>, AttribError> {
        let (gaps, left_out) = gaps(contrasts)?;
        if gaps.is_empty() {
            return Err(AttribError::NoSpread);
        }
        let dims = *model.dims();
        let [a, b] = people(&gaps)?;
        let capacity = Capacity::of(&dims, model.is_causal());
        let parts: Vec<Part> = match self.guard > 0.0 {
            true => Part::all(&a, capacity, 0).chain(Part::all(&b, capacity, 1)).collect(),
            false => Part::all(&a.into_iter().chain(b).collect::<Vec<_>>(), capacity, 0).collect(),
        };
        if parts.is_empty() {
            // The worths of answers with the same tokens and different values can cancel out.
            return Err(AttribError::Unvarying { arm: None });
        }
        let together =
            parts.iter().map(|part| token_batch(&part.rows)).collect::<Result<Vec<_>, _>>()?;
        let loss = |model: &M, i: usize, hidden| {
            let Part { rows, worths, .. } = &parts[i];
            let own = rows.iter().map(|row| &*row.branches);
            Predicted::new(model, hidden, own, self.temperature)?.worth(worths)
        };
        let at_once = self.threads.min(dims.block_projections().count());
        let mut work = Work { open: HashMap::new(), waiting: Vec::new() };
        let mut failed = None;
        let mut add = |first: usize, path: &ParamPath, factors: Vec<Factors<B::InnerBackend>>| {
            let end = first + factors.len();
            let weight =
                if end == parts.len() { Some(to_f32(model.weight(path)?.inner())) } else { None };
            let arms = parts[first..end].iter().map(|part| part.arm).collect();
            work.waiting.push(Wave { path: path.clone(), factors, arms, weight });
            // Never beyond a block, because a streamed model then reads the next one.
            let ends =
                path.projection().is_none_or(|(_, projection)| projection == Projection::Down);
            let full = work.waiting.len() >= at_once || work.weights() >= WEIGHTS_AT_ONCE || ends;
            let done = if full { work.done(self.guard, take) } else { Ok(()) };
            done.map_err(|error| match error {
                AttribError::Probe(error) => error,
                error => {
                    failed = Some(error);
                    ProbeError::NoGradient { path: path.clone() }
                }
            })
        };
        let done = model.factors_all(&together, self.threads, &loss, &mut add);
        if let Some(error) = failed {
            return Err(error);
        }
        done?;
        work.done(self.guard, take)?;
        Ok(left_out)
    }
}

/// Most weights of matrices that are scored side by side.
const WEIGHTS_AT_ONCE: usize = 100_000_000;

/// The contributions of some parts to a matrix's gradient.
struct Wave<B: Backend> {
    path: ParamPath,
    /// The factors of each part, and the arm that each part counts for.
    factors: Vec<Factors<B>>,
    arms: Vec<usize>,
    /// Present with the last parts.
    weight: Option<Tensor<B, 2>>,
}

/// The partial sum of a matrix's gradient, `[out, in]`, for each arm. Without a guard, the first
/// holds all of it.
type Sums<B> = [Option<Tensor<B, 2>>; 2];

/// The result of adding a wave.
enum Added<B: Backend> {
    Open(ParamPath, Sums<B>),
    Complete(ParamScores),
}

/// Matrices that are being scored, several side by side.
struct Work<B: Backend> {
    open: HashMap<ParamPath, Sums<B>>,
    waiting: Vec<Wave<B>>,
}

impl<B: Backend> Work<B> {
    /// Weights of the matrices that wait.
    fn weights(&self) -> usize {
        let weights = |wave: &Wave<B>| {
            let first = wave.factors.first();
            first.map_or(0, |own| own.inputs.dims()[1] * own.slopes.dims()[1])
        };
        self.waiting.iter().map(weights).sum()
    }

    /// Adds all waves that wait.
    fn done(
        &mut self,
        guard: f64,
        take: &mut dyn FnMut(ParamScores) -> Result<(), AttribError>,
    ) -> Result<(), AttribError> {
        let with_sums = |wave: Wave<B>| (self.open.remove(&wave.path).unwrap_or_default(), wave);
        let waves: Vec<_> = self.waiting.drain(..).map(with_sums).collect();
        let added = waves.into_par_iter().map(|(sums, wave)| wave.added(sums, guard));
        for added in added.collect::<Result<Vec<_>, AttribError>>()? {
            match added {
                Added::Open(path, sums) => drop(self.open.insert(path, sums)),
                Added::Complete(scores) => take(scores)?,
            }
        }
        Ok(())
    }
}

impl<B: Backend> Wave<B> {
    /// Adds the wave to the partial sums. With the last parts, scores the matrix.
    fn added(self, sums: Sums<B>, guard: f64) -> Result<Added<B>, AttribError> {
        let mut own = [Vec::new(), Vec::new()];
        self.factors.into_iter().zip(self.arms).for_each(|(factors, arm)| own[arm].push(factors));
        // One product for all parts of an arm.
        let arms = sums
            .into_iter()
            .zip(own)
            .map(|(sum, own)| GroupGradient { sum, factors: Factors::together(own) });
        let Some(weight) = self.weight else {
            let mut arms = arms.map(GroupGradient::gradient);
            return Ok(Added::Open(self.path, [arms.next().flatten(), arms.next().flatten()]));
        };
        let (shape, what) = (weight.dims(), ValuesOf::Param(self.path.clone()));
        let arms: Vec<_> = arms.collect();
        let scores = if Memory::of::<B>(&weight.device()).is_own() {
            let mut scores = read_any(weight, &what)?;
            score_in_place(&mut scores, shape, &arms, guard, &what)?;
            scores
        } else {
            read_any(scores_on_device(weight, arms, guard), &what)?
        };
        // A NaN or infinite weight or gradient makes its score NaN or infinite.
        if !finite(&scores) {
            return Err(AttribError::NotFinite { what });
        }
        Ok(Added::Complete(ParamScores::new(self.path, shape, Convention::BiasCarried, scores)?))
    }
}

/// A gradient: the partial sum, and the factors to add.
struct GroupGradient<B: Backend> {
    sum: Option<Tensor<B, 2>>,
    factors: Option<Factors<B>>,
}

impl<B: Backend> GroupGradient<B> {
    fn gradient(self) -> Option<Tensor<B, 2>> {
        plus(self.sum, self.factors.map(Factors::gradient))
    }

    fn of_rows(&self, rows: Range<usize>) -> Option<Tensor<B, 2>> {
        let sum = self.sum.as_ref().map(|sum| sum.clone().narrow(0, rows.start, rows.len()));
        Self { sum, factors: self.factors.as_ref().map(|factors| factors.of_rows(rows)) }.gradient()
    }
}

/// A matrix's scores, computed on its device, so that nothing but the scores is read back.
fn scores_on_device<B: Backend>(
    weight: Tensor<B, 2>,
    arms: Vec<GroupGradient<B>>,
    guard: f64,
) -> Tensor<B, 2> {
    let mut arms = arms.into_iter().map(GroupGradient::gradient);
    let [a, b] = [arms.next().flatten(), arms.next().flatten()];
    let level = level(&a, &b, guard).map(|level| (level * weight.clone()).abs() * (guard / 2.0));
    let carried = match plus(a, b) {
        Some(gap) => gap * weight,
        None => weight.zeros_like(),
    };
    match level {
        Some(level) => carried - level,
        None => carried,
    }
}

/// The gradient of the level of both groups' answers; `None` without a guard.
fn level<B: Backend>(
    a: &Option<Tensor<B, 2>>,
    b: &Option<Tensor<B, 2>>,
    guard: f64,
) -> Option<Tensor<B, 2>> {
    if guard > 0.0 { plus(a.clone(), b.clone().map(Tensor::neg)) } else { None }
}

/// Weights whose gradients are computed at a time: few enough to stay in the cache until they are
/// used, and enough for an efficient product.
const PIECE: usize = 1 << 22;

/// Weights that one thread works on.
const SIDE_BY_SIDE: usize = 1 << 16;

/// Scores weights in this process's memory in place, so that no second matrix is held.
fn score_in_place<B: Backend>(
    weights: &mut [f32],
    [rows, columns]: [usize; 2],
    arms: &[GroupGradient<B>],
    guard: f64,
    what: &ValuesOf,
) -> Result<(), AttribError> {
    let at_once = (PIECE / columns.max(1)).max(64);
    for first in (0..rows).step_by(at_once) {
        let some = first..rows.min(first + at_once);
        let mut all = arms.iter().map(|arm| arm.of_rows(some.clone()));
        let [a, b] = [all.next().flatten(), all.next().flatten()];
        let level = level(&a, &b, guard);
        let own = &mut weights[some.start * columns..some.end * columns];
        let Some(gap) = plus(a, b) else {
            own.fill(0.0);
            continue;
        };
        let (gap, guard) = (read_any(gap, what)?, guard as f32 / 2.0);
        let own = own.par_chunks_mut(SIDE_BY_SIDE).zip(gap.par_chunks(SIDE_BY_SIDE));
        match level {
            None => own
                .for_each(|(own, gap)| own.iter_mut().zip(gap).for_each(|(own, gap)| *own *= gap)),
            Some(level) => {
                let level = read_any(level, what)?;
                own.zip(level.par_chunks(SIDE_BY_SIDE)).for_each(|((own, gap), level)| {
                    for ((own, gap), level) in own.iter_mut().zip(gap).zip(level) {
                        *own = gap * *own - (level * *own).abs() * guard;
                    }
                });
            }
        }
    }
    Ok(())
}

fn plus<B: Backend>(a: Option<Tensor<B, 2>>, b: Option<Tensor<B, 2>>) -> Option<Tensor<B, 2>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

/// Each group's people with something to differentiate.
fn people<'a>(gaps: &[Gap<'a>]) -> Result<[Vec<Person<'a>>; 2], AttribError> {
    let mut both = [Vec::new(), Vec::new()];
    for gap in gaps {
        for ((arm, sign), people) in [(&gap.a, 1.0), (&gap.b, -1.0)].into_iter().zip(&mut both) {
            let scale = sign * gap.sign() / gap.spread;
            for (index, asked) in arm.cases.iter().enumerate() {
                let tree = AnswerTree::new(index, &asked.prompt, &asked.answers, asked.scale)?;
                let worths = arm.worths(std::slice::from_ref(&tree), scale);
                // People with one possible answer have nothing to differentiate.
                if worths.iter().any(|worth| *worth != 0.0) {
                    people.push((tree, worths));
                }
            }
        }
    }
    Ok(both)
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;
    use burn::tensor::Distribution;

    use super::*;

    /// More rows than are looked at together.
    #[test]
    fn a_large_matrix_is_scored_as_it_would_be_at_once() {
        let shape = [150, 1 << 16];
        let random = |shape: [usize; 2]| {
            Tensor::<Flex, 2>::random(shape, Distribution::Uniform(-1.0, 1.0), &Default::default())
        };
        let factors = || Factors { inputs: random([3, shape[1]]), slopes: random([3, shape[0]]) };
        let (weight, sum, [a, b]) = (random(shape), random(shape), [factors(), factors()]);
        let arms = || {
            let first = GroupGradient { sum: Some(sum.clone()), factors: Some(a.clone()) };
            vec![first, GroupGradient { sum: None, factors: Some(b.clone()) }]
        };
        let what = ValuesOf::Answers;
        for guard in [0.0, 0.5] {
            let expected =
                read_any(scores_on_device(weight.clone(), arms(), guard), &what).unwrap();
            let mut found = read_any(weight.clone(), &what).unwrap();
            score_in_place(&mut found, shape, &arms(), guard, &what).unwrap();
            let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "guard {guard}: off by {worst}");
        }
        let mut nothing = vec![1.0; 6];
        score_in_place::<Flex>(&mut nothing, [2, 3], &[], 0.0, &what).unwrap();
        assert_eq!(nothing, [0.0; 6]);
    }
}
