use bias_core::Projection;
use burn::module::{Module, Param};
use burn::tensor::{
    Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};

use crate::config::NormKind;

/// A linear map; its weight is held as `[in, out]`, contiguous: the layout matrix
/// products run fastest in.
#[derive(Module, Debug)]
pub(crate) struct Linear<B: Backend> {
    pub weight: Param<Tensor<B, 2>>,
    pub bias: Option<Param<Tensor<B, 1>>>,
}

/// The gain of a norm, and its bias where it is a layer norm.
#[derive(Module, Debug)]
pub(crate) struct Norm<B: Backend> {
    pub gain: Param<Tensor<B, 1>>,
    pub bias: Option<Param<Tensor<B, 1>>>,
}

/// One decoder block. What an architecture does not have is absent.
#[derive(Module, Debug)]
pub(crate) struct Block<B: Backend> {
    pub attn_norm: Option<Norm<B>>,
    pub q: Linear<B>,
    pub k: Linear<B>,
    pub v: Linear<B>,
    pub o: Linear<B>,
    pub q_norm: Option<Norm<B>>,
    pub k_norm: Option<Norm<B>>,
    pub attn_post_norm: Option<Norm<B>>,
    pub mlp_norm: Option<Norm<B>>,
    pub gate: Option<Linear<B>>,
    pub up: Linear<B>,
    pub down: Linear<B>,
    pub mlp_post_norm: Option<Norm<B>>,
}

pub(crate) fn param<B: Backend, const D: usize>(data: TensorData, device: &B::Device) -> Param<Tensor<B, D>> {
    let dtype = data.dtype;
    Param::from_tensor(Tensor::from_data(data, (device, dtype)))
}

/// A tensor in the type the backend computes in.
pub(crate) fn widened<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Tensor<B, D> {
    let own = <B::FloatElem as burn::tensor::Element>::dtype();
    if tensor.dtype() == own { tensor } else { tensor.cast(own) }
}

fn track<A: AutodiffBackend, const D: usize>(
    param: &Param<Tensor<A::InnerBackend, D>>,
) -> Param<Tensor<A, D>> {
    Param::from_tensor(Tensor::from_inner(widened(param.val())).require_grad())
}

impl<B: Backend> Linear<B> {
    /// `[rows, width, in] · [in, out] + bias`, as one matrix product.
    pub(crate) fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let [rows, width, inner] = x.dims();
        let weight = widened(self.weight.val());
        let outer = weight.dims()[1];
        let y = x.reshape([rows * width, inner]).matmul(weight);
        let y = match &self.bias {
            Some(bias) => y + bias.val().unsqueeze(),
            None => y,
        };
        y.reshape([rows, width, outer])
    }

    fn differentiable<A: AutodiffBackend<InnerBackend = B>>(&self) -> Linear<A> {
        Linear { weight: track::<A, 2>(&self.weight), bias: self.bias.as_ref().map(track::<A, 1>) }
    }
}

impl<B: Backend> Norm<B> {
    /// What is normed and what it is divided by, `[cells, channels]` and `[cells, 1]`:
    /// Zhang & Sennrich 2019 (RMS), Ba et al. 2016.
    pub(crate) fn parts(&self, x: Tensor<B, 2>, kind: NormKind, eps: f64) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let x = match kind {
            NormKind::Rms | NormKind::RmsPlusOne => x,
            NormKind::Layer => x.clone() - x.mean_dim(1),
        };
        let scale = (x.clone() * x.clone()).mean_dim(1).add_scalar(eps).sqrt();
        (x, scale)
    }

    /// Gain and bias.
    pub(crate) fn finish(&self, normalized: Tensor<B, 2>, kind: NormKind) -> Tensor<B, 2> {
        let gain = match kind {
            NormKind::RmsPlusOne => self.gain.val().add_scalar(1.0),
            NormKind::Rms | NormKind::Layer => self.gain.val(),
        };
        let y = normalized * gain.unsqueeze();
        match &self.bias {
            Some(bias) => y + bias.val().unsqueeze(),
            None => y,
        }
    }

    /// Over the last axis, `[cells, channels]`.
    pub(crate) fn flat(&self, x: Tensor<B, 2>, kind: NormKind, eps: f64) -> Tensor<B, 2> {
        let (x, scale) = self.parts(x, kind, eps);
        self.finish(x * scale.recip(), kind)
    }

    /// `[rows, width, channels]`, as a matrix: broadcasting over more axes is slow on CPU backends.
    pub(crate) fn forward(&self, x: Tensor<B, 3>, kind: NormKind, eps: f64) -> Tensor<B, 3> {
        let [rows, width, channels] = x.dims();
        self.flat(x.reshape([rows * width, channels]), kind, eps).reshape([rows, width, channels])
    }

    pub(crate) fn differentiable<A: AutodiffBackend<InnerBackend = B>>(&self) -> Norm<A> {
        Norm { gain: track::<A, 1>(&self.gain), bias: self.bias.as_ref().map(track::<A, 1>) }
    }
}

impl<B: Backend> Block<B> {
    pub(crate) fn linear(&self, projection: Projection) -> Option<&Linear<B>> {
        Some(match projection {
            Projection::Q => &self.q,
            Projection::K => &self.k,
            Projection::V => &self.v,
            Projection::O => &self.o,
            Projection::Gate => return self.gate.as_ref(),
            Projection::Up => &self.up,
            Projection::Down => &self.down,
        })
    }

    pub(crate) fn linear_mut(&mut self, projection: Projection) -> Option<&mut Linear<B>> {
        Some(match projection {
            Projection::Q => &mut self.q,
            Projection::K => &mut self.k,
            Projection::V => &mut self.v,
            Projection::O => &mut self.o,
            Projection::Gate => return self.gate.as_mut(),
            Projection::Up => &mut self.up,
            Projection::Down => &mut self.down,
        })
    }

    pub(crate) fn differentiable<A: AutodiffBackend<InnerBackend = B>>(&self) -> Block<A> {
        let norm = |norm: &Option<Norm<B>>| norm.as_ref().map(Norm::differentiable::<A>);
        Block {
            attn_norm: norm(&self.attn_norm),
            q: self.q.differentiable(),
            k: self.k.differentiable(),
            v: self.v.differentiable(),
            o: self.o.differentiable(),
            q_norm: norm(&self.q_norm),
            k_norm: norm(&self.k_norm),
            attn_post_norm: norm(&self.attn_post_norm),
            mlp_norm: norm(&self.mlp_norm),
            gate: self.gate.as_ref().map(Linear::differentiable),
            up: self.up.differentiable(),
            down: self.down.differentiable(),
            mlp_post_norm: norm(&self.mlp_post_norm),
        }
    }
}

/// The embedding's rows, tracked.
pub(crate) fn tracked<A: AutodiffBackend>(param: &Param<Tensor<A::InnerBackend, 2>>) -> Param<Tensor<A, 2>> {
    track::<A, 2>(param)
}
