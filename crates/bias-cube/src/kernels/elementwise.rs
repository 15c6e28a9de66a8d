//! What is done number by number, in one pass.

use burn::tensor::DType;
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout::{cubes, empty, is_known, shape};

const UNITS: usize = 256;

/// Numbers of 16 bytes together, where they come out even.
fn together(count: usize, dtype: DType) -> usize {
    let most = 16 / dtype.size();
    if count.is_multiple_of(most) { most } else { 1 }
}

pub(crate) fn gated_silu<R: CubeRuntime>(
    gate: CubeTensor<R>,
    up: CubeTensor<R>,
) -> Option<CubeTensor<R>> {
    if !is_known(&gate) || gate.dtype != up.dtype || shape(&gate) != shape(&up) {
        return None;
    }
    let [gate, up] = [gate, up].map(into_contiguous);
    let (out, count) =
        (empty(&gate, shape(&gate), gate.dtype), shape(&gate).into_iter().product::<usize>());
    let (client, dtype, together) = (gate.client.clone(), gate.dtype, together(count, gate.dtype));
    gated_silu_kernel::launch::<R>(
        &client,
        cubes((count / together).div_ceil(UNITS)),
        CubeDim::new_1d(UNITS as u32),
        together,
        gate.into_tensor_arg(),
        up.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        (count / together) as u32,
        dtype.into(),
    );
    Some(out)
}

#[cube(launch)]
fn gated_silu_kernel<F: Numeric, N: Size>(
    gate: &Tensor<Vector<F, N>>,
    up: &Tensor<Vector<F, N>>,
    out: &mut Tensor<Vector<F, N>>,
    count: u32,
    #[define(F)] _dtype: StorageType,
) {
    let at = (CUBE_POS_Y as usize * CUBE_COUNT_X as usize + CUBE_POS_X as usize) * UNITS
        + UNIT_POS_X as usize;
    if at < count as usize {
        let number = Vector::<f32, N>::cast_from(gate[at]);
        let one = Vector::<f32, N>::new(1.0f32);
        let gated = number / (one + (Vector::<f32, N>::new(0.0f32) - number).exp());
        out[at] = Vector::cast_from(gated * Vector::<f32, N>::cast_from(up[at]));
    }
}

pub(crate) fn rotated<R: CubeRuntime>(
    x: CubeTensor<R>,
    [cos, sin]: [CubeTensor<R>; 2],
    half: usize,
) -> Option<CubeTensor<R>> {
    let [cells, channels] = shape(&x)[..] else { return None };
    let [_, d_head] = shape(&cos)[..] else { return None };
    let tables = [&cos, &sin]
        .into_iter()
        .all(|table| table.dtype == x.dtype && shape(table) == [cells, d_head]);
    if !is_known(&x) || !tables || !channels.is_multiple_of(d_head) || 2 * half > d_head {
        return None;
    }
    let [x, cos, sin] = [x, cos, sin].map(into_contiguous);
    let (client, dtype, out) =
        (x.client.clone(), x.dtype, empty(&x, vec![cells, channels], x.dtype));
    rotated_kernel::launch::<R>(
        &client,
        cubes((cells * channels).div_ceil(UNITS)),
        CubeDim::new_1d(UNITS as u32),
        x.into_tensor_arg(),
        cos.into_tensor_arg(),
        sin.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        (cells * channels) as u32,
        channels as u32,
        d_head as u32,
        half as u32,
        dtype.into(),
    );
    Some(out)
}

#[cube(launch)]
fn rotated_kernel<F: Numeric>(
    x: &Tensor<F>,
    cos: &Tensor<F>,
    sin: &Tensor<F>,
    out: &mut Tensor<F>,
    count: u32,
    channels: u32,
    d_head: u32,
    half: u32,
    #[define(F)] _dtype: StorageType,
) {
    let at = (CUBE_POS_Y as usize * CUBE_COUNT_X as usize + CUBE_POS_X as usize) * UNITS
        + UNIT_POS_X as usize;
    if at < count as usize {
        let (d_head, half) = (d_head as usize, half as usize);
        let channel = at % channels as usize % d_head;
        let table = at / channels as usize * d_head + channel;
        let mut partner = 0.0f32;
        if channel < half {
            partner = 0.0f32 - f32::cast_from(x[at + half]);
        } else if channel < 2 * half {
            partner = f32::cast_from(x[at - half]);
        }
        let turned = f32::cast_from(x[at]) * f32::cast_from(cos[table])
            + partner * f32::cast_from(sin[table]);
        out[at] = F::cast_from(turned);
    }
}
