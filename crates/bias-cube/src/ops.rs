//! What callers see: each looks whether tensors are on a GPU that is built for, and says `None`
//! where they are not.

use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Tensor};

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use crate::kernels::{count, elementwise, product, softmax, tensors};
use crate::norm_options::NormOptions;

/// `a · b` over the last two axes, as `Tensor::matmul` where there is nothing better.
///
/// # Shapes
/// `[…, m, k]` and `[…, k, n]`.
///
/// # Panics
/// As `Tensor::matmul`, when shapes do not fit.
pub fn matmul<B: Backend, const D: usize>(a: Tensor<B, D>, b: Tensor<B, D>) -> Tensor<B, D> {
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    if let Some(found) = tensors::by_runtime!(|R| tensors::float(product::product::<R>(
        tensors::take(&a)?,
        tensors::take(&b)?
    )?)) {
        return found;
    }
    a.matmul(b)
}

/// `x / √(mean(x²) + eps) · gain + bias` over the last axis, in f32 whatever the tensors are held
/// in.
///
/// # Shapes
/// `x`: `[cells, channels]`; `gain`, `bias`: `[channels]`.
pub fn norm<B: Backend>(
    x: &Tensor<B, 2>,
    gain: &Tensor<B, 1>,
    bias: Option<&Tensor<B, 1>>,
    options: NormOptions,
) -> Option<Tensor<B, 2>> {
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    return tensors::by_runtime!(|R| {
        let bias = match bias {
            Some(bias) => Some(tensors::take(bias)?),
            None => None,
        };
        tensors::float(crate::kernels::norm::norm::<R>(
            tensors::take(x)?,
            tensors::take(gain)?,
            bias,
            options,
        )?)
    });
    #[cfg(not(any(feature = "cuda", feature = "wgpu")))]
    return none((x, gain, bias, options));
}

/// Softmax over the last axis of what is not masked, in f32; the result has the type of `scores`. A
/// row that is all masked is all 0.
///
/// # Shapes
/// `[rows, heads, width, columns]` for both. A mask that was repeated over the heads is not copied.
pub fn masked_softmax<B: Backend>(
    scores: &Tensor<B, 4>,
    masked: &Tensor<B, 4, Bool>,
) -> Option<Tensor<B, 4>> {
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    return tensors::by_runtime!(|R| {
        tensors::float(softmax::masked::<R>(tensors::take(scores)?, tensors::take_bool(masked)?)?)
    });
    #[cfg(not(any(feature = "cuda", feature = "wgpu")))]
    return none((scores, masked));
}

/// `gate / (1 + exp(-gate)) · up`, in f32; the result has their type.
///
/// # Shapes
/// The same for both.
pub fn gated_silu<B: Backend, const D: usize>(
    gate: &Tensor<B, D>,
    up: &Tensor<B, D>,
) -> Option<Tensor<B, D>> {
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    return tensors::by_runtime!(|R| {
        tensors::float(elementwise::gated_silu::<R>(tensors::take(gate)?, tensors::take(up)?)?)
    });
    #[cfg(not(any(feature = "cuda", feature = "wgpu")))]
    return none((gate, up));
}

/// `x · cos + swapped(x) · sin`, in f32: within each head, `swapped` has `-x[i + half]` at
/// `i < half`, `x[i]` at `i + half`, and 0 beyond.
///
/// # Shapes
/// `x`: `[cells, heads · d_head]`; `cos`, `sin`: `[cells, d_head]`.
pub fn rotated<B: Backend>(
    x: &Tensor<B, 2>,
    [cos, sin]: [&Tensor<B, 2>; 2],
    half: usize,
) -> Option<Tensor<B, 2>> {
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    return tensors::by_runtime!(|R| {
        let tables = [tensors::take(cos)?, tensors::take(sin)?];
        tensors::float(elementwise::rotated::<R>(tensors::take(x)?, tables, half)?)
    });
    #[cfg(not(any(feature = "cuda", feature = "wgpu")))]
    return none((x, cos, sin, half));
}

/// How many numbers are at least `threshold`, waited for.
///
/// NaN is never counted, whatever the threshold.
///
/// # Shapes
/// Any `[rows, columns]`.
pub fn count_reaching<B: Backend>(numbers: &Tensor<B, 2>, threshold: f32) -> Option<usize> {
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    return tensors::by_runtime!(|R| {
        let counts = count::reaching::<R>(tensors::take(numbers)?, threshold)?;
        let data = tensors::int::<B, R, 1>(counts)?.into_data();
        Some(data.iter::<u32>().map(|count| count as usize).sum())
    });
    #[cfg(not(any(feature = "cuda", feature = "wgpu")))]
    return none((numbers, threshold));
}

/// Where there is nothing better.
#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
fn none<T, U>(_: T) -> Option<U> {
    None
}
