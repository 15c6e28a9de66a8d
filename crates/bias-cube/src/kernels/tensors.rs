//! Tensors of any backend as what they are on a GPU, and back.

use std::any::Any;

use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Int, Tensor, TensorPrimitive};
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;

/// Runs the body with `R` as each runtime that is built, until one has a result.
macro_rules! by_runtime {
    (|$R:ident| $body:expr) => {{
        #[allow(unused_mut)]
        let mut found = None;
        #[cfg(feature = "cuda")]
        if found.is_none() {
            type $R = cubecl::cuda::CudaRuntime;
            found = (|| $body)();
        }
        #[cfg(feature = "wgpu")]
        if found.is_none() {
            type $R = cubecl::wgpu::WgpuRuntime;
            found = (|| $body)();
        }
        found
    }};
}
pub(crate) use by_runtime;

fn as_cube<R: CubeRuntime>(primitive: impl Any) -> Option<CubeTensor<R>> {
    (&primitive as &dyn Any).downcast_ref::<CubeTensor<R>>().cloned()
}

/// Its tensor on the runtime, if it is one of that runtime's.
pub(crate) fn take<B: Backend, R: CubeRuntime, const D: usize>(
    tensor: &Tensor<B, D>,
) -> Option<CubeTensor<R>> {
    match tensor.clone().into_primitive() {
        TensorPrimitive::Float(primitive) => as_cube(primitive),
        TensorPrimitive::QFloat(_) => None,
    }
}

/// The same of truth values.
pub(crate) fn take_bool<B: Backend, R: CubeRuntime, const D: usize>(
    tensor: &Tensor<B, D, Bool>,
) -> Option<CubeTensor<R>> {
    as_cube(tensor.clone().into_primitive())
}

/// Whole numbers, back from the runtime.
pub(crate) fn int<B: Backend, R: CubeRuntime, const D: usize>(
    tensor: CubeTensor<R>,
) -> Option<Tensor<B, D, Int>> {
    let primitive = (&tensor as &dyn Any).downcast_ref::<B::IntTensorPrimitive>()?.clone();
    Some(Tensor::from_primitive(primitive))
}

/// Back from the runtime.
pub(crate) fn float<B: Backend, R: CubeRuntime, const D: usize>(
    tensor: CubeTensor<R>,
) -> Option<Tensor<B, D>> {
    let primitive = (&tensor as &dyn Any).downcast_ref::<B::FloatTensorPrimitive>()?.clone();
    Some(Tensor::from_primitive(TensorPrimitive::Float(primitive)))
}
