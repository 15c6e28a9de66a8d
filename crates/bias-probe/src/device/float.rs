use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData, get_device_settings};

/// The float type that a device computes in: the backend's own, unless burn's `set_default_dtypes` has said
/// otherwise (bf16 on a GPU).
#[must_use]
pub fn computed_in<B: Backend>(device: &B::Device) -> DType {
    get_device_settings::<B>(device).float_dtype.into()
}

fn in_f32(dtype: DType) -> DType {
    if matches!(dtype, DType::BF16 | DType::F16) { DType::F32 } else { dtype }
}

/// A tensor with at least 32 bits a number, for sums and norms: bf16 keeps 3 digits, which sums
/// of many numbers do not bear. One that has them is given back as it is.
#[must_use]
pub fn wide<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Tensor<B, D> {
    let (own, wide) = (tensor.dtype(), in_f32(tensor.dtype()));
    if own == wide { tensor } else { tensor.cast(wide) }
}

/// Data as a [`wide`] tensor, to multiply others with.
#[must_use]
pub fn wide_from<B: Backend, const D: usize>(data: TensorData, device: &B::Device) -> Tensor<B, D> {
    Tensor::from_data(data, (device, in_f32(computed_in::<B>(device))))
}
