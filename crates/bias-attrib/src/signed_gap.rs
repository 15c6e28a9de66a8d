use std::collections::{BTreeMap, HashMap};

use bias_core::{Convention, ModelDims, ParamPath, ParamScores};
use bias_probe::{DifferentiableModel, ProbeError, wide};
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::gap::Gap;
use crate::likelihood::{branches, checked_temperature, weighted};
use crate::readback::{ValuesOf, read};
use crate::tree::{AnswerTree, packed, token_batch};
use crate::{AttribError, Attribution, Contrast};

/// How much of the gap between two groups' mean answers each weight carries, to first
/// order: `sign(G) · W_ij · ∂G/∂W_ij`, the fall of `|G|` when the weight becomes 0.
///
/// `G = (E[v|A] − E[v|B]) / s` is the standardized difference of the *whole* number's
/// expectation over the answers given, with the pooled standard deviation `s` held
/// fixed. With `p` an answer's probability and `E` its person's mean,
/// `∂E/∂W = Σ p (v − E) ∂log p/∂W` is summed over all answers, so the gradient has no
/// sampling noise; answers that were not explored count as the mean.
///
/// Where sampling cuts the distribution off (top-k, top-p), the set of tokens kept is
/// taken as given and their probabilities' common factor is not differentiated: an
/// approximation.
///
/// Positive weights carry the gap, negative ones hold it down. Answers must come from
/// the model as it is now, at the [temperature](Self::with_temperature) given.
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

    /// Discounts weights that move both groups' answers alike: `guard` times
    /// `|W · ∂L/∂W|` is taken off the score, `L` the mean of both groups' standardized
    /// expectations. Pruning such weights would spoil all answers.
    #[must_use]
    pub fn with_guard(self, guard: f64) -> Self {
        Self { guard: guard.max(0.0), ..self }
    }

    /// So many batches side by side, each with a whole model's gradients
    /// ([`gradients_all`](DifferentiableModel::gradients_all)), and so many matrices of a layer scored.
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

/// People who are asked together, and what their answers' branches are worth.
struct Part<'a> {
    trees: Vec<AnswerTree<'a>>,
    worths: Vec<f64>,
    /// −1 where group B's gradient counts against the gap; needed with a guard only.
    sign: f64,
}

/// What is added up of one matrix, `[in, out]`.
struct Sums<B: Backend> {
    carried: Tensor<B, 2>,
    /// With a guard only.
    level: Option<Tensor<B, 2>>,
}

impl SignedGap {
    /// Every matrix's scores, summed over all contrasts, in the order of the model's own matrices. With
    /// a [guard](Self::with_guard), what moves the answers of all contrasts together is discounted.
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

    /// Scores of all contrasts together, each matrix's handed out as soon as it is complete, in
    /// the order that the model's [gradients](DifferentiableModel::gradients_all) come in: with a
    /// model that is left in its file, no more than a layer's are ever held. Contrasts
    /// without a gap to differentiate are left out.
    ///
    /// # Errors
    /// [`AttribError::NoSpread`] when that leaves none, a failed pass, and `take`'s own.
    pub fn score<B: AutodiffBackend, M: DifferentiableModel<B>>(
        &self,
        model: &M,
        contrasts: &[Contrast],
        take: &mut dyn FnMut(ParamScores) -> Result<(), AttribError>,
    ) -> Result<(), AttribError> {
        let mut gaps = Vec::new();
        for contrast in contrasts {
            match Gap::new(contrast) {
                Ok(gap) => gaps.push(gap),
                // All answers alike, or no numbers: nothing to attribute there.
                Err(AttribError::NoSpread | AttribError::NoValue { .. }) if contrasts.len() > 1 => {}
                Err(error) => return Err(error),
            }
        }
        if gaps.is_empty() {
            return Err(AttribError::NoSpread);
        }
        let dims = *model.dims();
        let [a, b] = people(&gaps)?;
        let parts = match self.guard > 0.0 {
            true => [parts_of(a, 1.0), parts_of(b, -1.0)].into_iter().flatten().collect(),
            false => parts_of([a, b].into_iter().flatten().collect(), 1.0),
        };
        if parts.is_empty() {
            // Everybody has one possible answer: to first order, no weight carries the gap.
            for (path, _, projection) in dims.projections() {
                let shape = dims.shape(projection);
                let nothing = vec![0.0; shape[0] * shape[1]];
                take(ParamScores::new(path, shape, Convention::BiasCarried, nothing)?)?;
            }
            return Ok(());
        }
        let together = parts.iter().map(|part| token_batch(&part.trees)).collect::<Result<Vec<_>, _>>()?;
        let mut open: HashMap<ParamPath, Sums<B::InnerBackend>> = HashMap::new();
        let (mut complete, mut failed) = (Vec::new(), None);
        let at_once = self.threads.min(dims.block_projections().count());
        let loss = |model: &M, i: usize, hidden| {
            let part: &Part<'_> = &parts[i];
            Ok(weighted(branches(model, hidden, &part.trees, self.temperature)?, &part.worths))
        };
        let mut add = |i: usize, path: &ParamPath, gradient: Tensor<B::InnerBackend, 2>| {
            // The way round that models compute and hold it in, so that sums run fast.
            let gradient = wide(gradient).transpose();
            let level = (self.guard > 0.0).then(|| gradient.clone() * parts[i].sign);
            let sums = match open.remove(path) {
                Some(Sums { carried, level: sum }) => Sums {
                    carried: carried + gradient,
                    level: sum.zip(level).map(|(sum, level)| sum + level),
                },
                None => Sums { carried: gradient, level },
            };
            if i + 1 < parts.len() {
                open.insert(path.clone(), sums);
                return Ok(());
            }
            complete.push((path.clone(), wide(model.weight(path)?.inner()), sums));
            if complete.len() < at_once {
                return Ok(());
            }
            let scores = self
                .scores(&dims, &mut complete)
                .and_then(|scores| scores.into_iter().try_for_each(&mut *take));
            scores.map_err(|error| match error {
                AttribError::Probe(error) => error,
                error => {
                    failed = Some(error);
                    ProbeError::NoGradient { path: path.clone() }
                }
            })
        };
        let done = model.gradients_all(&together, self.threads, &loss, &mut add);
        if let Some(error) = failed {
            return Err(error);
        }
        done?;
        self.scores(&dims, &mut complete)?.into_iter().try_for_each(take)
    }

    /// Of some matrices, side by side: each with its weights, `[out, in]`, and what was added up.
    fn scores<B: Backend>(
        &self,
        dims: &ModelDims,
        complete: &mut Vec<(ParamPath, Tensor<B, 2>, Sums<B>)>,
    ) -> Result<Vec<ParamScores>, AttribError> {
        let score = |(path, weight, sums): (ParamPath, Tensor<B, 2>, Sums<B>)| {
            let missing = || ProbeError::NoSuchParam { path: path.clone() };
            let (_, projection) = path.projection().ok_or_else(missing)?;
            let weight = weight.transpose();
            let carried = match sums.level {
                Some(level) => sums.carried * weight.clone() - (level * weight).abs() * (self.guard / 2.0),
                None => sums.carried * weight,
            };
            let values = read(carried.transpose(), ValuesOf::Param(path.clone()))?;
            Ok(ParamScores::new(path, dims.shape(projection), Convention::BiasCarried, values)?)
        };
        std::mem::take(complete).into_par_iter().map(score).collect()
    }
}

/// A person's answers, and what their branches are worth.
type Person<'a> = (AnswerTree<'a>, Vec<f64>);

/// Each group's people with something to differentiate.
fn people<'a>(gaps: &[Gap<'a>]) -> Result<[Vec<Person<'a>>; 2], AttribError> {
    let mut both = [Vec::new(), Vec::new()];
    for gap in gaps {
        for ((arm, sign), people) in [(&gap.a, 1.0), (&gap.b, -1.0)].into_iter().zip(&mut both) {
            let scale = sign * gap.sign() / gap.spread;
            for (index, asked) in arm.respondents.iter().enumerate() {
                let tree = AnswerTree::new(index, &asked.prompt, &asked.answers)?;
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

/// People by length, so that little is padded.
fn parts_of<'a>(mut people: Vec<Person<'a>>, sign: f64) -> Vec<Part<'a>> {
    people.sort_by_key(|(tree, _)| tree.sequence.len());
    let together = packed(people, |(tree, _)| tree.sequence.len()).into_iter();
    let part = |people: Vec<Person<'a>>| {
        let (trees, worths): (_, Vec<Vec<f64>>) = people.into_iter().unzip();
        Part { trees, worths: worths.concat(), sign }
    };
    together.map(part).collect()
}
