//! A model that the library has never heard of, in what its traits need.
use std::collections::BTreeMap;

use bias_attrib::prelude::{BlockSite::*, Projection as P, *};
use burn::tensor::{Distribution::Normal, Tensor, activation::*, backend::*};

/// One block: attention with one head and an MLP, without norms and positions.
pub struct Tiny<B: Backend>(ModelDims, Tensor<B, 2>, BTreeMap<ParamPath, Tensor<B, 2>>);

impl<B: Backend> Tiny<B> {
    pub fn random(dims: ModelDims, device: &B::Device) -> Self {
        let draw = |shape: [usize; 2]| Tensor::random(shape, Normal(0.0, 0.3), device);
        let weights = dims.projections().map(|(path, _, p)| (path, draw(dims.shape(p)))).collect();
        Self(dims, draw([dims.vocab, dims.d_model]), weights)
    }
}
impl<B: Backend> Weights<B> for Tiny<B> {
    fn weight(&self, path: &ParamPath) -> Result<Tensor<B, 2>, ProbeError> {
        self.2.get(path).cloned().ok_or_else(|| ProbeError::NoSuchParam { path: path.clone() })
    }
}

impl<B: Backend> HookedModel<B> for Tiny<B> {
    fn dims(&self) -> &ModelDims {
        &self.0
    }
    fn device(&self) -> B::Device {
        self.1.device()
    }
    fn hidden(
        &self,
        batch: &TokenBatch,
        observer: &mut dyn Observer<B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let ids = batch.token_tensor::<B>(&self.device()).reshape([-1]);
        let x =
            self.1.clone().select(0, ids).reshape([batch.rows(), batch.width(), self.0.d_model]);
        let w = |p| self.2[&ParamPath::of(0, p)].clone().transpose().unsqueeze();
        let mut see = |site, value| observer.at(site, batch, value);
        let h = see(P::Q.input_site(0), x.clone())?;
        let [q, k, v] = [P::Q, P::K, P::V].map(|p| see(p.output_site(0), h.clone().matmul(w(p))));
        let blocked = batch.blocked_tensor::<B>(&self.device()).squeeze_dim(1);
        let pattern = softmax(q?.matmul(k?.transpose()).mask_fill(blocked, f32::NEG_INFINITY), 2);
        let z = see(P::O.input_site(0), pattern.matmul(v?))?;
        let x = x + see(P::O.output_site(0), z.matmul(w(P::O)))?;
        let h = see(P::Up.input_site(0), x.clone())?;
        let up = see(P::Up.output_site(0), h.matmul(w(P::Up)))?;
        let h = see(P::Down.input_site(0), relu(up))?;
        Ok(x + see(P::Down.output_site(0), h.matmul(w(P::Down)))?)
    }
    fn unembed(&self, hidden: Tensor<B, 3>) -> Result<Tensor<B, 3>, ProbeError> {
        Ok(hidden.matmul(self.1.clone().transpose().unsqueeze()))
    }
    fn sites(&self) -> Vec<Site> {
        let reached =
            [AttnNorm, Query, Key, Value, HeadOutput, AttnOut, MlpNorm, Up, MlpHidden, MlpOut];
        reached.map(|site| Site::Block(0, site)).into()
    }
}
impl<B: AutodiffBackend> DifferentiableModel<B> for Tiny<B> {}

impl<B: Backend> MaskTarget<B> for Tiny<B> {
    fn set_weight(&mut self, path: &ParamPath, value: Tensor<B, 2>) -> Result<(), MaskError> {
        *self.2.get_mut(path).ok_or_else(|| MaskError::NoSuchParam { path: path.clone() })? = value;
        Ok(())
    }
}
