use std::path::Path;

use bias_mask::Mask;
use bias_mask::select::{InputNorms, top_difference_on_device, top_difference_scaled};
use bias_probe::stats::ChannelStats;
use bias_probe::{HookedModel, ProbeError, StatsCollector};
use bias_types::{Convention, ModelDims, ParamPath, ParamScores, Projection};
use burn::tensor::backend::Backend;

use super::attribution::Attribution;
use crate::contrast::prompt_case::Contrast;
use crate::engine::answer_tree::{batches, token_batch};
use crate::engine::readback::read;
use crate::error::{AttribError, ValuesOf};
use crate::io::provenance::ScoreProvenance;
use crate::scores::set_difference::SetDifference;

/// Importance of each weight to each group: `|W_ij| · sqrt((1/N) Σ_n Σ_t x_j²)` (Sun et al. 2023,
/// arXiv 2306.11695), where `x` is the dense model's input to that matrix over the tokens of prompt
/// and answer, and `N` the number of sequences.
///
/// If a prompt has several answers, each token counts by the probability of the answers through it.
/// The result is the expectation of the sum over sampled answers, without sampling.
///
/// In a mixture of experts, the inputs of an expert's gate and up projections are those of the
/// tokens that the router sends to it, and the inputs of its down projection include the router's
/// weights.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanda;

/// The result of [`Wanda`]: channel norms for both groups. Scores are weights times these norms.
/// They are computed matrix by matrix on request and never stored as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupNorms {
    stats: ChannelStats,
}

impl<B: Backend, M: HookedModel<B>> Attribution<B, M> for Wanda {
    type Found = GroupNorms;

    fn name(&self) -> &'static str {
        "wanda"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<GroupNorms, AttribError> {
        contrast.check()?;
        let sites = {
            let dims = *model.dims();
            dims.projections().map(move |(_, layer, p)| dims.statistics_site(layer, p))
        };
        let mut stats = StatsCollector::new(sites, ["a", "b"]);
        for (group, cases) in [&contrast.a, &contrast.b].into_iter().enumerate() {
            stats.all(group)?;
            let trees = batches(cases)?;
            let together =
                trees.iter().map(|trees| token_batch(trees)).collect::<Result<Vec<_>, _>>()?;
            model.observe_all(&together, &mut stats)?;
        }
        Ok(GroupNorms { stats: stats.finish()? })
    }
}

impl GroupNorms {
    /// The sums over tokens that the norms are computed from. Group 0 is A, group 1 is B.
    #[must_use]
    pub fn stats(&self) -> &ChannelStats {
        &self.stats
    }

    /// The norms of a matrix's inputs for A and for B. In a mixture of experts, the gate and up
    /// projections have norms for each expert: `[experts, in]`.
    fn norms(&self, dims: &ModelDims, path: &ParamPath) -> Result<[Vec<f64>; 2], AttribError> {
        let missing = || ProbeError::NoSuchParam { path: path.clone() };
        let (layer, projection) = path.projection().ok_or_else(missing)?;
        let norms = |group: usize| {
            let site = dims.statistics_site(layer, projection);
            let own = self.stats.of(site, group).ok_or_else(missing)?;
            let n = self.stats.sequences().get(group).copied().unwrap_or(1).max(1) as f64;
            Ok::<_, AttribError>(own.squares().iter().map(|sum| (sum / n).sqrt()).collect())
        };
        Ok([norms(0)?, norms(1)?])
    }

    /// The same, with the rows that each of them belongs to.
    fn by_rows<'a>(dims: &ModelDims, path: &ParamPath, norms: &'a [f64]) -> InputNorms<'a> {
        match (path.projection(), dims.experts) {
            (Some((_, Projection::Gate | Projection::Up)), Some(experts)) => {
                InputNorms::by_rows(norms, experts.all(), experts.d_expert)
            }
            _ => norms.into(),
        }
    }

    /// The importance of one matrix's weights to A and to B.
    ///
    /// # Errors
    /// A matrix that the model or the statistics do not have.
    pub fn scores<B: Backend>(
        &self,
        model: &impl HookedModel<B>,
        path: &ParamPath,
    ) -> Result<[ParamScores; 2], AttribError> {
        let weight = model.weight(path)?;
        let shape = weight.dims();
        let weights = read(weight, ValuesOf::Param(path.clone()))?;
        let dims = model.dims();
        let (_, projection) =
            path.projection().ok_or_else(|| ProbeError::NoSuchParam { path: path.clone() })?;
        let score = |norms: Vec<f64>| {
            let rows = weights.chunks_exact(shape[1]).enumerate();
            let values = rows.flat_map(|(r, row)| {
                let norms = &norms[dims.statistics_channels(projection, r)];
                row.iter().zip(norms).map(|(w, norm)| (f64::from(w.abs()) * norm) as f32)
            });
            ParamScores::new(path.clone(), shape, Convention::Importance, values.collect())
        };
        let [a, b] = self.norms(dims, path)?;
        Ok([score(a)?, score(b)?])
    }

    /// The paper's mask: per matrix, the top `fraction` of one group without the other's (arXiv
    /// 2502.07771, which uses 0.15). One matrix is in memory at a time, and no scores are.
    ///
    /// # Errors
    /// As [`top_difference_scaled`].
    pub fn difference<B: Backend>(
        &self,
        model: &impl HookedModel<B>,
        fraction: f64,
        direction: SetDifference,
    ) -> Result<Mask, AttribError> {
        let mut mask = Mask::default();
        for (path, ..) in model.dims().projections() {
            let weight = model.weight(&path)?;
            let shape = weight.dims();
            let weights = read(weight, ValuesOf::Param(path.clone()))?;
            let [a, b] = self.norms(model.dims(), &path)?;
            let (taken, spared) = direction.order(a.as_slice(), b.as_slice());
            let norms = [taken, spared].map(|own| Self::by_rows(model.dims(), &path, own));
            let bits = top_difference_scaled(&path, &weights, shape, norms, fraction)?;
            mask.insert(path, bits)?;
        }
        Ok(mask)
    }

    /// The same mask, computed on the device that holds the weights, without bringing them to the
    /// host. Use it on a GPU. Scores are computed in f32, so the selection may differ among nearly
    /// equal scores.
    ///
    /// # Errors
    /// As [`top_difference_on_device`].
    pub fn difference_on_device<B: Backend>(
        &self,
        model: &impl HookedModel<B>,
        fraction: f64,
        direction: SetDifference,
    ) -> Result<Mask, AttribError> {
        let mut mask = Mask::default();
        for (path, ..) in model.dims().projections() {
            let [a, b] = self.norms(model.dims(), &path)?;
            let (taken, spared) = direction.order(a.as_slice(), b.as_slice());
            let norms = [taken, spared].map(|own| Self::by_rows(model.dims(), &path, own));
            let bits = top_difference_on_device(&path, model.weight(&path)?, norms, fraction)?;
            mask.insert(path, bits)?;
        }
        Ok(mask)
    }

    /// Adds norms measured on other prompts.
    ///
    /// # Errors
    /// Statistics of another model.
    pub fn merge(self, other: &Self) -> Result<Self, AttribError> {
        Ok(Self { stats: self.stats.merge(&other.stats)? })
    }

    /// Writes the statistics as [`ChannelStats::save`] does, a few megabytes for a large
    /// model, with the provenance as JSON among their notes.
    ///
    /// # Errors
    /// [`ProbeError::Write`].
    pub fn save(&self, path: &Path, provenance: &ScoreProvenance) -> Result<(), AttribError> {
        let json = serde_json::to_string(provenance)
            .map_err(|e| AttribError::Io { path: path.into(), source: e.into() })?;
        Ok(self.stats.clone().with_note("provenance", json).save(path)?)
    }

    /// Reads the statistics back. They must be those of a model with these sizes and this
    /// fingerprint; `None` accepts those of any weights.
    ///
    /// # Errors
    /// [`ProbeError::NotStatistics`]; [`AttribError::NotScores`] for statistics that are not those
    /// of Wanda; [`AttribError::OtherModel`]; [`AttribError::NoModel`]; [`AttribError::Shape`].
    pub fn load(
        path: &Path,
        dims: &ModelDims,
        fingerprint: Option<&str>,
    ) -> Result<(Self, ScoreProvenance), AttribError> {
        let bad = |reason: String| AttribError::NotScores { path: path.into(), reason };
        let stats = ChannelStats::load(path)?;
        let note = stats
            .notes()
            .get("provenance")
            .ok_or_else(|| bad("it has no `provenance` note".into()))?;
        let provenance: ScoreProvenance =
            serde_json::from_str(note).map_err(|e| bad(e.to_string()))?;
        provenance.check(path, fingerprint)?;
        if stats.groups() != ["a", "b"] {
            return Err(bad(format!("its groups are {:?}, not a and b", stats.groups())));
        }
        let own = Self { stats };
        for (matrix, _, projection) in dims.projections() {
            let absent = |_| bad(format!("it has no statistics of the input of {matrix}"));
            let (found, expected) =
                (own.norms(dims, &matrix).map_err(absent)?[0].len(), channels(dims, projection));
            if found != expected {
                let (expected, found) = (vec![expected], vec![found]);
                return Err(AttribError::Shape {
                    what: format!("the input of {matrix}"),
                    expected,
                    found,
                });
            }
        }
        Ok((own, provenance))
    }
}

/// The number of channels that statistics of a matrix's inputs have.
fn channels(dims: &ModelDims, projection: Projection) -> usize {
    let last = dims.shape(projection)[0].saturating_sub(1);
    dims.statistics_channels(projection, last).end
}
