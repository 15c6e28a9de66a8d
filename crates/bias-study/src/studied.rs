use bias_ask::Answering;
use bias_mask::MaskTarget;
use bias_model::Decoder;
use bias_probe::{DifferentiableModel, HookedModel as _, NoObserver, ProbeError};
use burn::module::AutodiffModule as _;
use burn::tensor::backend::{AutodiffBackend, Backend};

use crate::training::{Recipe, Text, fit, text_loss};

/// A model that a study can ask, observe, prune and train.
///
/// For a model that is generic over its backend and implements [`Answering`], [`MaskTarget`] and
/// [`DifferentiableModel`], it takes one method: the same weights on the backend that tracks
/// gradients, each tensor through `Tensor::from_inner`.
pub trait Studied<A: AutodiffBackend>:
    Answering<A::InnerBackend> + MaskTarget<A::InnerBackend> + Clone + Send + Sync + 'static
{
    /// The model on a backend that can track gradients.
    type OnGraph: DifferentiableModel<A> + Send;

    /// A handle on its present weights with a graph of its own. No weight is tracked.
    fn on_graph(&self) -> Self::OnGraph;

    /// The model with every parameter trained on texts that are drawn as they are needed. `None`,
    /// the default, means that only its matrices can be reached; those are then trained from
    /// outside.
    ///
    /// # Errors
    /// A failed pass.
    fn taught(
        &self,
        recipe: &Recipe,
        draw: &mut dyn FnMut() -> Text,
    ) -> Result<Option<Self>, ProbeError> {
        let _ = (recipe, draw);
        Ok(None)
    }
}

impl<B: Backend, A: AutodiffBackend<InnerBackend = B>> Studied<A> for Decoder<B> {
    type OnGraph = Decoder<A>;

    fn on_graph(&self) -> Decoder<A> {
        self.differentiable()
    }

    fn taught(
        &self,
        recipe: &Recipe,
        draw: &mut dyn FnMut() -> Text,
    ) -> Result<Option<Self>, ProbeError> {
        let share = |model: &Decoder<A>, texts: &[Text], total| {
            text_loss(model, texts, total, &mut NoObserver)
        };
        let model = self.trainable::<A>();
        let device = model.device();
        let model =
            fit::<A, _, _, ProbeError>(model, &device, recipe, || Ok(draw()), share, |_, _| {})?;
        Ok(Some(model.valid()))
    }
}
