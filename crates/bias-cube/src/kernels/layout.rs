//! How tensors lie in memory, and how many cubes go over them.

use burn::tensor::{DType, Shape};
use burn_cubecl::CubeRuntime;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::CubeCount;

/// Sizes along its axes.
pub(crate) fn shape<R: CubeRuntime>(tensor: &CubeTensor<R>) -> Vec<usize> {
    tensor.meta.shape().iter().copied().collect()
}

/// What our kernels know: floats, some and not too many for 32 bits to count.
pub(crate) fn is_known<R: CubeRuntime>(tensor: &CubeTensor<R>) -> bool {
    let count = shape(tensor).into_iter().try_fold(1, usize::checked_mul);
    let fits = count.is_some_and(|count| count > 0 && i32::try_from(count).is_ok());
    // Rows lie apart on CUDA, where they do not come out even.
    let reach = tensor
        .meta
        .shape()
        .iter()
        .zip(tensor.meta.strides().iter())
        .map(|(n, stride)| n * stride)
        .max();
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
    empty_device_contiguous_dtype(
        beside.client.clone(),
        beside.device.clone(),
        Shape::from(shape),
        dtype,
    )
}

/// So many cubes, along two axes: one alone is not long enough everywhere. There may be some too
/// many.
pub(crate) fn cubes(count: usize) -> CubeCount {
    let across = count.clamp(1, 1 << 15);
    CubeCount::Static(across as u32, count.div_ceil(across) as u32, 1)
}
