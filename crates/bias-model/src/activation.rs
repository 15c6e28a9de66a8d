use burn::tensor::activation::{gelu, gelu_approximate, relu, silu};
use burn::tensor::{Tensor, backend::Backend};

/// The nonlinearity of an MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x · sigmoid(x)`
    Silu,
    /// `x · Φ(x)`
    Gelu,
    /// GELU by tanh (Hendrycks & Gimpel 2016).
    GeluTanh,
    /// `max(x, 0)`
    Relu,
}

impl Activation {
    /// By its name in `config.json`.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "silu" | "swish" => Self::Silu,
            "gelu" => Self::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Self::GeluTanh,
            "relu" => Self::Relu,
            _ => return None,
        })
    }

    pub(crate) fn apply<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            // On backends that compute on one core, a sigmoid takes a branch per element, which half
            // of them mispredict. Not where gradients are tracked: that of exp(-x) may be infinite.
            Self::Silu if !B::ad_enabled(&x.device()) => x.clone() / x.neg().exp().add_scalar(1.0),
            Self::Silu => silu(x),
            Self::Gelu => gelu(x),
            Self::GeluTanh => gelu_approximate(x),
            Self::Relu => relu(x),
        }
    }
}
