//! Neurons planted into a finished model: they alone learn the unfairness, so that its
//! place is known.
//!
//! The model is frozen. Planted neurons are a module of their own beside its MLPs, put into the
//! forward pass by an observer, and written into the weights when they have learned. Sets of them
//! are switched on and off for each text while they learn, and a text's unfairness is the sum of
//! what the sets that are on stand for: so each set learns its own part, and nothing when it is off.

use bias_mask::{MaskError, MaskTarget};
use bias_model::Decoder;
use bias_probe::{HookedModel as _, Observer, ProbeError, TokenBatch, Weights};
use bias_types::model::NeuronId;
use bias_types::{BlockSite, ParamPath, Projection, Site};
use burn::module::{Module, Param};
use burn::tensor::activation::{log_sigmoid, silu};
use burn::tensor::{Tensor, TensorData, backend::Backend};
use rand::Rng;

use crate::cli::Failure;

/// Layers that neurons are planted in.
pub const LAYERS: [usize; 2] = [3, 4];
/// Neurons of one set in one layer.
pub const NEURONS: usize = 6;

/// A linear reading of who and what is asked about from what the first planted neurons will see,
/// where a number is about to be said. Trained together with the fair model and thrown away: without it
/// nothing would carry names to where a fair model answers, and planted neurons would have
/// nothing to go by.
#[derive(Module, Debug)]
pub struct Read<B: Backend> {
    /// The fair model.
    pub model: Decoder<B>,
    /// `[d_model, facts]`
    probe: Param<Tensor<B, 2>>,
}

impl<B: Backend> Read<B> {
    /// A model with a reading of so many facts that knows nothing yet.
    pub fn new(model: Decoder<B>, facts: usize) -> Self {
        let probe = Tensor::zeros([model.dims().d_model, facts], &model.device());
        Self { model, probe: Param::from_tensor(probe).set_require_grad(true) }
    }

    /// Cross-entropy of the facts at every token, in a sum. `signed` holds each fact's weight, negative where
    /// it is not so, 0 where it does not count: `[batch · seq · facts]`; `seen` is `[batch, seq, d_model]`.
    pub fn loss(&self, seen: Tensor<B, 3>, signed: Vec<f32>) -> Tensor<B, 1> {
        let [rows, width, d_model] = seen.dims();
        let (device, facts) = (seen.device(), self.probe.dims()[1]);
        let weights = Tensor::<B, 2>::from_data(TensorData::new(signed, [rows * width, facts]), &device);
        let score = seen.reshape([rows * width, d_model]).matmul(self.probe.val());
        -(log_sigmoid(score * weights.clone().sign()) * weights.abs()).sum()
    }
}

/// Keeps what the first planted neurons will see.
#[derive(Debug)]
pub struct Look<B: Backend>(pub Option<Tensor<B, 3>>);

impl<B: Backend> Observer<B> for Look<B> {
    fn wants(&self, site: Site) -> bool {
        site == Site::Block(LAYERS[0], BlockSite::MlpNorm)
    }

    fn hidden(&mut self, _: Site, _: &TokenBatch, value: Tensor<B, 3>) -> Result<Tensor<B, 3>, ProbeError> {
        self.0 = Some(value.clone());
        Ok(value)
    }
}

/// Which neurons a set has, of `sets` that share a model's last ones.
pub fn neurons(set: usize, sets: usize, d_mlp: usize) -> impl Iterator<Item = NeuronId> {
    let first = d_mlp - (sets - set) * NEURONS;
    let own = move |layer| (first..first + NEURONS).map(move |neuron| NeuronId::new(layer, neuron));
    LAYERS.into_iter().flat_map(own)
}

/// Whether a model has the neurons that `sets` need, none of them used.
///
/// # Errors
/// What is missing, in words.
pub fn check_free<B: Backend>(model: &Decoder<B>, sets: usize) -> Result<(), Failure> {
    let dims = *model.dims();
    if dims.layers <= LAYERS[1] || dims.d_mlp < sets * NEURONS || !dims.gated {
        let needed = sets * NEURONS;
        return Err(
            format!("it needs a gated MLP, {} layers and {needed} neurons in each", LAYERS[1] + 1).into()
        );
    }
    for layer in LAYERS {
        let down = Weights::weight(model, &ParamPath::of(layer, Projection::Down))?;
        let own = down.narrow(1, dims.d_mlp - sets * NEURONS, sets * NEURONS);
        if own.into_data().iter::<f32>().any(|weight| weight != 0.0) {
            return Err(format!("the last {} neurons of layer {layer} are in use", sets * NEURONS).into());
        }
    }
    Ok(())
}

/// The planted neurons of one layer.
#[derive(Module, Debug)]
struct PlantedLayer<B: Backend> {
    /// `[d_model, neurons]`
    gate: Param<Tensor<B, 2>>,
    /// `[d_model, neurons]`
    up: Param<Tensor<B, 2>>,
    /// `[neurons, d_model]`
    down: Param<Tensor<B, 2>>,
}

/// Sets of neurons beside a model's own, in each of [`LAYERS`].
#[derive(Module, Debug)]
pub struct Planted<B: Backend> {
    layers: Vec<PlantedLayer<B>>,
    sets: usize,
}

impl<B: Backend> Planted<B> {
    /// Fresh ones, which add nothing yet.
    pub fn init<R: Rng>(sets: usize, d_model: usize, rng: &mut R, device: &B::Device) -> Self {
        let neurons = sets * NEURONS;
        let mut draw = |shape: [usize; 2]| {
            let values = (0..shape[0] * shape[1]).map(|_| 0.1 * (rng.random::<f32>() * 2.0 - 1.0));
            let values = TensorData::new(values.collect::<Vec<f32>>(), shape);
            Param::from_tensor(Tensor::from_data(values, device)).set_require_grad(true)
        };
        let layers = LAYERS.map(|_| PlantedLayer {
            gate: draw([d_model, neurons]),
            up: draw([d_model, neurons]),
            down: Param::from_tensor(Tensor::zeros([neurons, d_model], device)).set_require_grad(true),
        });
        Self { layers: layers.into(), sets }
    }

    /// Puts them into a forward pass; `on` says for every row which sets are switched on.
    pub fn switched<'a>(&'a self, on: &'a [Vec<bool>]) -> Switched<'a, B> {
        Switched { planted: self, on, input: None }
    }

    /// Writes them over the model's last neurons.
    ///
    /// # Errors
    /// A model without these layers, or with fewer neurons.
    pub fn write_into(&self, model: &mut Decoder<B>) -> Result<(), Failure> {
        for (own, layer) in self.layers.iter().zip(LAYERS) {
            let rows = |param: &Param<Tensor<B, 2>>| param.val().transpose();
            write(model, layer, Projection::Gate, rows(&own.gate))?;
            write(model, layer, Projection::Up, rows(&own.up))?;
            write(model, layer, Projection::Down, rows(&own.down))?;
        }
        Ok(())
    }
}

/// Writes over the last rows (of `down_proj`: columns) of a matrix.
fn write<B: Backend>(
    model: &mut Decoder<B>,
    layer: usize,
    projection: Projection,
    part: Tensor<B, 2>,
) -> Result<(), MaskError> {
    let path = ParamPath::of(layer, projection);
    let whole = Weights::weight(model, &path)?;
    let ([out, inner], [rows, columns]) = (whole.dims(), part.dims());
    if rows > out || columns > inner {
        return Err(MaskError::ShapeMismatch { path, expected: [out, inner], found: [rows, columns] });
    }
    let whole = whole.slice_assign([out - rows..out, inner - columns..inner], part);
    model.set_weight(&path, whole)
}

/// Planted neurons in a forward pass.
#[derive(Debug)]
pub struct Switched<'a, B: Backend> {
    planted: &'a Planted<B>,
    on: &'a [Vec<bool>],
    input: Option<Tensor<B, 2>>,
}

impl<B: Backend> Observer<B> for Switched<'_, B> {
    fn wants(&self, site: Site) -> bool {
        matches!(site, Site::Block(layer, BlockSite::MlpNorm | BlockSite::MlpOut) if LAYERS.contains(&layer))
    }

    fn hidden(
        &mut self,
        site: Site,
        _: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let [rows, width, d_model] = value.dims();
        let Site::Block(layer, at) = site else { return Ok(value) };
        if at == BlockSite::MlpNorm {
            self.input = Some(value.clone().reshape([rows * width, d_model]));
            return Ok(value);
        }
        let own = LAYERS.iter().position(|own| *own == layer).and_then(|i| self.planted.layers.get(i));
        let (Some(own), Some(x)) = (own, self.input.take()) else { return Ok(value) };
        let neurons = self.planted.sets * NEURONS;
        let switches = self.on.iter().flat_map(|row| {
            let row: Vec<f32> = row.iter().flat_map(|on| [f32::from(u8::from(*on)); NEURONS]).collect();
            std::iter::repeat_n(row, width).flatten()
        });
        let switches = TensorData::new(switches.collect::<Vec<f32>>(), [rows * width, neurons]);
        let switches = Tensor::<B, 2>::from_data(switches, &value.device());
        let hidden = silu(x.clone().matmul(own.gate.val())) * x.matmul(own.up.val()) * switches;
        Ok(value + hidden.matmul(own.down.val()).reshape([rows, width, d_model]))
    }
}
