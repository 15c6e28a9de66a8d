use std::collections::{BTreeMap, BTreeSet};

use bias_probe::HookedModel;
use bias_types::{Convention, Site};
use burn::tensor::{Tensor, backend::Backend};

use super::attribution::Attribution;
use super::components::{Components, at_components};
use crate::contrast::prompt_case::Contrast;
use crate::engine::answer_tree::{batches, token_batch};
use crate::engine::gap::Gap;
use crate::engine::likelihood::answer_log_probs;
use crate::engine::token_pairing::{TokenPairing, donors};
use crate::engine::watch::{Watch, activations};
use crate::error::AttribError;
use crate::scores::component::ComponentScores;

/// The fall of the gap if B's runs have A's activations at a component: `|G| − |G patched|`, exact,
/// one forward pass per component (activation patching; Vig et al. 2020, arXiv 2004.12265, causal
/// mediation of gender bias; Meng et al. 2022, arXiv 2202.05262).
///
/// Runs and tokens are paired as in [`AttributionPatching`](crate::methods::AttributionPatching),
/// its first-order version. If the names differ in length, each token of the name is moved by the
/// difference of the names' means. Patched answers are reweighted as in
/// [`Knockout`](crate::methods::Knockout).
#[derive(Debug, Clone)]
pub struct ActivationPatching {
    targets: Components,
    temperature: f64,
}

at_components!(ActivationPatching);

impl<B: Backend, M: HookedModel<B>> Attribution<B, M> for ActivationPatching {
    type Found = ComponentScores;

    fn name(&self) -> &'static str {
        "activation-patching"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<ComponentScores, AttribError> {
        contrast.check_pairs()?;
        let gap = Gap::new(contrast)?;
        gap.check_b_varies()?;
        let targets = self.targets.find(model.dims(), &model.sites())?;
        let sites: BTreeSet<Site> = targets.iter().map(|t| t.site).collect();
        let mut means = vec![0.0; targets.len()];
        for trees in batches(gap.b.cases)? {
            let (donors, batch) = (donors(contrast, &trees)?, token_batch(&trees)?);
            let pairing = TokenPairing::<B>::new(&donors, &trees, &model.device())?;
            let mut theirs = activations(model, &token_batch(&donors)?, &sites)?;
            let mut patched: BTreeMap<Site, Tensor<B, 3>> = BTreeMap::new();
            let mut watch = Watch::new(sites.iter().copied(), |site, value: Tensor<B, 3>| {
                if let Some(other) = theirs.remove(&site) {
                    patched.insert(site, value.clone() + pairing.difference(other, value.clone()));
                }
                Ok(value)
            });
            let base = answer_log_probs(model, &batch, &trees, &mut watch, self.temperature)?;
            watch.finish()?;
            for (target, mean) in targets.iter().zip(&mut means) {
                let mut patch = Watch::new([target.site], |site, value: Tensor<B, 3>| {
                    let other = patched.get(&site).cloned().unwrap_or_else(|| value.clone());
                    Ok(target.replaced(value, other))
                });
                let now = answer_log_probs(model, &batch, &trees, &mut patch, self.temperature)?;
                patch.finish()?;
                *mean += gap.b.mean_under(&trees, &base, &now)?;
            }
        }
        let scores = targets.into_iter().zip(means);
        let scores = scores
            .map(|(target, mean)| (target.component, gap.fall(gap.a.mean, mean) as f32))
            .collect();
        Ok(ComponentScores { convention: Convention::BiasCarried, scores })
    }
}
