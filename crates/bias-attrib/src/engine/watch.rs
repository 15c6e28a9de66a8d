use std::collections::{BTreeMap, BTreeSet};

use bias_probe::gradients::tracked_zero;
use bias_probe::{HookedModel, Observer, ProbeError, TokenBatch};
use bias_types::Site;
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};

use super::answer_tree::AnswerTree;
use super::likelihood::Predicted;
use crate::error::AttribError;

/// Calls a function at some sites. The model continues with the tensor that it returns.
pub(crate) struct Watch<F> {
    /// Sites, and whether they were reached.
    sites: BTreeMap<Site, bool>,
    each: F,
}

impl<F> Watch<F> {
    pub(crate) fn new(sites: impl IntoIterator<Item = Site>, each: F) -> Self {
        Self { sites: sites.into_iter().map(|site| (site, false)).collect(), each }
    }

    /// Fails if a site was never reached, so that a watch cannot silently do nothing.
    pub(crate) fn finish(self) -> Result<(), ProbeError> {
        let silent = self.sites.into_iter().filter(|(_, fired)| !fired);
        let sites: Vec<Site> = silent.map(|(site, _)| site).collect();
        if sites.is_empty() { Ok(()) } else { Err(ProbeError::NeverFired { sites }) }
    }
}

impl<B: Backend, F> Observer<B> for Watch<F>
where
    F: FnMut(Site, Tensor<B, 3>) -> Result<Tensor<B, 3>, ProbeError>,
{
    fn wants(&self, site: Site) -> bool {
        self.sites.contains_key(&site)
    }

    fn hidden(
        &mut self,
        site: Site,
        _: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        self.sites.insert(site, true);
        (self.each)(site, value)
    }
}

/// Activations at these sites, `[rows, width, channels]`, kept on the device.
pub(crate) fn activations<B: Backend>(
    model: &impl HookedModel<B>,
    batch: &TokenBatch,
    sites: &BTreeSet<Site>,
) -> Result<BTreeMap<Site, Tensor<B, 3>>, ProbeError> {
    let mut seen = BTreeMap::new();
    let mut watch = Watch::new(sites.iter().copied(), |site, value: Tensor<B, 3>| {
        seen.insert(site, value.clone());
        Ok(value)
    });
    model.hidden(batch, &mut watch)?;
    watch.finish()?;
    Ok(seen)
}

/// An activation and a gradient with respect to it, `[rows, width, channels]`.
pub(crate) type Slope<B> = (Tensor<B, 3>, Tensor<B, 3>);

/// Activations at these sites and the gradients of `Σ worth · log p` with respect to them, by a
/// [zero that is tracked](tracked_zero) at each.
pub(crate) fn slopes<B: AutodiffBackend>(
    model: &impl HookedModel<B>,
    batch: &TokenBatch,
    trees: &[AnswerTree<'_>],
    sites: &BTreeSet<Site>,
    worths: &[f64],
    temperature: f64,
) -> Result<BTreeMap<Site, Slope<B::InnerBackend>>, AttribError> {
    let mut seen = BTreeMap::new();
    let mut watch = Watch::new(sites.iter().copied(), |site, value: Tensor<B, 3>| {
        let zero = tracked_zero(&value);
        seen.insert(site, (value.clone().inner(), zero.clone()));
        Ok(value + zero)
    });
    let hidden = model.hidden(batch, &mut watch)?;
    watch.finish()?;
    let predicted =
        Predicted::new(model, hidden, trees.iter().map(|tree| &*tree.branches), temperature)?;
    let mut gradients = predicted.worth(worths)?.backward();
    let slopes = seen.into_iter().map(|(site, (value, zero))| {
        let gradient = zero.grad_remove(&mut gradients).ok_or(AttribError::NoGradient { site })?;
        Ok((site, (value, gradient)))
    });
    slopes.collect()
}
