use bias_cube::{NormOptions, matmul};
use bias_probe::device::{compute_dtype, to_f32};
use burn::module::{Module, Param};
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};

use super::matrix::Matrix;
use super::params::{Follow, in_compute_dtype};
use crate::arch::plan::NormKind;
use crate::error::ModelError;

/// A linear map, its weight `[in, out]`.
#[derive(Module, Debug)]
pub(crate) struct Linear<B: Backend> {
    pub weight: Matrix<B>,
    pub bias: Option<Param<Tensor<B, 1>>>,
}

/// The gain of a norm, and the bias of a layer norm.
#[derive(Module, Debug)]
pub(crate) struct Norm<B: Backend> {
    pub gain: Param<Tensor<B, 1>>,
    pub bias: Option<Param<Tensor<B, 1>>>,
}

impl<B: Backend> Linear<B> {
    /// `[rows, width, in] · [in, out] + bias`, as one matrix product.
    pub(crate) fn forward(&self, x: Tensor<B, 3>) -> Result<Tensor<B, 3>, ModelError> {
        let [rows, width, inner] = x.dims();
        let weight = in_compute_dtype(self.weight.value(&x.device())?);
        let outer = weight.dims()[1];
        let y = matmul(x.reshape([rows * width, inner]), weight);
        let y = match &self.bias {
            Some(bias) => y + bias.val().unsqueeze(),
            None => y,
        };
        Ok(y.reshape([rows, width, outer]))
    }

    pub(crate) fn on_graph<A: AutodiffBackend<InnerBackend = B>>(
        &self,
        follow: Follow,
    ) -> Linear<A> {
        Linear {
            weight: self.weight.on_graph(|weight| follow.param(weight)),
            bias: self.bias.as_ref().map(|bias| follow.param(bias)),
        }
    }

    /// Reads the weights that were left in the file.
    pub(crate) fn read(&self, device: &B::Device) -> Result<Self, ModelError> {
        Ok(Self { weight: self.weight.read(device)?, bias: self.bias.clone() })
    }
}

impl<B: Backend> Norm<B> {
    /// The normed values and the divisor, `[cells, channels]` and `[cells, 1]`: Zhang & Sennrich
    /// 2019 (RMS), Ba et al. 2016. In f32 at least.
    pub(crate) fn parts(
        &self,
        x: Tensor<B, 2>,
        kind: NormKind,
        eps: f64,
    ) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let x = to_f32(x);
        let x = if kind.is_centred() { x.clone() - x.mean_dim(1) } else { x };
        let scale = (x.clone() * x.clone()).mean_dim(1).add_scalar(eps).sqrt();
        (x, scale)
    }

    /// Applies gain and bias.
    pub(crate) fn finish(&self, normalized: Tensor<B, 2>, kind: NormKind) -> Tensor<B, 2> {
        let gain = match kind {
            NormKind::RmsPlusOne => to_f32(self.gain.val()).add_scalar(1.0),
            NormKind::Rms | NormKind::Layer | NormKind::LayerNoBias => to_f32(self.gain.val()),
        };
        let y = normalized * gain.unsqueeze();
        in_compute_dtype(match &self.bias {
            Some(bias) => y + to_f32(bias.val()).unsqueeze(),
            None => y,
        })
    }

    /// Norms over the last axis, `[cells, channels]`.
    pub(crate) fn flat(&self, x: Tensor<B, 2>, kind: NormKind, eps: f64) -> Tensor<B, 2> {
        let (centred, plus_one) = (kind.is_centred(), kind == NormKind::RmsPlusOne);
        let options =
            NormOptions { centred, plus_one, eps, dtype: compute_dtype::<B>(&x.device()) };
        let bias = self.bias.as_ref().map(Param::val);
        if let Some(y) = bias_cube::norm(&x, &self.gain.val(), bias.as_ref(), options) {
            return y;
        }
        let (x, scale) = self.parts(x, kind, eps);
        self.finish(x * scale.recip(), kind)
    }

    /// Norms `[rows, width, channels]` as a matrix: broadcasting over more axes is slow on CPU
    /// backends.
    pub(crate) fn forward(&self, x: Tensor<B, 3>, kind: NormKind, eps: f64) -> Tensor<B, 3> {
        let [rows, width, channels] = x.dims();
        self.flat(x.reshape([rows * width, channels]), kind, eps).reshape([rows, width, channels])
    }

    pub(crate) fn on_graph<A: AutodiffBackend<InnerBackend = B>>(&self, follow: Follow) -> Norm<A> {
        Norm {
            gain: follow.param(&self.gain),
            bias: self.bias.as_ref().map(|bias| follow.param(bias)),
        }
    }
}
