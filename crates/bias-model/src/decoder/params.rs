use bias_probe::device::compute_dtype;
use burn::module::{Param, ParamId};
use burn::tensor::{
    Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};

pub(crate) fn param<B: Backend, const D: usize>(
    data: TensorData,
    device: &B::Device,
) -> Param<Tensor<B, D>> {
    let dtype = data.dtype;
    Param::from_tensor(Tensor::from_data(data, (device, dtype)))
}

/// Converts a tensor to the computing type of the device.
pub(crate) fn in_compute_dtype<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Tensor<B, D> {
    let own = compute_dtype::<B>(&tensor.device());
    if tensor.dtype() == own { tensor } else { tensor.cast(own) }
}

/// A parameter without gradients; burn's own constructor would track them.
pub(crate) fn untracked<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Param<Tensor<B, D>> {
    Param::initialized(ParamId::new(), tensor)
}

/// Sets which parameters get gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    All,
    Nothing,
}

impl Follow {
    /// A parameter where gradients can be tracked.
    pub(crate) fn param<A: AutodiffBackend, const D: usize>(
        self,
        param: &Param<Tensor<A::InnerBackend, D>>,
    ) -> Param<Tensor<A, D>> {
        let own = Tensor::from_inner(in_compute_dtype(param.val()));
        match self {
            Self::All => Param::from_tensor(own),
            Self::Nothing => untracked(own),
        }
    }
}
