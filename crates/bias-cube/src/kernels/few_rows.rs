//! A few rows by a large matrix: what decoding does. All there is to it is to read the matrix once.
//!
//! A cube takes 32 · `N` columns of a slice of the matrix' rows; its 8 lines of units share the
//! slice, so that a line's reads lie side by side. Slices are summed by a second kernel, always in
//! the same order.

use burn::tensor::DType;
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout::{cubes, empty, is_known, row_stride, shape};

/// Units of a cube: side by side, and lines.
const ACROSS: usize = 32;
const LINES: usize = 8;
const UNITS: usize = ACROSS * LINES;
/// Numbers of the vectors that a cube holds at most: 16 KiB, beside 8 KiB of sums.
const HELD: usize = 4096;
/// Cubes that keep a large GPU busy.
const CUBES: usize = 528;

/// The kernels' own number of rows: one for several, so that few are compiled.
fn rounded(rows: usize) -> Option<usize> {
    [1, 4, 8, 16].into_iter().find(|own| rows <= *own)
}

/// Numbers of the matrix that are read at once: 16 bytes.
fn together(dtype: DType) -> usize {
    16 / dtype.size()
}

/// One matrix whose rows are whole vectors, and at most 16 rows.
pub(crate) fn suits<R: CubeRuntime>(a: &CubeTensor<R>, b: &CubeTensor<R>) -> bool {
    let [Some((rows, inner)), Some((_, columns))] = [a, b].map(as_matrix) else { return false };
    let together = together(a.dtype);
    let even =
        row_stride(b).is_some_and(|stride| stride >= columns && stride.is_multiple_of(together));
    // Slices lie along an axis of the grid that ends at 65535.
    let large = (64..1 << 20).contains(&inner) && columns >= 64 && columns.is_multiple_of(together);
    is_known(a) && is_known(b) && rounded(rows).is_some() && large && even
}

/// Rows and columns, if there is but one matrix.
fn as_matrix<R: CubeRuntime>(tensor: &CubeTensor<R>) -> Option<(usize, usize)> {
    match shape(tensor)[..] {
        [ref batches @ .., rows, columns] if batches.iter().all(|n| *n == 1) => {
            Some((rows, columns))
        }
        _ => None,
    }
}

pub(crate) fn product<R: CubeRuntime>(a: CubeTensor<R>, b: CubeTensor<R>) -> Option<CubeTensor<R>> {
    let ((rows, inner), (_, columns)) = (as_matrix(&a)?, as_matrix(&b)?);
    let (own, together, stride) = (rounded(rows)?, together(a.dtype), row_stride(&b)?);
    let across = columns.div_ceil(ACROSS * together);
    let most = (HELD / own).min(512);
    let slices = CUBES.div_ceil(across).min(inner / 64).max(inner.div_ceil(most));
    let slice = inner.div_ceil(slices).next_multiple_of(LINES);
    let slices = inner.div_ceil(slice);
    let (a, dtype) = (into_contiguous(a), b.dtype);
    let client = a.client.clone();
    let parts = empty(&a, vec![slices, rows, columns], DType::F32);
    let mut sizes = shape(&a);
    *sizes.last_mut()? = columns;
    let out = empty(&a, sizes, dtype);
    few_rows::launch::<R>(
        &client,
        CubeCount::Static(across as u32, slices as u32, 1),
        CubeDim::new_2d(ACROSS as u32, LINES as u32),
        together,
        a.into_tensor_arg(),
        b.into_tensor_arg(),
        parts.clone().into_tensor_arg(),
        rows as u32,
        inner as u32,
        columns as u32,
        (stride / together) as u32,
        slice as u32,
        own,
        most,
        together,
        dtype.into(),
    );
    let numbers = rows * columns;
    fold::launch::<R>(
        &client,
        cubes(numbers.div_ceil(UNITS)),
        CubeDim::new_1d(UNITS as u32),
        parts.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        numbers as u32,
        slices as u32,
        dtype.into(),
    );
    Some(out)
}

#[cube(launch)]
fn few_rows<F: Numeric, N: Size>(
    a: &Tensor<F>,
    b: &Tensor<Vector<F, N>>,
    parts: &mut Tensor<f32>,
    rows: u32,
    inner: u32,
    columns: u32,
    stride: u32,
    slice: u32,
    #[comptime] own: usize,
    #[comptime] most: usize,
    #[comptime] together: usize,
    #[define(F)] _dtype: StorageType,
) {
    let (rows, inner, columns, slice) =
        (rows as usize, inner as usize, columns as usize, slice as usize);
    let vectors = columns / together;
    let line = UNIT_POS_Y as usize;
    let unit = line * ACROSS + UNIT_POS_X as usize;
    let vector = CUBE_POS_X as usize * ACROSS + UNIT_POS_X as usize;
    let begin = CUBE_POS_Y as usize * slice;

    // The slice of every row, row after row for each number, rows that are not there as 0.
    let mut held = SharedMemory::<f32>::new(most * own);
    let mut i = unit;
    while i < slice * own {
        let (row, at) = (i % own, i / own + begin);
        let mut number = 0.0f32;
        if row < rows && at < inner {
            number = f32::cast_from(a[row * inner + at]);
        }
        held[i] = number;
        i += UNITS;
    }
    sync_cube();

    let mut sums = Array::<Vector<f32, N>>::new(own);
    #[unroll]
    for row in 0..own {
        sums[row] = Vector::new(0.0f32);
    }
    if vector < vectors {
        let mut at = line;
        while at < slice {
            if begin + at < inner {
                let weights =
                    Vector::<f32, N>::cast_from(b[(begin + at) * stride as usize + vector]);
                #[unroll]
                for row in 0..own {
                    sums[row] = sums[row] + weights * Vector::new(held[at * own + row]);
                }
            }
            at += LINES;
        }
    }

    // The lines' sums, added up a row at a time.
    let mut lines = SharedMemory::<f32>::new(UNITS * together);
    #[unroll]
    for row in 0..own {
        sync_cube();
        #[unroll]
        for i in 0..together {
            lines[unit * together + i] = sums[row][i];
        }
        sync_cube();
        if row < rows {
            let mut column = unit;
            while column < ACROSS * together {
                let at = CUBE_POS_X as usize * ACROSS * together + column;
                if at < columns {
                    let mut sum = 0.0f32;
                    #[unroll]
                    for line in 0..LINES {
                        sum += lines[line * ACROSS * together + column];
                    }
                    parts[(CUBE_POS_Y as usize * rows + row) * columns + at] = sum;
                }
                column += UNITS;
            }
        }
    }
}

#[cube(launch)]
fn fold<F: Numeric>(
    parts: &Tensor<f32>,
    out: &mut Tensor<F>,
    numbers: u32,
    slices: u32,
    #[define(F)] _dtype: StorageType,
) {
    let (numbers, slices) = (numbers as usize, slices as usize);
    let cube = CUBE_POS_Y as usize * CUBE_COUNT_X as usize + CUBE_POS_X as usize;
    let at = cube * UNITS + UNIT_POS_X as usize;
    if at < numbers {
        let mut sum = 0.0f32;
        for slice in 0..slices {
            sum += parts[slice * numbers + at];
        }
        out[at] = F::cast_from(sum);
    }
}
