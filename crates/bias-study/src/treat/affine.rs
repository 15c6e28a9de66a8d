use std::collections::BTreeMap;

use bias_attrib::{AttribError, Contrast, PromptCase};
use bias_mask::edit::{ConceptEdit, EditedInput, Metric, Whitening};
use bias_mask::{MaskError, MaskTarget};
use bias_probe::{HookedModel, Observer, ProbeError, Sequence, TokenBatch};
use bias_types::{BlockSite, ParamPath, Site, TokenRole};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::StudyError;
use crate::pooled::pooled;
use crate::results::Alternative;

/// The tokens whose activations tell the groups apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Told {
    /// Those of the name: the mean over them.
    Name,
    /// The last of the prompt, where the answer begins.
    Last,
    /// Both, each with a direction of its own.
    #[default]
    Both,
}

impl Told {
    fn places(self) -> &'static [Told] {
        match self {
            Self::Name => &[Self::Name],
            Self::Last => &[Self::Last],
            Self::Both => &[Self::Name, Self::Last],
        }
    }
}

/// Affine concept editing: what attention and MLP of every block read, `x`, becomes
/// `x − P·(x − c)` at every token (Karvonen & Marks 2025, arXiv 2506.10922; Marshall et al. 2024,
/// arXiv 2411.09003). P projects onto the difference of the groups' means, and c is the middle of
/// the means ([`ConceptEdit`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AffineConcept {
    /// The tokens at which the groups' means are taken.
    pub told: Told,
    /// Whether directions are measured in deviations within groups. Otherwise P is orthogonal.
    pub whitened: bool,
    /// Whether a block's difference is measured after the blocks before it were edited, so that
    /// nothing is left of it in the edited model. Otherwise all are measured in the model as it was,
    /// as in the paper.
    pub in_order: bool,
}

impl Default for AffineConcept {
    fn default() -> Self {
        Self { told: Told::default(), whitened: true, in_order: true }
    }
}

/// The most people of a group whose activations are looked at, and the most cells of the batch that
/// they run in: all run in one pass, since each block's edit depends on those before it.
const PEOPLE: usize = 256;
const CELLS: usize = 1 << 15;

/// Means that are no further apart, as a share of their length, are the same.
const SAME: f64 = 1e-5;

impl AffineConcept {
    /// The number of directions taken off at each site, at most.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.told.places().len()
    }

    /// The edit of what each block reads, site by site. Sites where the groups have the same mean
    /// are left out.
    ///
    /// At most 256 people of a group are looked at, evenly chosen.
    ///
    /// # Errors
    /// [`AttribError::EmptyArm`]; a prompt without a name, where its tokens are asked for; groups
    /// whose activations are not finite; a failed pass.
    pub fn find<B: Backend>(
        &self,
        model: &impl HookedModel<B>,
        contrast: &Contrast,
    ) -> Result<BTreeMap<Site, ConceptEdit>, StudyError> {
        contrast.check()?;
        let widest = contrast.a.iter().chain(&contrast.b).map(|own| own.prompt.len()).max();
        let most = (CELLS / 2 / widest.unwrap_or(1).max(1)).clamp(2, PEOPLE);
        let [a, b] = [&contrast.a, &contrast.b].map(|own| evenly(own, most));
        let people: Vec<&PromptCase> = a.iter().chain(&b).copied().collect();
        let batch: Vec<Sequence> = people.iter().map(|own| own.prompt.clone()).collect();
        let batch = TokenBatch::new(&batch).map_err(AttribError::from)?;
        let mut fit = Fit { own: *self, first: a.len(), found: BTreeMap::new(), refused: None };
        let ran = model.hidden(&batch, &mut fit);
        if let Some(refused) = fit.refused {
            return Err(refused.into());
        }
        ran.map_err(AttribError::from)?;
        Ok(fit.found)
    }

    /// Finds the edits and makes them, with this strength, in the weights and biases of what reads
    /// at each site. Returns the number of sites.
    ///
    /// # Errors
    /// As [`find`](Self::find); [`AttribError::NoSpread`] if the groups have the same means
    /// everywhere; [`StudyError::Treatment`] for a mixture of experts, whose router reads as well;
    /// a model whose biases cannot be set.
    pub fn apply<B: Backend, M: HookedModel<B> + MaskTarget<B>>(
        &self,
        model: &mut M,
        contrast: &Contrast,
        strength: f64,
    ) -> Result<usize, StudyError> {
        let dims = *model.dims();
        if dims.experts.is_some() {
            let reason = "the router of a mixture of experts reads what the experts read, and its \
                          bias cannot be set; take another alternative";
            let alternative = Alternative::AffineConcept.name();
            return Err(StudyError::Treatment { alternative, reason: reason.into() });
        }
        let edits = self.find(model, contrast)?;
        if edits.is_empty() {
            return Err(AttribError::NoSpread.into());
        }
        for (layer, projection) in
            (0..dims.layers).flat_map(|l| dims.block_projections().map(move |own| (l, own)))
        {
            let Some(edit) = edits.get(&projection.input_site(layer)) else { continue };
            let path = ParamPath::of(layer, projection);
            let _ = EditedInput::new(path, edit.clone(), strength)?.apply(model)?;
        }
        Ok(edits.len())
    }
}

/// At most so many, evenly chosen.
fn evenly(people: &[PromptCase], most: usize) -> Vec<&PromptCase> {
    let count = people.len().min(most);
    (0..count).filter_map(|i| people.get(i * people.len() / count)).collect()
}

/// Makes the edits while a model runs.
struct Fit {
    own: AffineConcept,
    /// The number of rows about A. The others are about B.
    first: usize,
    found: BTreeMap<Site, ConceptEdit>,
    refused: Option<MaskError>,
}

impl<B: Backend> Observer<B> for Fit {
    fn wants(&self, site: Site) -> bool {
        matches!(site, Site::Block(_, BlockSite::AttnNorm | BlockSite::MlpNorm))
    }

    fn hidden(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let mut seen = Vec::new();
        for place in self.own.told.places() {
            seen.push(vectors(site, batch, &value, *place)?);
        }
        match self.edit_of(&seen) {
            Ok(None) => Ok(value),
            Ok(Some(edit)) => {
                let [rows, width, channels] = value.dims();
                let value = match self.own.in_order {
                    true => edit
                        .edit(value.reshape([rows * width, channels]), 1.0)
                        .reshape([rows, width, channels]),
                    false => value,
                };
                self.found.insert(site, edit);
                Ok(value)
            }
            Err(refused) => {
                self.refused = Some(refused);
                Err(ProbeError::NotFinite { site })
            }
        }
    }
}

impl Fit {
    /// The edit of activations of everybody, A first, at each place.
    fn edit_of(&self, seen: &[Vec<Vec<f64>>]) -> Result<Option<ConceptEdit>, MaskError> {
        let (mut differences, mut middles, mut scatter) = (Vec::new(), Vec::new(), Vec::new());
        for vectors in seen {
            let (a, b) = vectors.split_at(self.first);
            let means = [a, b].map(mean);
            let (apart, middle) = (
                combined(&means[0], &means[1], |a, b| a - b),
                combined(&means[0], &means[1], |a, b| (a + b) / 2.0),
            );
            // Rounding, as where the first block reads a token that everybody shares.
            if norm(&apart) <= SAME * norm(&middle) {
                continue;
            }
            differences.push(apart);
            middles.push(middle);
            for (group, mean) in [a, b].iter().zip(&means) {
                scatter.extend(group.iter().map(|own| combined(own, mean, |x, mean| x - mean)));
            }
        }
        if differences.is_empty() {
            return Ok(None);
        }
        let metric = match self.own.whitened {
            // Where nobody differs from the mean there is nothing to measure in.
            true if scatter.iter().flatten().any(|own| *own != 0.0) => {
                Metric::Whitened(Whitening::of(scatter)?)
            }
            _ => Metric::Plain,
        };
        ConceptEdit::of_differences(&differences, &mean(&middles), &metric)
    }
}

fn combined(a: &[f64], b: &[f64], by: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| by(*a, *b)).collect()
}

fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn mean(vectors: &[Vec<f64>]) -> Vec<f64> {
    let channels = vectors.first().map_or(0, Vec::len);
    let of = |j: usize| vectors.iter().map(|own| own[j]).sum::<f64>() / vectors.len() as f64;
    (0..channels).map(of).collect()
}

/// Each row's activation at a place, `[channels]`.
fn vectors<B: Backend>(
    site: Site,
    batch: &TokenBatch,
    value: &Tensor<B, 3>,
    place: Told,
) -> Result<Vec<Vec<f64>>, ProbeError> {
    let wanted = |roles: &[TokenRole]| -> Vec<usize> {
        match place {
            Told::Last => {
                roles.iter().rposition(|own| *own != TokenRole::Padding).into_iter().collect()
            }
            _ => (0..roles.len()).filter(|at| roles[*at] == TokenRole::Name).collect(),
        }
    };
    pooled(site, batch, value, wanted, "no token of the prompt belongs to a name")
}
