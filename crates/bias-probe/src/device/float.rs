use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData, get_device_settings};

/// The float type that a device computes in: the backend's own, unless burn's `set_default_dtypes`
/// has set another (bf16 on a GPU).
#[must_use]
pub fn compute_dtype<B: Backend>(device: &B::Device) -> DType {
    get_device_settings::<B>(device).float_dtype.into()
}

fn in_f32(dtype: DType) -> DType {
    if matches!(dtype, DType::BF16 | DType::F16) { DType::F32 } else { dtype }
}

/// The tensor with at least 32 bits per number, for sums and norms. bf16 keeps 3 digits, too few
/// for sums of many numbers. A tensor that has 32 bits already is returned as it is.
#[must_use]
pub fn to_f32<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Tensor<B, D> {
    let (own, to_f32) = (tensor.dtype(), in_f32(tensor.dtype()));
    if own == to_f32 { tensor } else { tensor.cast(to_f32) }
}

/// Data as a tensor of the type of [`to_f32`], to multiply such tensors with.
#[must_use]
pub fn f32_from<B: Backend, const D: usize>(data: TensorData, device: &B::Device) -> Tensor<B, D> {
    Tensor::from_data(data, (device, in_f32(compute_dtype::<B>(device))))
}
