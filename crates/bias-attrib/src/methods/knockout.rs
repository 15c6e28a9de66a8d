use bias_probe::{HookedModel, NoObserver};
use bias_types::Convention;
use burn::tensor::{Tensor, backend::Backend};

use super::attribution::Attribution;
use super::components::{Components, at_components};
use crate::contrast::prompt_case::Contrast;
use crate::engine::answer_tree::{batches, token_batch};
use crate::engine::gap::Gap;
use crate::engine::likelihood::answer_log_probs;
use crate::engine::watch::Watch;
use crate::error::AttribError;
use crate::scores::component::ComponentScores;

/// The fall of the gap without a head, key/value group, neuron or whole activation:
/// `|G| − |G without it|`, exact, one forward pass per component (head ablation; Michel et al.
/// 2019, arXiv 1905.10650).
///
/// The component's channels are set to zero at every token of prompt and answers. `G` is that of
/// [`SignedGap`](crate::SignedGap), with `s` held fixed. The answers given are reweighted by how
/// much more or less probable they become without the component, which is exact on the answers
/// explored. The first-order version is `SignedGap` summed over the unit's weights.
#[derive(Debug, Clone)]
pub struct Knockout {
    targets: Components,
    temperature: f64,
}

at_components!(Knockout);

impl<B: Backend, M: HookedModel<B>> Attribution<B, M> for Knockout {
    type Found = ComponentScores;

    fn name(&self) -> &'static str {
        "knockout"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<ComponentScores, AttribError> {
        let gap = Gap::new(contrast)?;
        let targets = self.targets.find(model.dims(), &model.sites())?;
        let mut means = [vec![0.0; targets.len()], vec![0.0; targets.len()]];
        for (arm, means) in [&gap.a, &gap.b].into_iter().zip(&mut means) {
            for trees in batches(arm.cases)? {
                let batch = token_batch(&trees)?;
                let base =
                    answer_log_probs(model, &batch, &trees, &mut NoObserver, self.temperature)?;
                for (target, mean) in targets.iter().zip(means.iter_mut()) {
                    let mut silence = Watch::new([target.site], |_, value: Tensor<B, 3>| {
                        let zeros = value.zeros_like();
                        Ok(target.replaced(value, zeros))
                    });
                    let now =
                        answer_log_probs(model, &batch, &trees, &mut silence, self.temperature)?;
                    silence.finish()?;
                    *mean += arm.mean_under(&trees, &base, &now)?;
                }
            }
        }
        let [a, b] = means;
        let scores = targets.into_iter().zip(a.into_iter().zip(b));
        let scores =
            scores.map(|(target, (a, b))| (target.component, gap.fall(a, b) as f32)).collect();
        Ok(ComponentScores { convention: Convention::BiasCarried, scores })
    }
}
