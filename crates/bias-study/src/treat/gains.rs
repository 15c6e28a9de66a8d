use std::collections::BTreeMap;

use bias_attrib::{AttribError, Contrast};
use bias_probe::device::read_back;
use bias_probe::{HookedModel, Observer, ProbeError, Sequence, TokenBatch};
use bias_types::Site;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::StudyError;

/// The prompts of each group that gains are seen at.
const ROWS: usize = 4;

/// What a norm does after it has normalized: `y = factor · n + offset`, channel by channel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gain {
    pub factor: Vec<f64>,
    pub offset: Vec<f64>,
}

/// The gain of each norm, by the site behind it, seen at a few prompts: each channel's from the two
/// tokens at which it differs most. `sites` has the site before the gain by the site behind it; if
/// both are the same there is no gain.
///
/// # Errors
/// A failed pass, sites that the model does not reach.
pub(super) fn gains<B: Backend>(
    model: &impl HookedModel<B>,
    sites: &BTreeMap<Site, Site>,
    contrasts: &[Contrast],
) -> Result<BTreeMap<Site, Gain>, StudyError> {
    let people = |pick: fn(&Contrast) -> &Vec<bias_attrib::PromptCase>| {
        contrasts.iter().flat_map(pick).take(ROWS).map(|own| own.prompt.clone())
    };
    let prompts: Vec<Sequence> = people(|own| &own.a).chain(people(|own| &own.b)).collect();
    let batch = TokenBatch::new(&prompts).map_err(AttribError::from)?;
    let mut seen = Seen { sites, values: BTreeMap::new() };
    model.hidden(&batch, &mut seen).map_err(AttribError::from)?;
    let channels = model.dims().d_model;
    let mut found = BTreeMap::new();
    for (behind, before) in sites {
        let silent = || AttribError::from(ProbeError::NeverFired { sites: vec![*behind, *before] });
        let (y, n) = seen.values.get(behind).zip(seen.values.get(before)).ok_or_else(silent)?;
        let (mut factor, mut offset) = (Vec::new(), Vec::new());
        for j in 0..channels {
            let at = |cell: usize| {
                (f64::from(n[cell * channels + j]), f64::from(y[cell * channels + j]))
            };
            let cells = || (0..n.len() / channels).map(at);
            let low = cells().fold((f64::INFINITY, 0.0), |a, b| if b.0 < a.0 { b } else { a });
            let high = cells().fold((f64::NEG_INFINITY, 0.0), |a, b| if b.0 > a.0 { b } else { a });
            let gain = if high.0 > low.0 { (high.1 - low.1) / (high.0 - low.0) } else { 1.0 };
            factor.push(gain);
            offset.push(high.1 - gain * high.0);
        }
        found.insert(*behind, Gain { factor, offset });
    }
    Ok(found)
}

/// Values before and behind norms, on the host.
struct Seen<'a> {
    sites: &'a BTreeMap<Site, Site>,
    values: BTreeMap<Site, Vec<f32>>,
}

impl<B: Backend> Observer<B> for Seen<'_> {
    fn wants(&self, site: Site) -> bool {
        self.sites.iter().any(|(behind, before)| *behind == site || *before == site)
    }

    fn hidden(
        &mut self,
        site: Site,
        _: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let read =
            read_back(value.clone()).map_err(|reason| ProbeError::Readback { site, reason })?;
        self.values.insert(site, read);
        Ok(value)
    }
}
