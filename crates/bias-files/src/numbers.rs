use std::borrow::Cow;

use bytemuck::Pod;

/// Values as little-endian bytes, as NumPy and safetensors store them. On a little-endian machine
/// nothing is copied.
#[must_use]
pub fn f32_bytes(values: &[f32]) -> Cow<'_, [u8]> {
    bytes(values, |value| value.to_le_bytes())
}

/// f64 values as little-endian bytes.
#[must_use]
pub fn f64_bytes(values: &[f64]) -> Cow<'_, [u8]> {
    bytes(values, |value| value.to_le_bytes())
}

/// Values from little-endian bytes of any alignment. Bytes left over at the end are ignored.
#[must_use]
pub fn f32s(bytes: &[u8]) -> Vec<f32> {
    values(bytes, f32::from_le_bytes)
}

/// f64 values from little-endian bytes.
#[must_use]
pub fn f64s(bytes: &[u8]) -> Vec<f64> {
    values(bytes, f64::from_le_bytes)
}

fn bytes<T: Pod, const N: usize>(values: &[T], each: impl Fn(&T) -> [u8; N]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(values))
    } else {
        values.iter().flat_map(each).collect()
    }
}

fn values<T: Pod, const N: usize>(bytes: &[u8], each: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (whole, _) = bytes.as_chunks::<N>();
    if cfg!(target_endian = "little") {
        let mut values = vec![T::zeroed(); whole.len()];
        bytemuck::cast_slice_mut(&mut values).copy_from_slice(whole.as_flattened());
        values
    } else {
        whole.iter().map(|bytes| each(*bytes)).collect()
    }
}
