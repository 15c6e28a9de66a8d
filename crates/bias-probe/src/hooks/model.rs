use bias_types::{BlockSite, ModelDims, Site};
use burn::tensor::{Tensor, backend::Backend};

use super::observer::Observer;
use super::weights::Weights;
use crate::batch::token_batch::TokenBatch;
use crate::error::ProbeError;

/// A decoder that can run with an [`Observer`].
///
/// Implement it for your own model and every statistic and attribution method
/// here works on it.
pub trait HookedModel<B: Backend>: Weights<B> {
    /// Its sizes.
    fn dims(&self) -> &ModelDims;

    /// The device that holds its weights.
    fn device(&self) -> B::Device;

    /// Runs the batch and gives the final norm's output, `[rows, width, d_model]`.
    ///
    /// It must call the observer at all of its [`sites`](Self::sites) but the logits.
    ///
    /// # Errors
    /// A token or position the model does not have, or the observer's own error.
    fn hidden(
        &self,
        batch: &TokenBatch,
        observer: &mut dyn Observer<B>,
    ) -> Result<Tensor<B, 3>, ProbeError>;

    /// Runs several batches, which the observer sees in their order at every site.
    ///
    /// By default they run one after the other. A model that reads its weights from a file while it
    /// runs takes all batches through a layer before it goes on to the next layer, so that each
    /// layer is read once.
    ///
    /// # Errors
    /// As [`hidden`](Self::hidden).
    fn observe_all(
        &self,
        batches: &[TokenBatch],
        observer: &mut dyn Observer<B>,
    ) -> Result<(), ProbeError> {
        batches.iter().try_for_each(|batch| self.hidden(batch, observer).map(drop))
    }

    /// Next-token scores from the final norm's output: `[…, d_model]` → `[…, vocab]`.
    ///
    /// # Errors
    /// Weights that cannot be read.
    fn unembed(&self, hidden: Tensor<B, 3>) -> Result<Tensor<B, 3>, ProbeError>;

    /// Whether a token's activations depend on no later token, so that texts with a common prefix
    /// can share it. Sharing only saves time, so the default is `false`. A model whose rotary
    /// embedding depends on a text's length must return `false`.
    fn is_causal(&self) -> bool {
        false
    }

    /// Whether it reads its weights from a file while it runs. Whoever keeps the graph of a whole
    /// pass would keep all weights in memory.
    fn is_streamed(&self) -> bool {
        false
    }

    /// The sites its forward pass reaches, in order. By default all, those of a router only where
    /// there are experts.
    fn sites(&self) -> Vec<Site> {
        use BlockSite::{ExpertInputs, RouterLogits, RouterWeights};
        let dense = self.dims().experts.is_none();
        let absent = |site: &Site| match site {
            Site::Block(_, ExpertInputs) => true,
            Site::Block(_, RouterLogits | RouterWeights) => dense,
            _ => false,
        };
        Site::all(self.dims().layers).filter(|site| !absent(site)).collect()
    }

    /// Runs the batch and gives next-token scores, `[rows, width, vocab]`.
    ///
    /// # Errors
    /// As [`hidden`](Self::hidden).
    fn logits(
        &self,
        batch: &TokenBatch,
        observer: &mut dyn Observer<B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let hidden = self.hidden(batch, observer)?;
        observer.at(Site::Logits, batch, self.unembed(hidden)?)
    }
}
