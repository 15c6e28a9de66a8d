use std::collections::{BTreeMap, BTreeSet};

use bias_probe::HookedModel;
use bias_probe::device::to_f32;
use bias_types::{Convention, Site};
use burn::tensor::backend::AutodiffBackend;

use super::attribution::Attribution;
use super::components::{Components, at_components};
use crate::contrast::prompt_case::Contrast;
use crate::engine::answer_tree::{batches, token_batch};
use crate::engine::gap::Gap;
use crate::engine::readback::read;
use crate::engine::token_pairing::{TokenPairing, donors};
use crate::engine::watch::{activations, slopes};
use crate::error::{AttribError, ValuesOf};
use crate::scores::component::ComponentScores;

/// The fall of the gap, to first order, if B's runs had A's activations at a component:
/// `sign(G) · Σ_t (a_A − a_B) · ∂(E[v|B]/s)/∂a_B`, which is `−sign(G) · (a_A − a_B) · ∂G/∂a_B`
/// (attribution patching; Nanda 2023, Syed et al. 2023, arXiv 2310.10348).
///
/// A's `k`-th prompt is run with the answers of B's `k`-th, so that both share all tokens but the
/// name's. Tokens are compared one by one; if one name has more tokens than the other, the means
/// over the names are compared. One backward pass scores all components, while
/// [`ActivationPatching`](crate::methods::ActivationPatching) is exact and needs a forward pass for
/// each. To patch the other way round, pass [`Contrast::swapped`]. No gradients of weights are
/// needed.
#[derive(Debug, Clone)]
pub struct AttributionPatching {
    targets: Components,
    temperature: f64,
}

at_components!(AttributionPatching);

impl<B: AutodiffBackend, M: HookedModel<B>> Attribution<B, M> for AttributionPatching {
    type Found = ComponentScores;

    fn name(&self) -> &'static str {
        "attribution-patching"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<ComponentScores, AttribError> {
        contrast.check_pairs()?;
        let gap = Gap::new(contrast)?;
        gap.check_b_varies()?;
        let targets = self.targets.find(model.dims(), &model.sites())?;
        let sites: BTreeSet<Site> = targets.iter().map(|t| t.site).collect();
        let mut channels: BTreeMap<Site, Vec<f64>> = BTreeMap::new();
        for trees in batches(gap.b.cases)? {
            let donors = donors(contrast, &trees)?;
            let pairing = TokenPairing::<B::InnerBackend>::new(&donors, &trees, &model.device())?;
            let mut theirs = activations(model, &token_batch(&donors)?, &sites)?;
            let worths = gap.b.worths(&trees, gap.sign() / gap.spread);
            let ours =
                slopes(model, &token_batch(&trees)?, &trees, &sites, &worths, self.temperature)?;
            for (site, (own, slope)) in ours {
                let Some(other) = theirs.remove(&site) else { continue };
                let [rows, width, count] = own.dims();
                let effect =
                    (pairing.difference(other.inner(), own) * slope).reshape([rows * width, count]);
                let sums = channels.entry(site).or_insert_with(|| vec![0.0; count]);
                let effect = read(to_f32(effect).sum_dim(0), ValuesOf::Site(site))?;
                sums.iter_mut().zip(effect).for_each(|(sum, e)| *sum += f64::from(e));
            }
        }
        let scores = targets.into_iter().map(|target| {
            let score = channels.get(&target.site).map_or(0.0, |own| target.sum(own));
            (target.component, score as f32)
        });
        Ok(ComponentScores { convention: Convention::BiasCarried, scores: scores.collect() })
    }
}
