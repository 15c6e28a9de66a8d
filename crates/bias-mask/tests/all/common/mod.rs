//! Random masks of a small model, and the smallest thing that can be called a model.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;

use bias_mask::{BitMatrix, Mask, MaskError, MaskTarget};
use bias_probe::{ProbeError, Weights};
use bias_types::{ModelDims, ParamPath, Projection};
use burn::tensor::{DType, Tensor, TensorData, backend::Backend};
use proptest::prelude::*;

/// Small and odd, so that rows end within words and bytes.
pub const DIMS: ModelDims = ModelDims {
    layers: 2,
    d_model: 5,
    heads: 2,
    kv_heads: 1,
    d_head: 3,
    d_mlp: 13,
    gated: true,
    vocab: 9,
    experts: None,
};

pub fn matrices() -> Vec<(ParamPath, [usize; 2])> {
    DIMS.projections().map(|(path, _, p)| (path, DIMS.shape(p))).collect()
}

/// Some weights of some matrices.
pub fn mask() -> impl Strategy<Value = Mask> {
    let matrix = |(path, shape): (ParamPath, [usize; 2])| {
        let indices = prop::collection::vec(0..shape[0] * shape[1], 0..40);
        prop::option::of(indices).prop_map(move |indices| {
            let mut bits = BitMatrix::new(shape).unwrap();
            indices.iter().flatten().for_each(|i| bits.insert(*i).unwrap());
            indices.map(|_| (path.clone(), bits))
        })
    };
    matrices().into_iter().map(matrix).collect::<Vec<_>>().prop_map(|matrices| {
        let mut mask = Mask::default();
        matrices.into_iter().flatten().for_each(|(path, bits)| mask.insert(path, bits).unwrap());
        mask
    })
}

/// A set of weights, whatever matrices the mask lists.
pub fn set(mask: &Mask) -> Vec<(String, usize)> {
    mask.iter().flat_map(|(path, bits)| bits.iter().map(move |i| (path.to_string(), i))).collect()
}

/// Matrices and biases under their names. Keys and values have a bias to begin with.
#[derive(Clone)]
pub struct Bag<B: Backend> {
    pub weights: BTreeMap<ParamPath, Tensor<B, 2>>,
    pub biases: BTreeMap<ParamPath, Tensor<B, 1>>,
}

impl<B: Backend> Bag<B> {
    pub fn new(dtype: DType) -> Self {
        let filled = |n: usize, from: f32| {
            // Negative zero and a subnormal must come back too.
            let mut values: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37 + from).sin()).collect();
            (values[0], values[1]) = (-0.0, 1e-40);
            values
        };
        let device = Default::default();
        let mut bag = Self { weights: BTreeMap::new(), biases: BTreeMap::new() };
        for (path, [out, inner]) in matrices() {
            let data = TensorData::new(filled(out * inner, 0.0), [out, inner]).convert_dtype(dtype);
            bag.weights.insert(path.clone(), Tensor::from_data(data, (&device, dtype)));
            if matches!(path.projection(), Some((_, Projection::K | Projection::V))) {
                let data = TensorData::new(filled(out, 1.0), [out]).convert_dtype(dtype);
                bag.biases.insert(path, Tensor::from_data(data, (&device, dtype)));
            }
        }
        bag
    }

    /// Everything in it, bit for bit.
    pub fn bytes(&self) -> Vec<(String, Vec<u8>)> {
        let weights = self.weights.iter().map(|(path, t)| (path, t.to_data()));
        let biases = self.biases.iter().map(|(path, t)| (path, t.to_data()));
        weights
            .chain(biases)
            .map(|(path, data)| (path.to_string(), data.as_bytes().to_vec()))
            .collect()
    }

    /// `W·x + b` of one matrix.
    pub fn output(&self, path: &ParamPath, x: &[f64]) -> Vec<f64> {
        let weight = self.weights[path].to_data();
        let weights: Vec<f64> = weight.iter().collect();
        let bias: Option<Vec<f64>> =
            self.biases.get(path).map(|bias| bias.to_data().iter().collect());
        let rows = weights.chunks_exact(x.len()).enumerate();
        let row = |(i, row): (usize, &[f64])| {
            row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>()
                + bias.as_ref().map_or(0.0, |bias| bias[i])
        };
        rows.map(row).collect()
    }
}

impl<B: Backend> Weights<B> for Bag<B> {
    fn weight(&self, path: &ParamPath) -> Result<Tensor<B, 2>, ProbeError> {
        self.weights
            .get(path)
            .cloned()
            .ok_or_else(|| ProbeError::NoSuchParam { path: path.clone() })
    }

    fn fingerprint(&self) -> Result<Option<&str>, ProbeError> {
        Ok(Some("abc"))
    }
}

impl<B: Backend> MaskTarget<B> for Bag<B> {
    fn set_weight(&mut self, path: &ParamPath, value: Tensor<B, 2>) -> Result<(), MaskError> {
        let (expected, found) = (self.weight(path)?.dims(), value.dims());
        if expected != found {
            return Err(MaskError::ShapeMismatch { path: path.clone(), expected, found });
        }
        self.weights.insert(path.clone(), value);
        Ok(())
    }

    fn bias(&self, path: &ParamPath) -> Result<Option<Tensor<B, 1>>, MaskError> {
        self.weight(path)?;
        Ok(self.biases.get(path).cloned())
    }

    fn set_bias(&mut self, path: &ParamPath, value: Option<Tensor<B, 1>>) -> Result<(), MaskError> {
        let [expected, _] = self.weight(path)?.dims();
        if let Some(found) =
            value.as_ref().map(|bias| bias.dims()[0]).filter(|found| *found != expected)
        {
            return Err(MaskError::Channels { path: path.clone(), expected, found });
        }
        match value {
            Some(value) => self.biases.insert(path.clone(), value),
            None => self.biases.remove(path),
        };
        Ok(())
    }
}
