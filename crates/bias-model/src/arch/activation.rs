use burn::tensor::activation::{gelu, gelu_approximate, relu, sigmoid, silu};
use burn::tensor::{DType, Tensor, backend::Backend};

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
    /// `x · sigmoid(1.702 x)`
    QuickGelu,
    /// `max(x, 0)²` (So et al. 2021).
    ReluSquared,
}

impl Activation {
    /// The activation with this name in `config.json`.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "silu" | "swish" => Self::Silu,
            "gelu" | "gelu_python" => Self::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_accurate"
            | "gelu_python_tanh" => Self::GeluTanh,
            "relu" => Self::Relu,
            "quick_gelu" => Self::QuickGelu,
            "relu2" => Self::ReluSquared,
            _ => return None,
        })
    }

    pub(crate) fn apply<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            // Where exp(80) is infinite.
            Self::Silu if x.dtype() == DType::F16 => silu(x),
            // On backends that compute on one core, a sigmoid takes a branch per element, which
            // half of them mispredict.
            Self::Silu => {
                let less = x.clone().neg();
                // The gradient of an infinite exp(-x) would be no number.
                let less = if B::ad_enabled(&x.device()) { less.clamp_max(80.0) } else { less };
                x / less.exp().add_scalar(1.0)
            }
            Self::Gelu => gelu(x),
            Self::GeluTanh => gelu_approximate(x),
            Self::Relu => relu(x),
            Self::QuickGelu => x.clone() * sigmoid(x.mul_scalar(1.702)),
            Self::ReluSquared => {
                let x = relu(x);
                x.clone() * x
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::{Autodiff, Flex};

    use super::*;

    /// Compared with f64, with its gradient, including where exp(-x) leaves the range of f32.
    #[test]
    fn silu_is_exact_and_its_gradient_is_a_number() {
        let at = [-1e30f32, -1000.0, -90.0, -50.0, -3.0, -0.5, 0.0, 0.5, 3.0, 50.0, 1000.0, 1e30];
        let x = Tensor::<Autodiff<Flex>, 1>::from_data(at, &Default::default()).require_grad();
        let y = Activation::Silu.apply(x.clone());
        let slopes =
            x.grad(&y.clone().sum().backward()).unwrap().into_data().to_vec::<f32>().unwrap();
        let values = y.into_data().to_vec::<f32>().unwrap();
        let plain = Activation::Silu.apply(Tensor::<Flex, 1>::from_data(at, &Default::default()));
        let plain = plain.into_data().to_vec::<f32>().unwrap();
        for (i, x) in at.map(f64::from).into_iter().enumerate() {
            let sigmoid = 1.0 / (1.0 + (-x).exp());
            let close = |found: f32, expected: f64, floor: f64, what: &str| {
                let off = (f64::from(found) - expected).abs();
                // Below -80 the sigmoid stays what it is there, 2e-35.
                let tolerance = 4e-7 * expected.abs() + 2e-35 * x.abs() + floor;
                assert!(off <= tolerance, "{what} of {x}: {found:e}, not {expected:e}");
            };
            close(values[i], x * sigmoid, 1e-38, "silu");
            close(plain[i], x * sigmoid, 1e-38, "silu without a graph");
            // At −1000 x · sigmoid · (1 − sigmoid) is 0.
            let slope = sigmoid + if x < -700.0 { 0.0 } else { x * sigmoid * (1.0 - sigmoid) };
            // Below -44 the sigmoid's square leaves the range of f32, and takes slopes this small
            // with it.
            close(slopes[i], slope, 1e-18, "slope");
        }
    }
}
