use std::collections::HashMap;

use bias_mask::{MaskError, MaskTarget};
use bias_probe::{Observer, ProbeError, TokenBatch, Weights};
use bias_types::{BlockSite, ModelDims, ParamPath, Projection, Site};
use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

/// Changes to matrices: `W' = W + (down · up)ᵀ`, or `W' = W + upᵀ` for changes of full rank.
#[derive(Module, Debug)]
pub(crate) struct Adapters<B: Backend> {
    /// `[in, rank]` of each matrix, block by block; empty for changes of full rank.
    pub(crate) down: Vec<Param<Tensor<B, 2>>>,
    /// `[rank, out]`, or `[in, out]`.
    pub(crate) up: Vec<Param<Tensor<B, 2>>>,
    /// `[d_model, 1]`
    pub(crate) adversary: Param<Tensor<B, 2>>,
}

impl<B: Backend> Adapters<B> {
    /// Low-rank changes that are zero at first.
    pub(crate) fn init(
        dims: &ModelDims,
        rank: usize,
        mut rng: ChaCha8Rng,
        device: &B::Device,
    ) -> Self {
        let mut draw = |rows: usize, columns: usize, scale: f32| {
            let values = (0..rows * columns).map(|_| scale * (rng.random::<f32>() * 2.0 - 1.0));
            let data = TensorData::new(values.collect::<Vec<f32>>(), [rows, columns]);
            Param::from_tensor(Tensor::from_data(data, device)).set_require_grad(true)
        };
        let (mut down, mut up) = (Vec::new(), Vec::new());
        for (_, projection) in places(dims) {
            let [out, inner] = dims.shape(projection);
            down.push(draw(inner, rank, (inner as f32).sqrt().recip()));
            up.push(draw(rank, out, 0.0));
        }
        Self { down, up, adversary: draw(dims.d_model, 1, 0.0) }
    }

    /// Changes of full rank that are zero at first.
    pub(crate) fn whole(dims: &ModelDims, device: &B::Device) -> Self {
        let zeros = |shape| Param::from_tensor(Tensor::zeros(shape, device)).set_require_grad(true);
        let shapes = places(dims).map(|(_, projection)| dims.shape(projection));
        let up = shapes.map(|[out, inner]| zeros([inner, out])).collect();
        Self { down: Vec::new(), up, adversary: zeros([dims.d_model, 1]) }
    }

    /// The term that the change of a matrix adds to its output, from its input `[cells, in]`.
    fn added(&self, matrix: usize, input: Tensor<B, 2>) -> Tensor<B, 2> {
        let narrowed = match self.down.get(matrix) {
            Some(down) => input.matmul(down.val()),
            None => input,
        };
        narrowed.matmul(self.up[matrix].val())
    }

    /// Adds the changes, times a factor, to a model's matrices.
    pub(crate) fn write_into(
        &self,
        strength: f64,
        model: &mut impl MaskTarget<B>,
        dims: &ModelDims,
    ) -> Result<(), MaskError> {
        for (i, ((layer, projection), up)) in places(dims).zip(&self.up).enumerate() {
            let path = ParamPath::of(layer, projection);
            let weight = Weights::weight(model, &path)?;
            let change = match self.down.get(i) {
                Some(down) => down.val().matmul(up.val()),
                None => up.val(),
            };
            let change = change.transpose().cast(weight.dtype());
            let change = if strength < 1.0 { change.mul_scalar(strength) } else { change };
            model.set_weight(&path, weight + change)?;
        }
        Ok(())
    }
}

fn places(dims: &ModelDims) -> impl Iterator<Item = (usize, Projection)> {
    let dims = *dims;
    (0..dims.layers).flat_map(move |layer| dims.block_projections().map(move |own| (layer, own)))
}

/// Adapters in a forward pass.
pub(crate) struct Adapted<'a, B: Backend> {
    pub(crate) own: &'a Adapters<B>,
    pub(crate) dims: &'a ModelDims,
    inputs: HashMap<Site, Tensor<B, 3>>,
    /// The final norm's output, once it was reached.
    pub(crate) last: Option<Tensor<B, 3>>,
}

impl<'a, B: Backend> Adapted<'a, B> {
    pub(crate) fn new(own: &'a Adapters<B>, dims: &'a ModelDims) -> Self {
        Self { own, dims, inputs: HashMap::new(), last: None }
    }
}

fn output(projection: Projection) -> BlockSite {
    match projection {
        Projection::Q => BlockSite::Query,
        Projection::K => BlockSite::Key,
        Projection::V => BlockSite::Value,
        Projection::O => BlockSite::AttnOut,
        Projection::Gate => BlockSite::Gate,
        Projection::Up => BlockSite::Up,
        Projection::Down => BlockSite::MlpOut,
    }
}

impl<B: Backend> Observer<B> for Adapted<'_, B> {
    fn wants(&self, site: Site) -> bool {
        let Site::Block(layer, at) = site else { return site == Site::FinalNorm };
        self.dims.block_projections().any(|own| own.input_site(layer) == site || output(own) == at)
    }

    fn hidden(
        &mut self,
        site: Site,
        _: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let Site::Block(_, at) = site else {
            self.last = Some(value.clone());
            return Ok(value);
        };
        let mut value = value;
        for (i, (layer, projection)) in places(self.dims).enumerate() {
            if Site::Block(layer, output(projection)) != site {
                continue;
            }
            let Some(input) = self.inputs.get(&projection.input_site(layer)) else { continue };
            let [rows, width, inner] = input.dims();
            let out = value.dims()[2];
            let input = input.clone().reshape([rows * width, inner]);
            let change = self.own.added(i, input);
            value = value + change.reshape([rows, width, out]);
        }
        if self
            .dims
            .block_projections()
            .any(|own| matches!(own.input_site(0), Site::Block(_, input) if input == at))
        {
            self.inputs.insert(site, value.clone());
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use bias_model::Decoder;
    use bias_probe::{HookedModel as _, NoObserver, Sequence};
    use bias_types::TokenRole;
    use burn::backend::Flex;
    use rand::SeedableRng as _;

    use super::*;

    /// Adapters in a forward pass have the same effect as when written into the weights.
    #[test]
    fn adapters_in_the_pass_and_in_the_weights_are_the_same() {
        let configs = [
            serde_json::json!({
                "model_type": "gpt2", "n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 32, "vocab_size": 64
            }),
            serde_json::json!({
                "model_type": "llama", "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2,
                "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64,
                "max_position_embeddings": 64
            }),
            serde_json::json!({
                "model_type": "gpt_neox", "hidden_size": 48, "intermediate_size": 40, "num_hidden_layers": 2,
                "num_attention_heads": 3, "vocab_size": 64, "max_position_embeddings": 64,
                "rotary_pct": 0.25
            }),
        ];
        for config in configs {
            let device = Default::default();
            let name = config["model_type"].clone();
            let config =
                bias_model::ModelConfig::from_json(serde_json::from_value(config).unwrap())
                    .unwrap();
            let drawn = Decoder::<Flex>::init(config, 0.3, 0, &device);
            let dims = *drawn.dims();
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let narrow = Adapters::<Flex>::init(&dims, 4, rng.clone(), &device);
            for mut own in [narrow, Adapters::whole(&dims, &device)] {
                let mut model = drawn.clone();
                // Whole matrices are of many ranks.
                let scale = if own.down.is_empty() { 0.125 } else { 1.0 };
                for up in &mut own.up {
                    let [rank, out] = up.val().dims();
                    let values: Vec<f32> =
                        (0..rank * out).map(|_| scale * (rng.random::<f32>() - 0.5)).collect();
                    *up = Param::from_tensor(Tensor::from_data(
                        TensorData::new(values, [rank, out]),
                        &device,
                    ));
                }
                let sequence =
                    Sequence::chain(vec![1, 5, 9, 3, 7], vec![TokenRole::Prompt; 5]).unwrap();
                let batch = TokenBatch::new(&[sequence]).unwrap();
                let plain = model.logits(&batch, &mut NoObserver).unwrap().into_data();
                let mut watch = Adapted::new(&own, &dims);
                let hooked = model.logits(&batch, &mut watch).unwrap().into_data();
                own.write_into(1.0, &mut model, &dims).unwrap();
                let written = model.logits(&batch, &mut NoObserver).unwrap().into_data();
                let far = |a: &TensorData, b: &TensorData| {
                    a.iter::<f32>()
                        .zip(b.iter::<f32>())
                        .map(|(a, b)| (a - b).abs())
                        .fold(0.0, f32::max)
                };
                assert!(far(&plain, &hooked) > 0.1, "{name}: they do something");
                assert!(far(&hooked, &written) < 1e-3, "{name}: {}", far(&hooked, &written));
            }
        }
    }
}
