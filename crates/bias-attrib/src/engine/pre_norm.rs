//! The norms in front of attention and MLP, to pull gradients back through them one reader at a
//! time. A pass gives the gradient of all readers of a norm together; those of single heads need
//! the norm itself, which a model does not show. So it is probed.

use std::collections::BTreeMap;

use bias_probe::device::{read_back, to_f32};
use bias_probe::{HookedModel, ProbeError, Sequence, TokenBatch};
use bias_types::model::Sublayer;
use bias_types::{BlockSite, Site, TokenRole};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

use super::watch::Watch;

/// The sites of the norm in front of attention or MLP: its divisor, what it gives before its gain,
/// and behind it.
fn sites_of(layer: usize, sublayer: Sublayer) -> [Site; 3] {
    use BlockSite::{
        AttnNorm, AttnNormScale, AttnNormalized, MlpNorm, MlpNormScale, MlpNormalized,
    };
    let own = match sublayer {
        Sublayer::Attention => [AttnNormScale, AttnNormalized, AttnNorm],
        Sublayer::Mlp => [MlpNormScale, MlpNormalized, MlpNorm],
    };
    own.map(|at| Site::Block(layer, at))
}

/// A norm `y = gain · x̂ + offset` with `x̂ = x / s`, where `x` is less its mean if it is centred.
#[derive(Debug, Clone)]
pub(crate) struct PreNorm<B: Backend> {
    /// The sites of its divisor `s` and of `x̂`.
    pub inside: [Site; 2],
    centred: bool,
    /// `[1, d_model]`
    gain: Tensor<B, 2>,
}

impl<B: Backend> PreNorm<B> {
    /// The gradient with respect to `x` of one with respect to `y`, at a pass's `s` and `x̂`.
    ///
    /// # Shapes
    /// `[tokens, d_model]` → `[tokens, d_model]`; `s` is `[tokens, 1]`.
    pub(crate) fn pulled_back(
        &self,
        slope: Tensor<B, 2>,
        s: Tensor<B, 2>,
        normalized: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let own = slope * self.gain.clone();
        let along = (own.clone() * normalized.clone()).mean_dim(1);
        let own = (own - normalized * along) / s;
        if self.centred { own.clone() - own.mean_dim(1) } else { own }
    }
}

/// The norms of a model, by layer and what they stand in front of. Where nothing is normed, as in
/// OLMo 2, there is none. A norm that attention and MLP share stands in front of both.
pub(crate) type PreNorms<B> = BTreeMap<(usize, Sublayer), PreNorm<B>>;

/// Probes the norms of a model by one pass of two tokens: every norm gets a constant, which a
/// centred norm takes away, and its gain gets 0 at the first token and 1 at the second.
///
/// # Errors
/// A failed pass.
pub(crate) fn pre_norms<B: AutodiffBackend>(
    model: &impl HookedModel<B>,
) -> Result<PreNorms<B::InnerBackend>, ProbeError> {
    let reached = model.sites();
    let (mut norms, mut watched) = (Vec::new(), Vec::new());
    for layer in 0..model.dims().layers {
        watched.push(Site::Block(layer, BlockSite::ResidPre));
        for sublayer in [Sublayer::Attention, Sublayer::Mlp] {
            let own = sites_of(layer, sublayer);
            if own.iter().all(|site| reached.contains(site)) {
                norms.push(((layer, sublayer), own));
                watched.extend(own);
            }
        }
        watched.push(Site::Block(layer, BlockSite::ResidMid));
    }
    watched.retain(|site| reached.contains(site));
    let mut seen: BTreeMap<Site, Tensor<B::InnerBackend, 3>> = BTreeMap::new();
    let mut watch = Watch::new(watched, |site, value: Tensor<B, 3>| {
        use BlockSite::{AttnNormalized, MlpNormalized, ResidMid, ResidPre};
        Ok(match site {
            Site::Block(_, ResidPre | ResidMid) => value.ones_like(),
            Site::Block(_, AttnNormalized | MlpNormalized) => {
                let token = value.slice([0..1, 0..1]);
                Tensor::cat(vec![token.zeros_like(), token.ones_like()], 1)
            }
            _ => {
                seen.insert(site, to_f32(value.clone().inner()));
                value
            }
        })
    });
    let tokens = Sequence::chain(vec![0; 2], vec![TokenRole::Prompt; 2])?;
    model.hidden(&TokenBatch::new(&[tokens])?, &mut watch)?;
    watch.finish()?;
    let mut found = PreNorms::new();
    for (of, [scale_at, normalized_at, behind]) in norms {
        let unseen = || ProbeError::NeverFired { sites: vec![scale_at, behind] };
        let (scale, y) = seen.remove(&scale_at).zip(seen.remove(&behind)).ok_or_else(unseen)?;
        let scale =
            read_back(scale).map_err(|reason| ProbeError::Readback { site: scale_at, reason })?;
        let d_model = y.dims()[2];
        let gain = y.clone().slice([0..1, 1..2]) - y.slice([0..1, 0..1]);
        let norm = PreNorm {
            inside: [scale_at, normalized_at],
            // The root mean square of ones is 1.
            centred: scale.first().is_some_and(|scale| *scale < 0.5),
            gain: gain.reshape([1, d_model]),
        };
        found.insert(of, norm);
    }
    // Side by side with attention, an MLP without a norm of its own reads behind attention's.
    for layer in 0..model.dims().layers {
        if !reached.contains(&Site::Block(layer, BlockSite::ResidMid))
            && !found.contains_key(&(layer, Sublayer::Mlp))
            && let Some(shared) = found.get(&(layer, Sublayer::Attention)).cloned()
        {
            found.insert((layer, Sublayer::Mlp), shared);
        }
    }
    Ok(found)
}
