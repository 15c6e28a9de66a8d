use bias_probe::{HookedModel, Observer, ProbeError, Sequence, TokenBatch};
use bias_types::{BlockSite, Site, TokenRole};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::pooled::pooled;

/// The most cells of a batch.
const CELLS: usize = 1 << 12;

/// The block whose input a gate reads: the one in the middle, where a text's subject is known and
/// its continuation not yet chosen.
#[must_use]
pub fn middle(layers: usize) -> usize {
    layers / 2
}

/// The residual stream at the input of block `layer`, as the mean over all tokens of each prompt:
/// `[d_model]` each.
///
/// # Errors
/// A failed pass; activations that are not finite; a model without this block.
pub fn read<B: Backend>(
    model: &impl HookedModel<B>,
    prompts: &[Sequence],
    layer: usize,
) -> Result<Vec<Vec<f64>>, ProbeError> {
    let site = Site::Block(layer, BlockSite::ResidPre);
    let mut reader = Reader { site, found: Vec::new() };
    let longest = prompts.iter().map(Sequence::len).max().unwrap_or(1).max(1);
    for some in prompts.chunks((CELLS / longest).max(1)) {
        model.hidden(&TokenBatch::new(some)?, &mut reader)?;
    }
    if reader.found.len() == prompts.len() {
        Ok(reader.found)
    } else {
        Err(ProbeError::NeverFired { sites: vec![site] })
    }
}

struct Reader {
    site: Site,
    found: Vec<Vec<f64>>,
}

impl<B: Backend> Observer<B> for Reader {
    fn wants(&self, site: Site) -> bool {
        site == self.site
    }

    fn hidden(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let all = |roles: &[TokenRole]| {
            (0..roles.len()).filter(|at| roles[*at] != TokenRole::Padding).collect()
        };
        self.found.extend(pooled(site, batch, &value, all, "it has no tokens")?);
        Ok(value)
    }
}
