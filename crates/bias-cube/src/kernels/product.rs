//! Which kernel multiplies which shapes.

use burn::tensor::DType;
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::matmul::init_matmul_output;
use burn_cubecl::tensor::CubeTensor;
use cubek::matmul::components::tile::TileMatmulKind::Mma;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::{Strategy, launch_ref};
use cubek::matmul::routines::BlueprintStrategy::Inferred;
use cubek::matmul::routines::TileSizeSelection;
use cubek::matmul::routines::double_buffering::DoubleBufferingArgs;
use cubek::matmul::routines::simple::SimpleArgs;
use cubek::matmul::routines::simple_unit::SimpleUnitSelectionArgs;
use cubek::std::InputBinding;

use super::few_rows;
use super::layout::shape;

/// What large kernels cut matrices into, at most.
const TILE: usize = 128;

pub(crate) fn product<R: CubeRuntime>(a: CubeTensor<R>, b: CubeTensor<R>) -> Option<CubeTensor<R>> {
    let axes = a.meta.num_dims();
    let ([a_shape, b_shape], batch) = ([shape(&a), shape(&b)], axes.checked_sub(2)?);
    let fits = a_shape[..batch] == b_shape[..batch] && a_shape[axes - 1] == b_shape[batch];
    if a.dtype != b.dtype || !fits || a_shape.contains(&0) || b_shape.contains(&0) {
        return None;
    }
    if few_rows::suits(&a, &b) {
        return few_rows::product(a, b);
    }
    strategies(&a, &b).into_iter().find_map(|strategy| launch(&strategy, &a, &b))
}

/// Kernels in the order in which they are tried: some do not know every shape. None where burn's
/// own will do.
///
/// Of cubek's kernels for tensor cores, burn takes the one that is right for every shape
/// (`SimpleCyclicCmma`). Others are faster, and wrong for some small ones (on an H200,
/// `DoubleCyclicMma` for 32 × 64 the other way round, and for 96 × 24): they are used for matrices
/// of whole tiles alone.
fn strategies<R: CubeRuntime>(a: &CubeTensor<R>, b: &CubeTensor<R>) -> Vec<Strategy> {
    let axes = a.meta.num_dims();
    let [rows, inner] = [a.meta.shape()[axes - 2], a.meta.shape()[axes - 1]];
    let columns = b.meta.shape()[axes - 1];
    let one = a.meta.shape().iter().take(axes - 2).all(|n| *n == 1);
    let tiled =
        one && [inner, columns].into_iter().all(|n| n.is_multiple_of(TILE)) && b.is_contiguous();
    match a.dtype {
        // On tensor cores, f32 is cut to TF32: 10 bits of fraction. These kernels use none.
        DType::F32 => {
            let unit =
                |tile_size| Strategy::SimpleUnit(Inferred(SimpleUnitSelectionArgs { tile_size }));
            vec![
                unit(TileSizeSelection::MaxTileSize),
                unit(TileSizeSelection::MinTileSize),
                Strategy::Naive,
            ]
        }
        DType::BF16 | DType::F16 if tiled && rows <= 512 => {
            vec![Strategy::DoubleCyclicMma(Inferred(DoubleBufferingArgs {
                specialized: false,
                tile_matmul: Mma,
            }))]
        }
        DType::BF16 | DType::F16 if tiled => {
            vec![Strategy::SimpleCyclicMma(Inferred(SimpleArgs {
                multi_rows: true,
                tile_matmul: Mma,
            }))]
        }
        _ => Vec::new(),
    }
}

fn launch<R: CubeRuntime>(
    strategy: &Strategy,
    a: &CubeTensor<R>,
    b: &CubeTensor<R>,
) -> Option<CubeTensor<R>> {
    let (out, dtype) = (init_matmul_output(a, b, a.dtype), a.dtype.into());
    let mut types =
        MatmulElems::from_globals(&MatmulGlobalElems { lhs: dtype, rhs: dtype, out: dtype });
    let [lhs, rhs] = [a, b].map(|tensor| InputBinding::new(tensor.clone().binding(), dtype));
    launch_ref(strategy, &a.client, lhs, rhs, out.clone().binding(), &mut types).ok()?;
    Some(out)
}
