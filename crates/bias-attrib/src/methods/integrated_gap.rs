use std::collections::{BTreeMap, BTreeSet};

use bias_cube::matmul;
use bias_probe::HookedModel;
use bias_probe::device::to_f32;
use bias_probe::gradients::tracked_zero;
use bias_types::{Convention, Site, TokenRole, Unit, UnitKind, UnitScores};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Tensor, TensorData};

use super::attribution::Attribution;
use super::components::Components;
use crate::contrast::prompt_case::Contrast;
use crate::engine::answer_tree::{batches, token_batch};
use crate::engine::gap::Gap;
use crate::engine::likelihood::checked_temperature;
use crate::engine::moved_answers::{MovedPeople, checked_steps};
use crate::engine::readback::read;
use crate::engine::watch::Watch;
use crate::error::{AttribError, ValuesOf};
use crate::scores::component::Component;

/// The activation that a path of [`IntegratedGap`] starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Baseline {
    /// 0: nothing passes through the layer.
    #[default]
    Zero,
    /// Each channel's mean over all tokens of both groups' prompts and answers, an answer's tokens
    /// counted by its weight. Channels that are about the same everywhere then score about 0,
    /// however large they are.
    Mean,
}

/// The share of the gap that passes through each neuron, head or key/value group of a layer, by
/// integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365; of a layer's activations:
/// Dhamdhere et al. 2018, arXiv 1805.12233).
///
/// The activations `a` of *one* layer, at every token, are moved along a straight line from a
/// baseline `b` to their values, while everything behind the layer is computed from them:
///
/// `score_i = sign(G) · Σ_t (a_ti − b_i) · ∫₀¹ ∂G/∂a_ti (b + α (a − b)) dα`,
///
/// by the midpoint rule with `m` steps. `G` is that of [`SignedGap`](crate::SignedGap) with `s`
/// held fixed, and answers are reweighted as in [`Knockout`](crate::methods::Knockout). A layer's
/// scores add up to `sign(G) · (G − G(b))`, the fall of the gap's signed size if the whole layer
/// passes on its baseline, up to the error of the rule, which falls with `m²`. One step from 0 is
/// the first-order share at half of the activations; the signed gap summed over a unit takes the
/// slope at the end of the path alone, where a saturated softmax or norm is flat.
///
/// Positive units carry the gap, negative ones hold it down. It costs `m` passes back and forth per
/// layer.
#[derive(Debug, Clone)]
pub struct IntegratedGap {
    kind: UnitKind,
    baseline: Baseline,
    steps: usize,
    temperature: f64,
}

impl IntegratedGap {
    /// At each unit of a kind, from 0, in 8 steps, at temperature 1. Single weights and whole layers
    /// have no activation of their own and are refused when it runs.
    #[must_use]
    pub fn every(kind: UnitKind) -> Self {
        Self { kind, baseline: Baseline::Zero, steps: 8, temperature: 1.0 }
    }

    /// Another baseline.
    #[must_use]
    pub fn from_baseline(self, baseline: Baseline) -> Self {
        Self { baseline, ..self }
    }

    /// The number of steps.
    ///
    /// # Errors
    /// [`AttribError::Steps`] for 0 or more than 1,000.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttribError> {
        Ok(Self { steps: checked_steps(steps)?, ..self })
    }

    /// The temperature the answers' probabilities were taken at.
    ///
    /// # Errors
    /// [`AttribError::Temperature`] unless positive and finite.
    pub fn with_temperature(self, temperature: f64) -> Result<Self, AttribError> {
        Ok(Self { temperature: checked_temperature(temperature)?, ..self })
    }
}

impl<B: AutodiffBackend, M: HookedModel<B>> Attribution<B, M> for IntegratedGap {
    type Found = UnitScores;

    fn name(&self) -> &'static str {
        "integrated-gap"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<UnitScores, AttribError> {
        let gap = Gap::new(contrast)?;
        let targets = Components::Every(self.kind).find(model.dims(), &model.sites())?;
        let sites: BTreeSet<Site> = targets.iter().map(|target| target.site).collect();
        let baselines = match self.baseline {
            Baseline::Zero => BTreeMap::new(),
            Baseline::Mean => means::<B, M>(model, contrast, &sites)?,
        };
        let mut channels: BTreeMap<Site, Vec<f64>> = BTreeMap::new();
        for (arm, group, sign) in [('A', &gap.a, 1.0), ('B', &gap.b, -1.0)] {
            let scale = sign * gap.sign() / gap.spread / group.cases.len() as f64;
            for trees in batches(group.cases)? {
                let people = MovedPeople::new::<B>(model, arm, trees, scale, self.temperature)?;
                for site in &sites {
                    let own = integrate::<B, M>(&people, *site, baselines.get(site), self.steps)?;
                    let sums = channels.entry(*site).or_insert_with(|| vec![0.0; own.len()]);
                    sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
                }
            }
        }
        let scores = targets.into_iter().filter_map(|target| {
            let score = channels.get(&target.site).map_or(0.0, |own| target.sum(own));
            let Component::Unit(unit) = target.component else { return None };
            Some((unit, score as f32))
        });
        let scores: Vec<(Unit, f32)> = scores.collect();
        Ok(UnitScores { convention: Convention::BiasCarried, scores })
    }
}

/// Each channel's mean over the tokens of both groups.
fn means<B: AutodiffBackend, M: HookedModel<B>>(
    model: &M,
    contrast: &Contrast,
    sites: &BTreeSet<Site>,
) -> Result<BTreeMap<Site, Vec<f64>>, AttribError> {
    let mut sums: BTreeMap<Site, Vec<f64>> = BTreeMap::new();
    let mut count = 0.0;
    for group in [&contrast.a, &contrast.b] {
        for trees in batches(group)? {
            let batch = token_batch(&trees)?;
            let weights = batch.role_weights::<B::InnerBackend>(&TokenRole::REAL, &model.device());
            let weights = weights.sum_dim(0);
            count += read(weights.clone(), ValuesOf::Answers)?
                .iter()
                .map(|w| f64::from(*w))
                .sum::<f64>();
            let mut seen: Vec<(Site, Tensor<B::InnerBackend, 2>)> = Vec::new();
            let mut watch = Watch::new(sites.iter().copied(), |site, value: Tensor<B, 3>| {
                let [rows, width, channels] = value.dims();
                let own = to_f32(value.clone().inner()).reshape([rows * width, channels]);
                seen.push((site, matmul(weights.clone(), own)));
                Ok(value)
            });
            model.hidden(&batch, &mut watch)?;
            watch.finish()?;
            for (site, own) in seen {
                let own = read(own, ValuesOf::Site(site))?;
                let sum = sums.entry(site).or_insert_with(|| vec![0.0; own.len()]);
                sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += f64::from(own));
            }
        }
    }
    let of = |sum: f64| if count > 0.0 { sum / count } else { 0.0 };
    sums.values_mut().flatten().for_each(|sum| *sum = of(*sum));
    Ok(sums)
}

/// Each channel's `Σ_t (a_t − b) · ∫ ∂G/∂a_t dα` over some people.
fn integrate<B: AutodiffBackend, M: HookedModel<B>>(
    people: &MovedPeople<'_, M>,
    site: Site,
    baseline: Option<&Vec<f64>>,
    steps: usize,
) -> Result<Vec<f64>, AttribError> {
    let mut sums: Vec<f64> = Vec::new();
    for step in 0..steps {
        let along = (step as f64 + 0.5) / steps as f64;
        let mut seen = None;
        let mut watch = Watch::new([site], |_, value: Tensor<B, 3>| {
            // Nothing before the layer is differentiated.
            let end = value.inner();
            let way = match baseline {
                Some(start) => end.clone() - row(start, &end),
                None => end.clone(),
            };
            let here: Tensor<B, 3> = Tensor::from_inner(end - way.clone() * (1.0 - along));
            let zero = tracked_zero(&here);
            seen = Some((way, zero.clone()));
            Ok(here + zero)
        });
        let gradients = people.gradients::<B>(&mut watch)?;
        watch.finish()?;
        let Some((way, zero)) = seen else { return Err(AttribError::NoGradient { site }) };
        let [rows, width, channels] = way.dims();
        sums.resize(channels, 0.0);
        let Some(mut gradients) = gradients else { continue };
        let slope = zero.grad_remove(&mut gradients).ok_or(AttribError::NoGradient { site })?;
        let effect = to_f32(way * slope).reshape([rows * width, channels]).sum_dim(0);
        let effect = read(effect, ValuesOf::Site(site))?;
        let each = 1.0 / steps as f64;
        sums.iter_mut().zip(effect).for_each(|(sum, own)| *sum += each * f64::from(own));
    }
    Ok(sums)
}

/// Channels as `[1, 1, channels]`, on the device and of the type of another tensor.
fn row<B: Backend>(channels: &[f64], like: &Tensor<B, 3>) -> Tensor<B, 3> {
    let values: Vec<f32> = channels.iter().map(|v| *v as f32).collect();
    let values = TensorData::new(values, [1, 1, channels.len()]);
    let own: Tensor<B, 3> = Tensor::from_data(values, (&like.device(), DType::F32));
    own.cast(like.dtype())
}
