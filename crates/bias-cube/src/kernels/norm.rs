//! A norm of each row, a cube a row.

use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout::{cubes, empty, is_known, row_stride};
use super::total::{UNITS, total};
use crate::norm_options::NormOptions;

pub(crate) fn norm<R: CubeRuntime>(
    x: CubeTensor<R>,
    gain: CubeTensor<R>,
    bias: Option<CubeTensor<R>>,
    options: NormOptions,
) -> Option<CubeTensor<R>> {
    let [cells, channels] = [x.meta.shape()[0], x.meta.shape()[1]];
    let fits = |own: &CubeTensor<R>| {
        own.is_contiguous() && own.meta.shape()[0] == channels && own.dtype == gain.dtype
    };
    let stride = row_stride(&x)?;
    if !is_known(&x) || !is_known(&gain) || !fits(&gain) || !bias.as_ref().is_none_or(fits) {
        return None;
    }
    let client = x.client.clone();
    let out = empty(&x, vec![cells, channels], options.dtype);
    let types = [x.dtype.into(), gain.dtype.into(), options.dtype.into()];
    let biased = bias.is_some();
    let bias = bias.unwrap_or_else(|| gain.clone());
    norm_rows::launch::<R>(
        &client,
        cubes(cells),
        CubeDim::new_1d(UNITS as u32),
        x.into_tensor_arg(),
        gain.into_tensor_arg(),
        bias.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        cells as u32,
        channels as u32,
        stride as u32,
        options.eps as f32,
        options.centred,
        options.plus_one,
        biased,
        types,
    );
    Some(out)
}

#[cube(launch)]
fn norm_rows<I: Numeric, G: Numeric, O: Numeric>(
    x: &Tensor<I>,
    gain: &Tensor<G>,
    bias: &Tensor<G>,
    out: &mut Tensor<O>,
    cells: u32,
    channels: u32,
    stride: u32,
    eps: f32,
    #[comptime] centred: bool,
    #[comptime] plus_one: bool,
    #[comptime] biased: bool,
    #[define(I, G, O)] _types: [StorageType; 3],
) {
    let channels = channels as usize;
    let cell = CUBE_POS_Y as usize * CUBE_COUNT_X as usize + CUBE_POS_X as usize;
    // The whole cube: none of its units waits for the others.
    if cell >= cells as usize {
        terminate!();
    }
    let (row, own_row) = (cell * stride as usize, cell * channels);
    let mut held = SharedMemory::<f32>::new(UNITS);
    let mut mean = 0.0f32;
    if comptime!(centred) {
        let mut sum = 0.0f32;
        let mut at = UNIT_POS_X as usize;
        while at < channels {
            sum += f32::cast_from(x[row + at]);
            at += UNITS;
        }
        mean = total(&mut held, sum) / f32::cast_from(channels as u32);
    }
    let mut squares = 0.0f32;
    let mut at = UNIT_POS_X as usize;
    while at < channels {
        let number = f32::cast_from(x[row + at]) - mean;
        squares += number * number;
        at += UNITS;
    }
    let scale = f32::sqrt(total(&mut held, squares) / f32::cast_from(channels as u32) + eps);
    let mut at = UNIT_POS_X as usize;
    while at < channels {
        let mut own = f32::cast_from(gain[at]);
        if comptime!(plus_one) {
            own += 1.0f32;
        }
        let mut number = (f32::cast_from(x[row + at]) - mean) / scale * own;
        if comptime!(biased) {
            number += f32::cast_from(bias[at]);
        }
        out[own_row + at] = O::cast_from(number);
        at += UNITS;
    }
}
