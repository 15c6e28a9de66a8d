//! How fast is each of cubek's product kernels on an NVIDIA GPU, and is it right? What
//! `bias_cube::matmul` chooses by was found with this.
//!
//! ```sh
//! cargo build --release -p bias-cube --features cuda --example product_kernels
//! for kernel in $(product_kernels); do
//!     timeout 20 product_kernels $kernel bf16 8x4096x14336 4096x4096x14336 64x2048x128x512
//! done
//! ```
//!
//! A shape is rows × inner × columns, with a number of batches before it if there are several. A
//! kernel that breaks takes its process with it, so each has its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;
use std::time::Instant;

use burn::backend::Cuda;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Distribution, Tensor, TensorPrimitive};
use burn_cubecl::kernel::matmul::init_matmul_output;
use burn_cubecl::tensor::CubeTensor;
use cubecl::cuda::CudaRuntime;
use cubek::matmul::components::tile::TileMatmulKind::{Cmma, Mma};
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::{Strategy, launch_ref};
use cubek::matmul::routines::BlueprintStrategy::Inferred;
use cubek::matmul::routines::TileSizeSelection;
use cubek::matmul::routines::double_buffering::DoubleBufferingArgs;
use cubek::matmul::routines::double_unit::DoubleUnitSelectionArgs;
use cubek::matmul::routines::ordered_double_buffering::OrderedSelectionArgs;
use cubek::matmul::routines::simple::SimpleArgs;
use cubek::matmul::routines::simple_unit::SimpleUnitSelectionArgs;
use cubek::std::InputBinding;

/// cubek's kernels that burn tries with `autotune`, and some that it does not.
fn all() -> Vec<(&'static str, Strategy)> {
    let simple = |m, t| SimpleArgs { multi_rows: m, tile_matmul: t };
    let ordered = |r, t| OrderedSelectionArgs {
        partition_k: Some(2),
        row_count: Some(r),
        rows_per_plane: Some(2),
        tile_matmul: t,
    };
    let double = |s, t| DoubleBufferingArgs { specialized: s, tile_matmul: t };
    vec![
        ("auto", Strategy::Auto),
        (
            "simple-unit-min",
            Strategy::SimpleUnit(Inferred(SimpleUnitSelectionArgs {
                tile_size: TileSizeSelection::MinTileSize,
            })),
        ),
        (
            "simple-unit-max",
            Strategy::SimpleUnit(Inferred(SimpleUnitSelectionArgs {
                tile_size: TileSizeSelection::MaxTileSize,
            })),
        ),
        (
            "double-unit-min",
            Strategy::DoubleUnit(Inferred(DoubleUnitSelectionArgs {
                tile_size: TileSizeSelection::MinTileSize,
            })),
        ),
        (
            "double-unit-max",
            Strategy::DoubleUnit(Inferred(DoubleUnitSelectionArgs {
                tile_size: TileSizeSelection::MaxTileSize,
            })),
        ),
        ("simple-cyclic-cmma-multi", Strategy::SimpleCyclicCmma(Inferred(simple(true, Cmma)))),
        ("simple-cyclic-mma", Strategy::SimpleCyclicMma(Inferred(simple(false, Mma)))),
        ("simple-cyclic-mma-multi", Strategy::SimpleCyclicMma(Inferred(simple(true, Mma)))),
        ("ordered-cmma-4", Strategy::OrderedDoubleCmma(Inferred(ordered(4, Cmma)))),
        ("ordered-cmma-8", Strategy::OrderedDoubleCmma(Inferred(ordered(8, Cmma)))),
        ("ordered-mma-4", Strategy::OrderedDoubleMma(Inferred(ordered(4, Mma)))),
        ("ordered-mma-8", Strategy::OrderedDoubleMma(Inferred(ordered(8, Mma)))),
        ("double-cyclic-cmma", Strategy::DoubleCyclicCmma(Inferred(double(false, Cmma)))),
        ("double-cyclic-cmma-spec", Strategy::DoubleCyclicCmma(Inferred(double(true, Cmma)))),
        ("double-cyclic-mma", Strategy::DoubleCyclicMma(Inferred(double(false, Mma)))),
        ("double-cyclic-mma-spec", Strategy::DoubleCyclicMma(Inferred(double(true, Mma)))),
        ("specialized-cyclic-cmma", Strategy::SpecializedCyclicCmma(Inferred(().into()))),
        ("specialized-cyclic-mma", Strategy::SpecializedCyclicMma(Inferred(().into()))),
        ("simple-tma-cmma", Strategy::SimpleTmaCmma(Inferred(simple(false, Cmma)))),
        ("simple-tma-mma", Strategy::SimpleTmaMma(Inferred(simple(false, Mma)))),
        ("simple-tma-cmma-multi", Strategy::SimpleTmaCmma(Inferred(simple(true, Cmma)))),
        ("simple-tma-mma-multi", Strategy::SimpleTmaMma(Inferred(simple(true, Mma)))),
        ("specialized-tma-cmma", Strategy::SpecializedTmaCmma(Inferred(().into()))),
        ("specialized-tma-mma", Strategy::SpecializedTmaMma(Inferred(().into()))),
        ("double-tma-cmma", Strategy::DoubleTmaCmma(Inferred(double(false, Cmma)))),
        ("double-tma-mma", Strategy::DoubleTmaMma(Inferred(double(false, Mma)))),
        ("simple-async-cyclic-mma", Strategy::SimpleAsyncCyclicMma(Inferred(simple(true, Mma)))),
        ("double-async-cyclic-mma", Strategy::DoubleAsyncCyclicMma(Inferred(double(false, Mma)))),
        ("simple-vecmat", Strategy::SimpleVecMat(Inferred(().into()))),
        ("double-vecmat", Strategy::DoubleVecMat(Inferred(().into()))),
        ("gemv-perpendicular", Strategy::GemvUnitPerpendicular(Inferred(Default::default()))),
        ("gemv-plane", Strategy::GemvPlaneParallel(Inferred(Default::default()))),
    ]
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let kernels = all();
    let (Some(name), Some(dtype), shapes) =
        (args.first(), args.get(1), args.get(2..).unwrap_or_default())
    else {
        kernels.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let Some((_, kernel)) = kernels.iter().find(|(own, _)| own == name) else {
        eprintln!("error: no kernel {name}; without arguments, all are listed");
        return ExitCode::FAILURE;
    };
    let dtype = if dtype == "f32" { DType::F32 } else { DType::BF16 };
    for shape in shapes {
        match measured(kernel, dtype, shape) {
            Ok(found) => println!("{name} {shape}: {found}"),
            Err(error) => {
                println!("{name} {shape}: {}", error.chars().take(100).collect::<String>())
            }
        }
    }
    ExitCode::SUCCESS
}

type Raw = CubeTensor<CudaRuntime>;

fn raw(tensor: Tensor<Cuda, 3>) -> Raw {
    match tensor.into_primitive() {
        TensorPrimitive::Float(raw) => raw,
        TensorPrimitive::QFloat(_) => panic!("nothing is quantized here"),
    }
}

fn run(kernel: &Strategy, a: &Raw, b: &Raw) -> Result<Raw, String> {
    let (out, dtype) = (init_matmul_output(a, b, a.dtype), a.dtype.into());
    let mut types =
        MatmulElems::from_globals(&MatmulGlobalElems { lhs: dtype, rhs: dtype, out: dtype });
    let [lhs, rhs] = [a, b].map(|tensor| InputBinding::new(tensor.clone().binding(), dtype));
    let done = launch_ref(kernel, &a.client, lhs, rhs, out.clone().binding(), &mut types);
    done.map(|()| out).map_err(|error| format!("{error:?}"))
}

fn measured(kernel: &Strategy, dtype: DType, shape: &str) -> Result<String, String> {
    let device = Default::default();
    let sizes: Result<Vec<usize>, _> = shape.split('x').map(str::parse).collect();
    let (batches, rows, inner, columns) = match sizes.map_err(|error| error.to_string())?[..] {
        [rows, inner, columns] => (1, rows, inner, columns),
        [batches, rows, inner, columns] => (batches, rows, inner, columns),
        _ => return Err("a shape has three or four numbers".into()),
    };
    let random = |shape: [usize; 3]| {
        raw(Tensor::<Cuda, 3>::random(shape, Distribution::Uniform(-1.0, 1.0), &device).cast(dtype))
    };
    let (a, b) = (random([batches, rows, inner]), random([batches, inner, columns]));
    let sync = || <Cuda as Backend>::sync(&device).map_err(|error| format!("{error:?}"));
    let started = Instant::now();
    let found = run(kernel, &a, &b)?;
    sync()?;
    let first = started.elapsed().as_secs_f64();
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let started = Instant::now();
        for _ in 0..20 {
            run(kernel, &a, &b)?;
        }
        sync()?;
        best = best.min(started.elapsed().as_secs_f64() / 20.0);
    }
    let back =
        |raw| Tensor::<Cuda, 3>::from_primitive(TensorPrimitive::Float(raw)).cast(DType::F32);
    let exact = back(run(&Strategy::Naive, &a, &b)?);
    let error: f32 = (back(found) - exact.clone()).abs().max().into_scalar();
    let share = error / exact.abs().max().into_scalar();
    let (flops, bytes) =
        (2 * batches * rows * inner * columns, batches * inner * columns * dtype.size());
    let (flops, bytes) = (flops as f64 / best / 1e12, bytes as f64 / best / 1e9);
    Ok(format!(
        "{:.1} us, {flops:.1} TFLOP/s, {bytes:.0} GB/s of the right factor; {first:.2} s the first time; off by {share:.1e}",
        best * 1e6
    ))
}
