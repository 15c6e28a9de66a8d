//! A softmax of each row, a plane of units a row.

use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout::{cubes, empty, is_known, row_stride, shape};

/// Rows of a cube.
const ROWS: usize = 8;

pub(crate) fn masked<R: CubeRuntime>(
    scores: CubeTensor<R>,
    mask: CubeTensor<R>,
) -> Option<CubeTensor<R>> {
    let [batches, heads, width, columns] = shape(&scores)[..] else { return None };
    row_stride(&scores).and(row_stride(&mask))?;
    if !is_known(&scores) || shape(&mask) != shape(&scores) {
        return None;
    }
    let client = scores.client.clone();
    let hardware = &client.properties().hardware;
    // Every row has a whole plane to itself.
    let plane = hardware.plane_size_max;
    if hardware.plane_size_min != plane || plane < 2 {
        return None;
    }
    let out = empty(&scores, shape(&scores), scores.dtype);
    let types = [scores.dtype.into(), mask.dtype.into()];
    let rows = batches * heads * width;
    softmax_rows::launch::<R>(
        &client,
        cubes(rows.div_ceil(ROWS)),
        CubeDim::new_2d(plane, ROWS as u32),
        scores.into_tensor_arg(),
        mask.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        rows as u32,
        heads as u32,
        width as u32,
        columns as u32,
        types,
    );
    Some(out)
}

#[cube(launch)]
fn softmax_rows<F: Numeric, M: Numeric>(
    scores: &Tensor<F>,
    mask: &Tensor<M>,
    out: &mut Tensor<F>,
    rows: u32,
    heads: u32,
    width: u32,
    columns: u32,
    #[define(F, M)] _types: [StorageType; 2],
) {
    let (rows, heads, width, columns) =
        (rows as usize, heads as usize, width as usize, columns as usize);
    let cube = CUBE_POS_Y as usize * CUBE_COUNT_X as usize + CUBE_POS_X as usize;
    let row = cube * ROWS + UNIT_POS_Y as usize;
    // Lines past the last row go along with the others, on it.
    let own = usize::min(row, rows - 1);
    let (batch, head, token) = (own / (heads * width), own / width % heads, own % width);
    // A mask that is the same for all heads is there but once.
    let own_scores = batch * scores.stride(0) + head * scores.stride(1) + token * scores.stride(2);
    let own_mask = batch * mask.stride(0) + head * mask.stride(1) + token * mask.stride(2);
    let mut top = f32::min_value();
    let mut at = UNIT_POS_X as usize;
    while at < columns {
        if u32::cast_from(mask[own_mask + at]) == 0 {
            top = f32::max(top, f32::cast_from(scores[own_scores + at]));
        }
        at += CUBE_DIM_X as usize;
    }
    let top = plane_max(top);
    let mut sum = 0.0f32;
    let mut at = UNIT_POS_X as usize;
    while at < columns {
        if u32::cast_from(mask[own_mask + at]) == 0 {
            sum += f32::exp(f32::cast_from(scores[own_scores + at]) - top);
        }
        at += CUBE_DIM_X as usize;
    }
    let sum = plane_sum(sum);
    if row < rows {
        let mut at = UNIT_POS_X as usize;
        while at < columns {
            let mut share = 0.0f32;
            if u32::cast_from(mask[own_mask + at]) == 0 {
                share = f32::exp(f32::cast_from(scores[own_scores + at]) - top) / sum;
            }
            out[own * columns + at] = F::cast_from(share);
            at += CUBE_DIM_X as usize;
        }
    }
}
