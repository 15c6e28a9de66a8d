use bias_cube::matmul;
use bias_probe::gradients::{Loss, TakeFactors};
use bias_probe::{DifferentiableModel, HookedModel, Observer, ProbeError, TokenBatch, Weights};
use bias_types::{BlockSite, ModelDims, ParamPath, Site};
use burn::module::{Module as _, Param};
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};

use super::forward::{scaled, soft_cap};
use super::model::Decoder;
use super::params::in_compute_dtype;
use crate::arch::rope_scaling::Rope;
use crate::checkpoint::weights::Checkpoint;

impl<B: Backend> Weights<B> for Decoder<B> {
    fn weight(&self, path: &ParamPath) -> Result<Tensor<B, 2>, ProbeError> {
        let matrix =
            self.matrix(path).ok_or_else(|| ProbeError::NoSuchParam { path: path.clone() })?;
        Ok(matrix.turned_back(&self.device())?)
    }

    fn fingerprint(&self) -> Result<Option<&str>, ProbeError> {
        let fingerprint = self.checkpoint.as_ref().map(Checkpoint::fingerprint).transpose();
        fingerprint.map_err(|error| ProbeError::Fingerprint { source: Box::new(error) })
    }
}

impl<B: Backend> HookedModel<B> for Decoder<B> {
    fn dims(&self) -> &ModelDims {
        &self.config.dims
    }

    fn device(&self) -> B::Device {
        self.norm.gain.val().device()
    }

    fn hidden(
        &self,
        batch: &TokenBatch,
        observer: &mut dyn Observer<B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        self.run(batch, None, observer)
    }

    fn observe_all(
        &self,
        batches: &[TokenBatch],
        observer: &mut dyn Observer<B>,
    ) -> Result<(), ProbeError> {
        if self.is_streamed() {
            return self.run_together(batches, observer);
        }
        batches.iter().try_for_each(|batch| self.hidden(batch, observer).map(drop))
    }

    fn unembed(&self, hidden: Tensor<B, 3>) -> Result<Tensor<B, 3>, ProbeError> {
        let ([rows, width, d_model], vocab) = (hidden.dims(), self.config.dims.vocab);
        let x = hidden.reshape([rows * width, d_model]);
        let matrix = self.head.as_ref().unwrap_or(&self.embedding);
        let logits = match matrix.param().map(Param::val).filter(|table| table.dtype() == x.dtype())
        {
            Some(table) if self.head.is_some() => matmul(x, table),
            Some(table) => matmul(x, table.transpose()),
            None => match &self.cuts {
                Some(cuts) => cuts.logits(x, |x| Ok(self.sliced(x)?))?,
                None => self.sliced(x)?,
            },
        };
        let logits = match &self.head_bias {
            Some(bias) => logits + in_compute_dtype(bias.val()).unsqueeze(),
            None => logits,
        };
        let logits = scaled(logits, self.config.plan.logit_scale);
        Ok(soft_cap(logits, self.config.plan.logit_cap).reshape([rows, width, vocab]))
    }

    /// True with [`Precision::Mapped`](crate::Precision::Mapped).
    fn is_streamed(&self) -> bool {
        self.embedding.is_left()
    }

    fn is_causal(&self) -> bool {
        !self.config.plan.rotary.iter().any(Rope::by_length)
    }

    fn sites(&self) -> Vec<Site> {
        use BlockSite::{
            AttnNormScale, AttnNormalized, ExpertInputs, Gate, GateActivated, KeyRotated,
            MlpNormScale, MlpNormalized, QueryRotated, ResidMid, RouterLogits, RouterWeights,
        };
        let plan = &self.config.plan;
        let absent = |site: &Site| match site {
            Site::Positions => plan.layout.positions.is_none(),
            Site::Block(_, AttnNormScale | AttnNormalized) => plan.layout.attn_norm.is_none(),
            Site::Block(_, MlpNormScale | MlpNormalized) => plan.layout.mlp_norm.is_none(),
            Site::Block(layer, QueryRotated | KeyRotated) => plan.layers[*layer].rotary.is_none(),
            Site::Block(_, Gate | GateActivated) => !self.config.dims.gated,
            // It is offered in parts alone.
            Site::Block(_, ExpertInputs) => true,
            Site::Block(_, RouterLogits | RouterWeights) => self.config.dims.experts.is_none(),
            Site::Block(_, ResidMid) => plan.parallel,
            _ => false,
        };
        Site::all(self.config.dims.layers).filter(|site| !absent(site)).collect()
    }
}

impl<B: AutodiffBackend> DifferentiableModel<B> for Decoder<B> {
    fn factors_all(
        &self,
        batches: &[TokenBatch],
        threads: usize,
        loss: &Loss<'_, Self, B>,
        take: &mut TakeFactors<'_, B>,
    ) -> Result<(), ProbeError> {
        // What threads share must not be tracked: their graphs would become one, and wait for each
        // other.
        let model = self.clone().no_grad();
        if model.is_streamed() {
            return model.layer_by_layer(batches, threads, loss, take);
        }
        model.side_by_side(batches, threads, loss, take)
    }
}
