//! The kernels against sums in f64: on an NVIDIA GPU, or on whatever wgpu finds, for which a
//! software driver (Mesa's lavapipe) will do.
//!
//! `cargo test -p bias-cube --features wgpu`, or `cuda`; `scripts/gpu.sh` runs it where there is a
//! GPU.
#![cfg(any(feature = "cuda", feature = "wgpu"))]
#![allow(clippy::unwrap_used, clippy::panic)]

mod gpu;

use bias_cube::{NormOptions, count_reaching, gated_silu, masked_softmax, matmul, norm, rotated};
use burn::tensor::backend::BackendTypes;
use burn::tensor::{Bool, DType, Tensor, TensorData};

use gpu::B;

fn device() -> <B as BackendTypes>::Device {
    Default::default()
}

/// Numbers between -1 and 1 that look random.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &device())
}

/// The same with a gap behind every row, as CUDA leaves one where rows do not come out even.
fn apart<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<B, D> {
    let columns = shape[D - 1];
    let mut wide = shape;
    wide[D - 1] = columns.next_multiple_of(16) + 16;
    let gap = vec![f32::NAN; wide[D - 1] - columns];
    let all: Vec<f32> =
        values.chunks(columns).flat_map(|row| row.iter().chain(&gap).copied()).collect();
    tensor(&all, wide).narrow(D - 1, 0, columns)
}

fn values<const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

/// The largest difference, in shares of the largest number.
fn error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0, |top: f64, x| top.max(x.abs()));
    let pairs = found.iter().zip(expected);
    pairs
        .map(|(f, e)| (f64::from(*f) - e).abs())
        .fold(0.0, |top: f64, x| if x > top || x.is_nan() { x } else { top })
        / largest
}

fn multiplied(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let cell = |i: usize, j: usize| {
        (0..k).map(|x| f64::from(a[i * k + x]) * f64::from(b[x * n + j])).sum()
    };
    (0..m).flat_map(|i| (0..n).map(move |j| cell(i, j))).collect()
}

#[test]
fn products_of_a_few_rows_and_of_many() {
    let shapes = [
        [1, 64, 64],
        [1, 100, 68],
        [3, 64, 132],
        [4, 500, 260],
        [5, 1030, 128],
        [8, 256, 1000],
        [11, 333, 96],
        [16, 2100, 516],
        [17, 64, 64],
        [40, 128, 96],
        [130, 70, 66],
        [2, 7, 5],
        [4, 512, 512],
        [11, 1024, 256],
    ];
    for shape @ [m, k, n] in shapes {
        let (a, b) = (numbers(m as u64, m * k), numbers(n as u64 + 99, k * n));
        let expected = multiplied(&a, &b, shape);
        for found in [
            matmul(tensor(&a, [m, k]), tensor(&b, [k, n])),
            matmul(apart(&a, [m, k]), apart(&b, [k, n])),
        ] {
            assert_eq!(found.dims(), [m, n]);
            let error = error(&values(found), &expected);
            // Sums of up to 2100 numbers in f32.
            assert!(error < 2e-6, "{shape:?}: {error:e}");
        }
    }
}

#[test]
fn products_of_views_and_batches() {
    let (a, b) = (numbers(1, 3 * 4 * 96), numbers(2, 80 * 96));
    // Turned round: not as it lies in memory.
    let turned = tensor(&b, [80, 96]).transpose();
    let found = matmul(tensor(&a[..4 * 96], [4, 96]), turned);
    let as_it_is: Vec<f32> = (0..96 * 80).map(|i| b[i % 80 * 96 + i / 80]).collect();
    assert!(error(&values(found), &multiplied(&a[..4 * 96], &as_it_is, [4, 96, 80])) < 1e-6);

    let b = numbers(3, 3 * 96 * 80);
    let found = matmul(tensor(&a, [3, 4, 96]), tensor(&b, [3, 96, 80]));
    let expected: Vec<f64> = (0..3)
        .flat_map(|i| multiplied(&a[i * 384..][..384], &b[i * 7680..][..7680], [4, 96, 80]))
        .collect();
    assert!(error(&values(found), &expected) < 1e-6);
}

#[test]
fn norms_of_all_kinds() {
    for (cells, channels) in [(1, 1), (3, 7), (5, 256), (9, 1000), (2, 4096)] {
        let (x, gain, bias) =
            (numbers(5, cells * channels), numbers(6, channels), numbers(7, channels));
        for (centred, plus_one, biased) in
            [(false, false, false), (false, true, false), (true, false, true), (true, false, false)]
        {
            let options = NormOptions { centred, plus_one, eps: 1e-5, dtype: DType::F32 };
            let own = biased.then(|| tensor(&bias, [channels]));
            let found = norm(
                &apart(&x, [cells, channels]),
                &tensor(&gain, [channels]),
                own.as_ref(),
                options,
            )
            .unwrap();
            let expected: Vec<f64> = x
                .chunks(channels)
                .flat_map(|row| {
                    let n = channels as f64;
                    let mean = if centred {
                        row.iter().map(|x| f64::from(*x)).sum::<f64>() / n
                    } else {
                        0.0
                    };
                    let square =
                        row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n;
                    let scale = (square + 1e-5).sqrt();
                    row.iter()
                        .enumerate()
                        .map(move |(i, x)| (i, (f64::from(*x) - mean) / scale))
                        .collect::<Vec<_>>()
                })
                .map(|(i, x)| {
                    let own = f64::from(gain[i]) + if plus_one { 1.0 } else { 0.0 };
                    x * own + if biased { f64::from(bias[i]) } else { 0.0 }
                })
                .collect();
            let found = values(found);
            // A layer norm of one channel is 0.
            let error = if channels == 1 && centred && !biased {
                f64::from(found[0].abs())
            } else {
                error(&found, &expected)
            };
            assert!(error < 2e-6, "{cells} x {channels}, {centred} {plus_one} {biased}: {error:e}");
        }
    }
}

#[test]
fn softmax_of_what_is_not_masked() {
    for shape @ [rows, heads, width, columns] in
        [[1, 1, 1, 1], [2, 3, 5, 7], [1, 2, 9, 64], [3, 1, 4, 545]]
    {
        let count = rows * heads * width * columns;
        let scores: Vec<f32> = numbers(8, count).iter().map(|x| x * 20.0).collect();
        // One mask for all heads, not copied; the first column is never masked.
        let masked: Vec<bool> = numbers(9, rows * width * columns)
            .iter()
            .enumerate()
            .map(|(i, x)| i % columns != 0 && *x > 0.3)
            .collect();
        let one = TensorData::new(masked.clone(), [rows, 1, width, columns]);
        let mask = Tensor::<B, 4, Bool>::from_data(one, &device()).repeat_dim(1, heads);
        let Some(found) = masked_softmax(&apart(&scores, shape), &mask) else {
            panic!("planes of one size are needed here");
        };
        let expected: Vec<f64> = scores
            .chunks(columns)
            .enumerate()
            .flat_map(|(own, row)| {
                let (batch, token) = (own / (heads * width), own % width);
                let masked = &masked[(batch * width + token) * columns..][..columns];
                let kept = |i: usize| if masked[i] { 0.0 } else { f64::from(row[i]).exp() };
                let sum: f64 = (0..columns).map(kept).sum();
                (0..columns).map(|i| kept(i) / sum).collect::<Vec<_>>()
            })
            .collect();
        let error = error(&values(found), &expected);
        assert!(error < 3e-6, "{shape:?}: {error:e}");
    }
}

#[test]
fn gates_near_zero_and_far_from_it() {
    for count in [1, 7, 64, 5000] {
        let (mut gate, up) = (numbers(14, count), numbers(15, count));
        gate.iter_mut().for_each(|x| *x *= 30.0);
        gate[0] = -1000.0;
        let found = gated_silu(&apart(&gate, [1, count]), &tensor(&up, [1, count])).unwrap();
        let silu = |x: f32| f64::from(x) / (1.0 + (-f64::from(x)).exp());
        let expected = gate.iter().zip(&up).map(|(x, up)| silu(*x) * f64::from(*up));
        for (found, expected) in values(found).into_iter().zip(expected) {
            assert!(
                (f64::from(found) - expected).abs() <= 2e-6 * expected.abs() + 1e-12,
                "{found} {expected}"
            );
        }
    }
}

#[test]
fn rotations_of_whole_and_of_half_heads() {
    for (cells, heads, d_head, half) in
        [(1, 1, 2, 1), (3, 2, 8, 4), (5, 3, 12, 3), (70, 4, 128, 64)]
    {
        let count = cells * heads * d_head;
        let (x, cos, sin) =
            (numbers(16, count), numbers(17, cells * d_head), numbers(18, cells * d_head));
        let tables = [&cos, &sin].map(|table| tensor(table, [cells, d_head]));
        let found = rotated(&apart(&x, [cells, heads * d_head]), tables.each_ref(), half).unwrap();
        let expected: Vec<f64> = (0..count)
            .map(|at| {
                let partner = match at % d_head {
                    channel if channel < half => -f64::from(x[at + half]),
                    channel if channel < 2 * half => f64::from(x[at - half]),
                    _ => 0.0,
                };
                let table = at / (heads * d_head) * d_head + at % d_head;
                f64::from(x[at]) * f64::from(cos[table]) + partner * f64::from(sin[table])
            })
            .collect();
        assert!(error(&values(found), &expected) < 1e-6);
    }
}

#[test]
fn counts_of_what_reaches_a_threshold() {
    for shape @ [rows, columns] in [[1, 1], [3, 7], [40, 1000], [700, 1024]] {
        let mut numbers = numbers(11, rows * columns);
        numbers[rows * columns / 2] = f32::NAN;
        for threshold in [f32::NEG_INFINITY, -0.5, 0.0, numbers[0], 2.0, f32::INFINITY] {
            let found = count_reaching(&apart(&numbers, shape), threshold);
            let expected = numbers.iter().filter(|x| **x >= threshold).count();
            assert_eq!(found, Some(expected), "{shape:?} {threshold}");
        }
    }
}

/// In bf16, against the same numbers in f32: what is left is the rounding of the result.
#[test]
#[cfg(feature = "cuda")]
fn products_in_bf16() {
    let shapes = [
        [1, 64, 64],
        [3, 896, 896],
        [8, 4096, 14336],
        [8, 14336, 4096],
        [16, 2048, 5632],
        [17, 4096, 4096],
        [128, 4096, 14336],
        [500, 14336, 4096],
        [513, 768, 2048],
        [4096, 4096, 14336],
        [44, 24, 64],
        [44, 96, 24],
        [1000, 576, 1536],
        [1000, 100, 66],
    ];
    for [m, k, n] in shapes {
        let random = |shape: [usize; 2]| {
            let uniform = burn::tensor::Distribution::Uniform(-1.0, 1.0);
            Tensor::<B, 2>::random(shape, uniform, &device()).cast(DType::BF16)
        };
        for turned in [false, true] {
            let a = random([m, k]);
            let b = if turned { random([n, k]).transpose() } else { random([k, n]) };
            let exact = matmul(a.clone().cast(DType::F32), b.clone().cast(DType::F32));
            let found = matmul(a, b).cast(DType::F32);
            let largest: f32 = exact.clone().abs().max().into_scalar();
            let error: f32 = (found - exact).abs().max().into_scalar() / largest;
            // Half a unit in the last of bf16's 8 binary digits, of numbers up to the largest.
            assert!(error < 0.0041, "{m} x {k} x {n}, turned round: {turned}: {error}");
        }
    }
}

/// Our other kernels in bf16, against themselves in f32 on the same numbers.
#[test]
#[cfg(feature = "cuda")]
fn the_rest_in_bf16() {
    let random = |shape: [usize; 2]| {
        let uniform = burn::tensor::Distribution::Uniform(-2.0, 2.0);
        Tensor::<B, 2>::random(shape, uniform, &device()).cast(DType::BF16)
    };
    let wide = |tensor: &Tensor<B, 2>| tensor.clone().cast(DType::F32);
    let check = |what: &str, found: Tensor<B, 2>, exact: Tensor<B, 2>| {
        assert_eq!(found.dtype(), DType::BF16, "{what}");
        let largest: f32 = exact.clone().abs().max().into_scalar();
        let error: f32 = (found.cast(DType::F32) - exact).abs().max().into_scalar() / largest;
        assert!(error < 0.0041, "{what}: {error}");
    };
    for [cells, channels] in [[8, 4096], [3, 576], [2, 100]] {
        let (x, y) = (random([cells, channels]), random([cells, channels]));
        let gain = random([1, channels]).reshape([channels]);
        let options = |dtype| NormOptions { centred: false, plus_one: false, eps: 1e-5, dtype };
        let exact = norm(&wide(&x), &gain, None, options(DType::F32)).unwrap();
        check("norm", norm(&x, &gain, None, options(DType::BF16)).unwrap(), exact);
        check("gate", gated_silu(&x, &y).unwrap(), gated_silu(&wide(&x), &wide(&y)).unwrap());
        let (cos, sin) = (random([cells, channels / 2]), random([cells, channels / 2]));
        let exact = rotated(&wide(&x), [&wide(&cos), &wide(&sin)], channels / 4).unwrap();
        check("rotation", rotated(&x, [&cos, &sin], channels / 4).unwrap(), exact);
        let four = |x: Tensor<B, 2>| x.reshape([1, 1, cells, channels]);
        let mask = four(wide(&y)).greater_elem(0.5);
        let exact = masked_softmax(&four(wide(&x)), &mask).unwrap().reshape([cells, channels]);
        check(
            "softmax",
            masked_softmax(&four(x), &mask).unwrap().reshape([cells, channels]),
            exact,
        );
    }
}

/// A few rows of f32 by a matrix large enough for many slices, again by another kernel.
#[test]
fn a_few_rows_are_as_many() {
    let (a, b) = (numbers(12, 20 * 1000), numbers(13, 1000 * 512));
    let b = tensor(&b, [1000, 512]);
    let many = matmul(tensor(&a, [20, 1000]), b.clone()).narrow(0, 0, 7);
    let few = matmul(tensor(&a[..7 * 1000], [7, 1000]), b);
    let error: f32 = (many - few).abs().max().into_scalar();
    assert!(error < 1e-4, "{error}");
}
