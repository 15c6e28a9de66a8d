//! A model of your own: implement `HookedModel`, and what looks at activations works on it.
//!
//! `cargo run --release --example custom_model`

use std::error::Error;

use bias_attrib::{Attribution as _, Contrast, PossibleAnswer, PromptCase, SetDifference, Wanda};
use bias_files::say;
use bias_probe::Projection::{Down, K, O, Q, Up, V};
use bias_probe::testing::check_model;
use bias_probe::{
    HookedModel, ModelDims, Observer, ParamPath, ProbeError, Projection, Sequence, Site,
    TokenBatch, TokenRole, Weights,
};
use burn::backend::Flex;
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Distribution, Tensor, backend::Backend};

/// One layer with one head; no positions, no norms.
#[derive(Debug)]
pub struct Tiny<B: Backend> {
    dims: ModelDims,
    embedding: Tensor<B, 2>,
    /// `[out, in]`, by projection.
    weights: [Tensor<B, 2>; 7],
}

impl<B: Backend> Tiny<B> {
    /// A model with random weights.
    pub fn random(device: &B::Device) -> Self {
        let draw =
            |shape: [usize; 2]| Tensor::random(shape, Distribution::Normal(0.0, 0.3), device);
        let dims = ModelDims {
            layers: 1,
            d_model: 16,
            heads: 1,
            kv_heads: 1,
            d_head: 16,
            d_mlp: 24,
            gated: false,
            vocab: 40,
            experts: None,
        };
        Self {
            embedding: draw([40, 16]),
            weights: Projection::ALL.map(|p| draw(dims.shape(p))),
            dims,
        }
    }

    fn linear(&self, p: Projection, x: Tensor<B, 3>) -> Tensor<B, 3> {
        x.matmul(self.weights[p as usize].clone().transpose().unsqueeze())
    }
}

impl<B: Backend> Weights<B> for Tiny<B> {
    fn weight(&self, path: &ParamPath) -> Result<Tensor<B, 2>, ProbeError> {
        match path.projection() {
            Some((0, p)) => Ok(self.weights[p as usize].clone()),
            _ => Err(ProbeError::NoSuchParam { path: path.clone() }),
        }
    }
}

impl<B: Backend> HookedModel<B> for Tiny<B> {
    fn dims(&self) -> &ModelDims {
        &self.dims
    }

    fn device(&self) -> B::Device {
        self.embedding.device()
    }

    fn sites(&self) -> Vec<Site> {
        [Q, O, Up, Down].map(|p| p.input_site(0)).into_iter().chain([Site::Logits]).collect()
    }

    fn hidden(
        &self,
        batch: &TokenBatch,
        observer: &mut dyn Observer<B>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let (rows, width, ModelDims { d_model, vocab, .. }) =
            (batch.rows(), batch.width(), self.dims);
        if let Some(&token) = batch.tokens().iter().find(|token| **token as usize >= vocab) {
            return Err(ProbeError::TokenOutOfRange { token, vocab });
        }
        let ids = batch.token_tensor::<B>(&self.device()).reshape([-1]);
        let x = self.embedding.clone().select(0, ids).reshape([rows, width, d_model]);
        // At every site the observer may look at a tensor, and replace it.
        let h = observer.at(Q.input_site(0), batch, x.clone())?;
        let blocked = batch.blocked_tensor::<B>(&self.device()).reshape([rows, width, width]);
        let scores = self.linear(Q, h.clone()).matmul(self.linear(K, h.clone()).transpose());
        let pattern = softmax(scores.div_scalar(4.0).mask_fill(blocked, f32::NEG_INFINITY), 2);
        let mixed = observer.at(O.input_site(0), batch, pattern.matmul(self.linear(V, h)))?;
        let x = x + self.linear(O, mixed);
        let h = observer.at(Up.input_site(0), batch, x.clone())?;
        let neurons = observer.at(Down.input_site(0), batch, relu(self.linear(Up, h)))?;
        Ok(x + self.linear(Down, neurons))
    }

    fn unembed(&self, hidden: Tensor<B, 3>) -> Result<Tensor<B, 3>, ProbeError> {
        Ok(hidden.matmul(self.embedding.clone().transpose().unsqueeze()))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let model = Tiny::<Flex>::random(&Default::default());
    check_model(&model, 1e-4)?;
    say!("the model keeps the promises of HookedModel at {} sites", model.sites().len());

    // Token 5 or 6 is the name, 7 the answer.
    let about = |name| -> Result<PromptCase, ProbeError> {
        let roles = vec![TokenRole::Prompt, TokenRole::Name, TokenRole::Prompt];
        let answer = PossibleAnswer { tokens: vec![7], weight: 1.0, ..PossibleAnswer::default() };
        Ok(PromptCase::new(Sequence::chain(vec![1, name, 3], roles)?, vec![answer]))
    };
    let contrast = Contrast { a: vec![about(5)?], b: vec![about(6)?] };
    let mask =
        Wanda.attribute(&model, &contrast)?.difference(&model, 0.15, SetDifference::BWithoutA)?;
    say!("{} weights matter to the second name and not to the first", mask.count());
    Ok(())
}
