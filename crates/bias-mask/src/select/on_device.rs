//! Selection on the device that holds the scores. Neither the scores nor a sorted copy of them come
//! to the host.
//!
//! The `k`-th highest score is found by bisection over all `f32` numbers in their order: at most 32
//! times, the device counts the scores that reach the middle of the range. It packs the result into
//! one bit per weight. The selection equals that of [`top_fraction`](crate::top_fraction) on the
//! same scores.

use bias_types::ParamPath;
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, DType, Int, Tensor, TensorData};

use super::input_norms::InputNorms;
use super::rank::{key, score_of};
use super::top::share;
use crate::error::MaskError;
use crate::mask::bits::BitMatrix;

/// Bits of one packed integer.
const WORD: usize = 32;

/// [`top_fraction`](crate::top_fraction) of scores that are on a device. The device makes the same
/// selection, ties to the lower index.
///
/// Scores are compared in f32. A device that treats numbers below 1.2e-38 as zero treats such
/// scores as equal.
///
/// # Shapes
/// `scores`: `[out, in]`.
///
/// # Errors
/// [`MaskError::Fraction`] outside [0, 1], [`MaskError::NanScore`]; [`MaskError::TooLarge`] beyond
/// 2³¹ − 1 scores; [`MaskError::Readback`].
pub fn top_fraction_on_device<B: Backend>(
    path: &ParamPath,
    scores: Tensor<B, 2>,
    fraction: f64,
) -> Result<BitMatrix, MaskError> {
    let shape = scores.dims();
    unpack(pack(top(path, scores, fraction)?), shape)
}

/// [`top_difference_scaled`](crate::select::top_difference_scaled) of weights that are on a device.
///
/// Scores are computed in f32, from norms rounded to f32. The selection is the same if the norms
/// are f32 numbers; otherwise it can differ between scores that are nearly equal.
///
/// # Shapes
/// `weights`: `[out, in]`; `norms`: `[in]` each, or [by rows](InputNorms::by_rows).
///
/// # Errors
/// As [`top_fraction_on_device`]; [`MaskError::Channels`] unless there is one norm per input
/// channel.
pub fn top_difference_on_device<'a, B: Backend>(
    path: &ParamPath,
    weights: Tensor<B, 2>,
    norms: [impl Into<InputNorms<'a>>; 2],
    fraction: f64,
) -> Result<BitMatrix, MaskError> {
    let (shape, device) = (weights.dims(), weights.device());
    let sizes = to_f32(weights).abs();
    let of = |norms: InputNorms<'_>| {
        norms.check(path, shape[1])?;
        let (all, blocks) = norms.all();
        let all: Vec<f32> = all.iter().map(|norm| *norm as f32).collect();
        let own = TensorData::new(all, [blocks, shape[1]]);
        let mut own = Tensor::<B, 2>::from_data(own, (&device, DType::F32));
        if blocks > 1 {
            let block: Vec<i32> = (0..shape[0]).map(|row| norms.block(row) as i32).collect();
            let block = TensorData::new(block, [shape[0]]);
            own = own.select(0, Tensor::<B, 1, Int>::from_data(block, &device));
        }
        top(path, sizes.clone() * own, fraction)
    };
    let [a, b] = norms.map(Into::into);
    unpack(pack(of(a)?.bool_and(of(b)?.bool_not())), shape)
}

/// In f32, whatever the backend computes in.
fn to_f32<B: Backend>(tensor: Tensor<B, 2>) -> Tensor<B, 2> {
    if tensor.dtype() == DType::F32 { tensor } else { tensor.cast(DType::F32) }
}

fn top<B: Backend>(
    path: &ParamPath,
    scores: Tensor<B, 2>,
    fraction: f64,
) -> Result<Tensor<B, 2, Bool>, MaskError> {
    let shape = scores.dims();
    let available = shape[0] * shape[1];
    if i32::try_from(available).is_err() {
        return Err(MaskError::TooLarge { shape });
    }
    let k = share(fraction, available)?;
    let scores = to_f32(scores);
    let reaching = |threshold: f32| match bias_cube::count_reaching(&scores, threshold) {
        Some(found) => Ok(found),
        None => count(path, scores.clone().greater_equal_elem(threshold)),
    };
    // NaN is not counted even here.
    let numbers = reaching(f32::NEG_INFINITY)?;
    if numbers < available {
        return Err(no_numbers(path, &scores.into_data(), numbers));
    }
    if k == 0 {
        return Ok(scores.greater_elem(f32::INFINITY));
    }
    // At least k scores reach the first, fewer than k the second.
    let (mut low, mut high) = (key(f32::NEG_INFINITY), key(f32::INFINITY) + 1);
    let mut above = 0;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match reaching(score_of(middle))? {
            found if found >= k => low = middle,
            found => (high, above) = (middle, found),
        }
    }
    let threshold = score_of(low);
    let (chosen, ties) = (scores.clone().greater_elem(threshold), scores.equal_elem(threshold));
    Ok(chosen.bool_or(first(ties, k - above)))
}

fn count<B: Backend>(path: &ParamPath, bits: Tensor<B, 2, Bool>) -> Result<usize, MaskError> {
    // By rows first, because a sum over the whole tensor is slow on a GPU.
    let sum = bits.int().sum_dim(1).sum().into_data();
    let found = sum.iter::<i64>().next();
    found.and_then(|sum| usize::try_from(sum).ok()).ok_or_else(|| {
        let reason = format!("scores were counted, and the device answered {found:?}");
        MaskError::Readback { path: path.clone(), reason }
    })
}

/// The error for scores that could not all be compared.
fn no_numbers(path: &ParamPath, scores: &TensorData, counted: usize) -> MaskError {
    match scores.iter::<f32>().position(|score| score.is_nan()) {
        Some(index) => MaskError::NanScore { path: path.clone(), index },
        None => {
            let all = scores.num_elements();
            let reason = format!("the device counted {counted} of {all} scores, and none is NaN");
            MaskError::Readback { path: path.clone(), reason }
        }
    }
}

/// The first `k` of the bits that are set, which are at least `k`.
fn first<B: Backend>(bits: Tensor<B, 2, Bool>, mut k: usize) -> Tensor<B, 2, Bool> {
    let ([rows, columns], device) = (bits.dims(), bits.device());
    let of_rows: Vec<usize> =
        bits.clone().int().sum_dim(1).into_data().iter::<i64>().map(|n| n as usize).collect();
    let Some(last) = of_rows.iter().position(|n| {
        let within = *n >= k;
        k -= if within { 0 } else { *n };
        within
    }) else {
        return bits;
    };
    // Columns to take from each row: all, then in the last row those up to the k-th bit, then none.
    let row = bits.clone().narrow(0, last, 1).int().into_data();
    let mut set =
        row.iter::<i64>().enumerate().filter(|(_, bit)| *bit != 0).map(|(column, _)| column + 1);
    let own = k.checked_sub(1).and_then(|k| set.nth(k)).unwrap_or(0);
    let limits: Vec<i32> = (0..rows)
        .map(|row| match row.cmp(&last) {
            std::cmp::Ordering::Less => columns as i32,
            std::cmp::Ordering::Equal => own as i32,
            std::cmp::Ordering::Greater => 0,
        })
        .collect();
    let ints = |values: Vec<i32>, shape: [usize; 2]| {
        Tensor::<B, 2, Int>::from_data(TensorData::new(values, shape), &device)
            .expand([rows, columns])
    };
    let column = ints((0..columns as i32).collect(), [1, columns]);
    bits.bool_and(column.lower(ints(limits, [rows, 1])))
}

/// Packs 32 bits into an integer, least significant first. The last integer is filled up with clear
/// bits.
fn pack<B: Backend>(bits: Tensor<B, 2, Bool>) -> Tensor<B, 1, Int> {
    let ([rows, columns], device) = (bits.dims(), bits.device());
    let bits = bits.int().reshape([rows * columns]);
    let missing = (rows * columns).next_multiple_of(WORD) - rows * columns;
    let bits = match missing {
        0 => bits,
        _ => Tensor::cat(vec![bits, Tensor::zeros([missing], &device)], 0),
    };
    let words = bits.dims()[0] / WORD;
    if words == 0 {
        return bits;
    }
    let values: Vec<i32> = (0..WORD).map(|i| 1 << i).collect();
    let values = Tensor::<B, 2, Int>::from_data(TensorData::new(values, [1, WORD]), &device);
    (bits.reshape([words, WORD]) * values).sum_dim(1).reshape([words])
}

fn unpack<B: Backend>(words: Tensor<B, 1, Int>, shape: [usize; 2]) -> Result<BitMatrix, MaskError> {
    let words = words.into_data();
    let mut packed: Vec<u8> =
        words.iter::<i64>().flat_map(|word| (word as u32).to_le_bytes()).collect();
    packed.truncate((shape[0] * shape[1]).div_ceil(8));
    BitMatrix::from_packed(shape, &packed).ok_or(MaskError::TooLarge { shape })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bias_types::{Convention, ParamScores, Projection};
    use burn::backend::{Flex, NdArray};
    use proptest::prelude::*;

    use super::*;
    use crate::select::top::{top_difference_scaled, top_fraction};

    fn path() -> ParamPath {
        ParamPath::of(0, Projection::Down)
    }

    fn tensor<B: Backend>(values: &[f32], shape: [usize; 2]) -> Tensor<B, 2> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
    }

    fn on_host(values: &[f32], shape: [usize; 2], fraction: f64) -> Result<BitMatrix, MaskError> {
        top_fraction(
            &ParamScores::new(path(), shape, Convention::Importance, values.to_vec()).unwrap(),
            fraction,
        )
    }

    /// Many equal ones, zeros of both signs, infinities and the smallest there are.
    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            (-2i8..3).prop_map(f32::from),
            Just(-0.0),
            any::<f32>().prop_filter("number", |v| !v.is_nan())
        ]
    }

    fn matrix() -> impl Strategy<Value = (Vec<f32>, [usize; 2])> {
        (1usize..9, 1usize..40)
            .prop_flat_map(|(r, c)| (prop::collection::vec(value(), r * c), Just([r, c])))
    }

    #[test]
    fn a_count_that_is_wrong_is_no_nan() {
        let path: ParamPath = "model.layers.0.mlp.up_proj.weight".parse().unwrap();
        let scores = |last: f32| TensorData::new(vec![1.0, 2.0, last], [1, 3]);
        assert!(matches!(
            no_numbers(&path, &scores(f32::NAN), 2),
            MaskError::NanScore { index: 2, .. }
        ));
        let MaskError::Readback { reason, .. } = no_numbers(&path, &scores(3.0), 0) else {
            panic!()
        };
        assert!(reason.contains("0 of 3"), "{reason}");
    }

    proptest! {
        #[test]
        fn the_device_chooses_what_the_host_does((values, shape) in matrix(), p in 0.0f64..=1.0) {
            let expected = on_host(&values, shape, p).unwrap();
            let found = top_fraction_on_device::<Flex>(&path(), tensor(&values, shape), p).unwrap();
            prop_assert_eq!(&found, &expected);
            let found = top_fraction_on_device::<NdArray>(&path(), tensor(&values, shape), p).unwrap();
            prop_assert_eq!(&found, &expected);
        }

        #[test]
        fn a_difference_is_the_hosts(
            (values, shape) in matrix(),
            norms in prop::collection::vec((0u8..5, any::<u16>()), 80),
            p in 0.0f64..=1.0,
        ) {
            prop_assume!(values.iter().all(|v| v.is_finite()));
            let norm = |(small, any): &(u8, u16)| {
                if *small == 4 { f64::from(*any) / 1024.0 } else { f64::from(*small) }
            };
            let norms: Vec<f64> = norms.iter().map(norm).collect();
            let norms = [&norms[..shape[1]], &norms[40..40 + shape[1]]];
            let expected = top_difference_scaled(&path(), &values, shape, norms, p).unwrap();
            let found = top_difference_on_device::<Flex>(&path(), tensor(&values, shape), norms, p).unwrap();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn nan_is_refused_where_the_host_refuses_it((mut values, shape) in matrix(), at in any::<prop::sample::Index>()) {
            let at = at.index(values.len());
            values[at] = f32::NAN;
            let of = |found: Result<BitMatrix, MaskError>| found.unwrap_err().to_string();
            let found = of(top_fraction_on_device::<Flex>(&path(), tensor(&values, shape), 0.5));
            prop_assert_eq!(found, of(on_host(&values, shape, 0.5)));
        }
    }

    #[test]
    fn a_large_matrix_is_chosen_from_alike() {
        let shape = [211, 1999];
        let value = |i: u32| ((i.wrapping_mul(0x9e37_79b9) >> 9) % 4001) as f32 / 4000.0 - 0.5;
        let values: Vec<f32> = (0..(shape[0] * shape[1]) as u32).map(value).collect();
        for p in [0.0, 1e-5, 0.15, 0.99, 1.0] {
            let found = top_fraction_on_device::<Flex>(&path(), tensor(&values, shape), p).unwrap();
            assert_eq!(found, on_host(&values, shape, p).unwrap(), "{p}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let weights = || tensor::<Flex>(&[1.0, 2.0], [1, 2]);
        let norms: [&[f64]; 2] = [&[1.0, 1.0], &[1.0]];
        let found = top_difference_on_device(&path(), weights(), norms, 0.5);
        assert!(matches!(found, Err(MaskError::Channels { expected: 2, found: 1, .. })));
        let found = top_fraction_on_device(&path(), weights(), 1.1);
        assert!(matches!(found, Err(MaskError::Fraction { .. })));
        let broken: [&[f64]; 2] = [&[1.0, f64::NAN], &[1.0, 1.0]];
        let found = top_difference_on_device(&path(), weights(), broken, 0.5);
        assert!(matches!(found, Err(MaskError::NanScore { index: 1, .. })));
    }
}
