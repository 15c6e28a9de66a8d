use std::collections::{BTreeMap, BTreeSet};

use bias_cube::matmul;
use bias_probe::HookedModel;
use bias_probe::device::{f32_from, to_f32};
use bias_types::model::NeuronId;
use bias_types::{BlockSite, Convention, Site, TokenRole, Unit, UnitScores};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};

use super::attribution::Attribution;
use crate::contrast::prompt_case::{Contrast, PromptCase};
use crate::engine::answer_tree::{AnswerTree, batches, prompt_batches, token_batch};
use crate::engine::gap::{Gap, GroupMean};
use crate::engine::likelihood::checked_temperature;
use crate::engine::readback::{read, read_site};
use crate::engine::watch::{Watch, slopes};
use crate::error::{AttribError, ValuesOf};

/// Roles of a prompt's tokens.
const ROLES: [TokenRole; 3] = [TokenRole::System, TokenRole::Prompt, TokenRole::Name];

/// How differently each MLP neuron fires for the two groups, regardless of the effect:
/// `B_i = mean over pairs of |mean_t a_i(p_A) − mean_t a_i(p_B)|`, with `a` the input of
/// `down_proj` over a prompt's tokens (OptiPFair; arXiv 2607.28319).
///
/// A pair is A's and B's `k`-th prompt. If their names differ in length, means are taken by
/// [role](TokenRole) and weighted by the role's share of both prompts' tokens together, so that a
/// longer name alone makes no difference. With equal lengths this is the plain mean over tokens.
/// Prompts are run without answers, so none are needed.
#[derive(Debug, Clone, Copy, Default)]
pub struct ActivationDifference;

impl<B: Backend, M: HookedModel<B>> Attribution<B, M> for ActivationDifference {
    type Found = UnitScores;

    fn name(&self) -> &'static str {
        "activation-difference"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<UnitScores, AttribError> {
        let differences = differences(model, contrast, &sites(model), f64::abs)?;
        Ok(neurons(Convention::Importance, &differences, |_, _, difference| difference))
    }
}

/// The difference of [`ActivationDifference`] with its sign, weighted by the neuron's effect on the
/// gap: `sign(G) · mean over pairs of (mean_t a_i(p_A) − mean_t a_i(p_B)) · ∂G/∂a_i`.
///
/// Positive neurons carry the gap, negative ones hold it down. `∂G/∂a_i` is the slope of the gap of
/// [`SignedGap`](crate::SignedGap) as the groups' activations move apart: `a_i` up by ½ at every
/// token of A's prompts and down by ½ at B's. Without the sign of the difference, a neuron that
/// fires more for B would count as one that fires more for A. This is first-order like
/// [`AttributionPatching`](crate::methods::AttributionPatching), but with means over tokens and
/// groups instead of single tokens.
#[derive(Debug, Clone, Copy)]
pub struct SignedActivationDifference {
    temperature: f64,
}

impl Default for SignedActivationDifference {
    /// Temperature 1.
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

impl SignedActivationDifference {
    /// The temperature the answers' probabilities were taken at.
    ///
    /// # Errors
    /// [`AttribError::Temperature`] unless positive and finite.
    pub fn with_temperature(self, temperature: f64) -> Result<Self, AttribError> {
        Ok(Self { temperature: checked_temperature(temperature)? })
    }
}

impl<B: AutodiffBackend, M: HookedModel<B>> Attribution<B, M> for SignedActivationDifference {
    type Found = UnitScores;

    fn name(&self) -> &'static str {
        "signed-activation-difference"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<UnitScores, AttribError> {
        let differences = differences(model, contrast, &sites(model), |d| d)?;
        let gap = Gap::new(contrast)?;
        let mut slopes = BTreeMap::new();
        for arm in [&gap.a, &gap.b] {
            add_slopes(model, arm, gap.sign() / gap.spread / 2.0, self.temperature, &mut slopes)?;
        }
        let slope = |site: Site, i: usize| slopes.get(&site).map_or(0.0, |own: &Vec<f64>| own[i]);
        Ok(neurons(Convention::BiasCarried, &differences, |site, i, difference| {
            difference * slope(site, i)
        }))
    }
}

pub(super) type PerNeuron = BTreeMap<Site, Vec<f64>>;

fn neurons(
    convention: Convention,
    values: &PerNeuron,
    score: impl Fn(Site, usize, f64) -> f64,
) -> UnitScores {
    let scores = values.iter().enumerate().flat_map(|(layer, (site, values))| {
        let score = &score;
        values.iter().enumerate().map(move |(i, value)| {
            (Unit::Neuron(NeuronId::new(layer, i)), score(*site, i, *value) as f32)
        })
    });
    UnitScores { convention, scores: scores.collect() }
}

/// The inputs of every layer's `down_proj`, layer by layer.
fn sites<B: Backend>(model: &impl HookedModel<B>) -> BTreeSet<Site> {
    of_layers(model, BlockSite::MlpHidden)
}

/// A site of every layer.
pub(super) fn of_layers<B: Backend>(model: &impl HookedModel<B>, at: BlockSite) -> BTreeSet<Site> {
    (0..model.dims().layers).map(|layer| Site::Block(layer, at)).collect()
}

/// Number of tokens of a prompt with each role.
fn counts(case: &PromptCase) -> [f64; ROLES.len()] {
    ROLES.map(|role| case.prompt.roles().iter().filter(|own| **own == role).count() as f64)
}

/// Mean over pairs of `of(mean_t a_i(p_A) − mean_t a_i(p_B))`, for the channels of these sites.
pub(super) fn differences<B: Backend>(
    model: &impl HookedModel<B>,
    contrast: &Contrast,
    sites: &BTreeSet<Site>,
    of: fn(f64) -> f64,
) -> Result<PerNeuron, AttribError> {
    contrast.check_pairs()?;
    let mut shares = Vec::with_capacity(contrast.a.len());
    for (index, (a, b)) in contrast.a.iter().zip(&contrast.b).enumerate() {
        let (a, b) = (counts(a), counts(b));
        if a.iter().zip(&b).any(|(a, b)| (*a == 0.0) != (*b == 0.0)) {
            return Err(AttribError::Unaligned { index });
        }
        let all: f64 = a.iter().chain(&b).sum();
        shares.push(std::array::from_fn(|role| (a[role] + b[role]) / all));
    }
    let of_arm = |cases| means(model, cases, &shares, sites);
    let [mut a, b] = [of_arm(&contrast.a)?, of_arm(&contrast.b)?];
    let pairs = shares.len() as f64;
    let mean = |(a, b): (&mut Vec<Vec<f64>>, &Vec<Vec<f64>>)| {
        let mut sum = vec![0.0; a.first().map_or(0, Vec::len)];
        for (a, b) in a.iter().zip(b) {
            sum.iter_mut().zip(a.iter().zip(b)).for_each(|(s, (a, b))| *s += of(a - b) / pairs);
        }
        sum
    };
    Ok(a.iter_mut().map(|(site, a)| (*site, mean((a, &b[site])))).collect())
}

/// Each person's mean activations, with each role weighted by its share.
fn means<B: Backend>(
    model: &impl HookedModel<B>,
    cases: &[PromptCase],
    shares: &[[f64; ROLES.len()]],
    sites: &BTreeSet<Site>,
) -> Result<BTreeMap<Site, Vec<Vec<f64>>>, AttribError> {
    let mut means: BTreeMap<Site, Vec<Vec<f64>>> = BTreeMap::new();
    for trees in prompt_batches(cases)? {
        let batch = token_batch(&trees)?;
        let (rows, width) = (batch.rows(), batch.width());
        let weigh = |tree: &AnswerTree<'_>, token: usize| {
            let role = tree
                .sequence
                .roles()
                .get(token)
                .and_then(|own| ROLES.iter().position(|r| r == own));
            let weight = role.map(|r| shares[tree.index][r] / counts(&cases[tree.index])[r]);
            weight.unwrap_or(0.0) as f32
        };
        let weights: Vec<f32> =
            trees.iter().flat_map(|t| (0..width).map(move |i| weigh(t, i))).collect();
        let weights: Tensor<B, 3> =
            f32_from(TensorData::new(weights, [rows, 1, width]), &model.device());
        let mut watch = Watch::new(sites.iter().copied(), |site, value: Tensor<B, 3>| {
            let channels = value.dims()[2];
            let own = read_site(matmul(weights.clone(), to_f32(value.clone())), site)?;
            let rows =
                own.chunks_exact(channels).map(|row| row.iter().map(|x| f64::from(*x)).collect());
            means.entry(site).or_default().extend(rows);
            Ok(value)
        });
        model.hidden(&batch, &mut watch)?;
        watch.finish()?;
    }
    Ok(means)
}

/// Adds `scale · Σ ∂(group's mean)/∂a_i` over the tokens of its prompts.
fn add_slopes<B: AutodiffBackend>(
    model: &impl HookedModel<B>,
    arm: &GroupMean<'_>,
    scale: f64,
    temperature: f64,
    sums: &mut PerNeuron,
) -> Result<(), AttribError> {
    for trees in batches(arm.cases)? {
        let batch = token_batch(&trees)?;
        let worths = arm.worths(&trees, scale);
        let tokens = batch.role_weights::<B::InnerBackend>(&ROLES, &model.device()).sum_dim(0);
        for (site, (_, slope)) in
            slopes(model, &batch, &trees, &sites(model), &worths, temperature)?
        {
            let [rows, width, count] = slope.dims();
            let total = matmul(tokens.clone(), to_f32(slope).reshape([rows * width, count]));
            let own = sums.entry(site).or_insert_with(|| vec![0.0; count]);
            own.iter_mut()
                .zip(read(total, ValuesOf::Site(site))?)
                .for_each(|(sum, g)| *sum += f64::from(g));
        }
    }
    Ok(())
}
