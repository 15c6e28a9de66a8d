//! Tensors of any backend as what they are on a GPU, and back.

use std::any::Any;

use burn::tensor::backend::Backend;
use burn::tensor::{Bool, DType, Int, Shape, Tensor, TensorPrimitive};
use burn_cubecl::CubeRuntime;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::CubeCount;

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

/// Sizes along its axes.
pub(crate) fn shape<R: CubeRuntime>(tensor: &CubeTensor<R>) -> Vec<usize> {
    tensor.meta.shape().iter().copied().collect()
}

/// What our kernels know: floats, some and not too many for 32 bits to count.
pub(crate) fn is_known<R: CubeRuntime>(tensor: &CubeTensor<R>) -> bool {
    let count = shape(tensor).into_iter().try_fold(1, usize::checked_mul);
    let fits = count.is_some_and(|count| count > 0 && i32::try_from(count).is_ok());
    // Rows lie apart on CUDA, where they do not come out even.
    let reach =
        tensor.meta.shape().iter().zip(tensor.meta.strides().iter()).map(|(n, stride)| n * stride).max();
    fits && reach.is_some_and(|reach| i32::try_from(reach).is_ok())
        && matches!(tensor.dtype, DType::F32 | DType::F16 | DType::BF16)
}

/// How far apart rows lie, where a row's numbers lie side by side.
pub(crate) fn row_stride<R: CubeRuntime>(tensor: &CubeTensor<R>) -> Option<usize> {
    let (shape, strides) = (tensor.meta.shape(), tensor.meta.strides());
    let last = shape.len().checked_sub(1)?;
    let side_by_side = strides[last] == 1 || shape[last] == 1;
    side_by_side.then(|| if last == 0 { shape[0] } else { strides[last - 1] })
}

/// A new tensor on the same device, nothing between its rows: burn's own has gaps.
pub(crate) fn empty<R: CubeRuntime>(
    beside: &CubeTensor<R>,
    shape: Vec<usize>,
    dtype: DType,
) -> CubeTensor<R> {
    empty_device_contiguous_dtype(beside.client.clone(), beside.device.clone(), Shape::from(shape), dtype)
}

/// So many cubes, along two axes: one alone is not long enough everywhere. There may be some too many.
pub(crate) fn cubes(count: usize) -> CubeCount {
    let across = count.clamp(1, 1 << 15);
    CubeCount::Static(across as u32, count.div_ceil(across) as u32, 1)
}
