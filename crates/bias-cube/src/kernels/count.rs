//! How many numbers reach a threshold, without a tensor of truth values between.

use burn::tensor::DType;
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout::{empty, is_known, row_stride, shape};
use super::total::{UNITS, total};

/// Cubes at most: each gives one count.
const CUBES: usize = 1024;

pub(crate) fn reaching<R: CubeRuntime>(
    numbers: CubeTensor<R>,
    threshold: f32,
) -> Option<CubeTensor<R>> {
    let [rows, columns] = shape(&numbers)[..] else { return None };
    let stride = row_stride(&numbers)?;
    if numbers.dtype != DType::F32 || !is_known(&numbers) {
        return None;
    }
    let cubes = (rows * columns).div_ceil(UNITS).min(CUBES);
    let client = numbers.client.clone();
    let counts = empty(&numbers, vec![cubes], DType::U32);
    count_reaching::launch::<R>(
        &client,
        CubeCount::Static(cubes as u32, 1, 1),
        CubeDim::new_1d(UNITS as u32),
        numbers.into_tensor_arg(),
        counts.clone().into_tensor_arg(),
        (rows * columns) as u32,
        columns as u32,
        stride as u32,
        cubes as u32,
        threshold,
    );
    Some(counts)
}

#[cube(launch)]
fn count_reaching(
    numbers: &Tensor<f32>,
    counts: &mut Tensor<u32>,
    count: u32,
    columns: u32,
    stride: u32,
    cubes: u32,
    threshold: f32,
) {
    let (count, columns, stride) = (count as usize, columns as usize, stride as usize);
    let unit = UNIT_POS_X as usize;
    let step = cubes as usize * UNITS;
    let mut own = 0u32;
    let mut at = CUBE_POS_X as usize * UNITS + unit;
    while at < count {
        if numbers[at / columns * stride + at % columns] >= threshold {
            own += 1u32;
        }
        at += step;
    }
    let mut held = SharedMemory::<u32>::new(UNITS);
    let sum = total(&mut held, own);
    if unit == 0 {
        counts[CUBE_POS_X as usize] = sum;
    }
}
