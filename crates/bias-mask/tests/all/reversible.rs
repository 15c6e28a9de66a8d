//! Changes of a model can be taken back bit for bit, in any order, in every type that a backend
//! stores: f32, bf16 and f16 on flex, f32 and f64 on ndarray.

use crate::common;

use crate::common::{Bag, mask, matrices};
use bias_mask::edit::{Change, ChangeId, Changes, Directions, Means, Side};
use bias_mask::{BitMatrix, Intervention, Mask, MaskError, MaskTarget};
use bias_probe::{ProbeError, Weights};
use bias_types::ParamPath;
use burn::backend::{Flex, NdArray};
use burn::tensor::{DType, Tensor, backend::Backend};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

const FLEX: [DType; 3] = [DType::F32, DType::BF16, DType::F16];
const NDARRAY: [DType; 2] = [DType::F32, DType::F64];

fn means() -> Means {
    let mean = |j: usize| (j as f64 * 1.3).cos();
    matrices()
        .into_iter()
        .map(|(path, [_, inner])| (path, (0..inner).map(mean).collect()))
        .collect()
}

fn intervention() -> impl Strategy<Value = Intervention> {
    prop_oneof![
        Just(Intervention::Zero),
        prop::sample::select(vec![0.5f32, -2.0, 1.1]).prop_map(Intervention::Scale),
        Just(Intervention::Mean(means())),
    ]
}

/// The first columns of a reflection, `I − 2·v·vᵀ`, are orthonormal.
fn directions() -> impl Strategy<Value = Directions> {
    let side = prop::sample::select(vec![Side::Output, Side::Input]);
    (prop::sample::select(matrices()), side, 1usize..3, prop::collection::vec(0.1f64..1.0, 13))
        .prop_map(|((path, [out, inner]), side, rank, v)| {
            let channels = if side == Side::Output { out } else { inner };
            let square: f64 = v[..channels].iter().map(|v| v * v).sum();
            let value = |i: usize| {
                let (row, column) = (i / rank, i % rank);
                (f64::from(u8::from(row == column)) - 2.0 * v[row] * v[column] / square) as f32
            };
            let basis = (0..channels * rank).map(value).collect();
            Directions::new(path, side, [channels, rank], basis).unwrap()
        })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => (mask(), intervention()).prop_map(|(mask, what)| Change::Weights(mask, what)),
        1 => directions().prop_map(Change::Directions),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Push(Change),
    Remove(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => change().prop_map(Step::Push),
        2 => any::<prop::sample::Index>().prop_map(Step::Remove),
    ]
}

/// Stacked applications, undone last one first.
fn nested<B: Backend>(dtypes: &[DType], stack: &[Change]) -> Result<(), TestCaseError> {
    for dtype in dtypes {
        let mut model = Bag::<B>::new(*dtype);
        let before = model.bytes();
        let undos: Vec<_> = stack.iter().map(|change| change.apply(&mut model).unwrap()).collect();
        undos.into_iter().rev().for_each(|undo| undo.revert(&mut model).unwrap());
        prop_assert_eq!(model.bytes(), before);
    }
    Ok(())
}

/// Taken off in any order: at every step the model is what the changes left make of it.
fn any_order<B: Backend>(dtypes: &[DType], steps: &[Step]) -> Result<(), TestCaseError> {
    for dtype in dtypes {
        let original = Bag::<B>::new(*dtype);
        let (mut model, mut changes) = (original.clone(), Changes::default());
        for step in steps {
            let left: Vec<ChangeId> = changes.iter().map(|(id, _)| id).collect();
            match step {
                Step::Push(change) => {
                    changes.push(&mut model, change.clone()).unwrap();
                }
                Step::Remove(which) if !left.is_empty() => {
                    changes.remove(&mut model, left[which.index(left.len())]).unwrap();
                }
                Step::Remove(_) => {}
            }
            let mut expected = original.clone();
            for (_, change) in changes.iter() {
                change.apply(&mut expected).map(drop).unwrap();
            }
            prop_assert_eq!(model.bytes(), expected.bytes());
        }
        changes.clear(&mut model).unwrap();
        prop_assert_eq!(model.bytes(), original.bytes());
        prop_assert_eq!(changes.bytes(), 0);
    }
    Ok(())
}

proptest! {
    #[test]
    fn apply_then_revert_is_bit_identical(stack in prop::collection::vec(change(), 1..4)) {
        nested::<Flex>(&FLEX, &stack)?;
        nested::<NdArray>(&NDARRAY, &stack)?;
    }

    #[test]
    fn changes_come_off_in_any_order(steps in prop::collection::vec(step(), 1..9)) {
        any_order::<Flex>(&FLEX, &steps)?;
        any_order::<NdArray>(&NDARRAY, &steps)?;
    }

    #[test]
    fn chosen_weights_become_zero_and_others_stay(a in mask()) {
        for dtype in FLEX {
            let (before, mut model) = (Bag::<Flex>::new(dtype), Bag::<Flex>::new(dtype));
            a.apply(&mut model, Intervention::Zero).map(drop).unwrap();
            for (path, bits) in a.iter() {
                let values = |bag: &Bag<Flex>| bag.weights[path].to_data().iter::<f64>().collect::<Vec<_>>();
                for (i, (old, new)) in values(&before).into_iter().zip(values(&model)).enumerate() {
                    prop_assert_eq!(new, if bits.contains(i) { 0.0 } else { old });
                }
            }
        }
    }

    /// Inputs that are what they are on average change no output, whichever weights are replaced.
    #[test]
    fn mean_inputs_notice_no_mean_intervention(a in mask()) {
        let (before, mut model) = (Bag::<Flex>::new(DType::F32), Bag::<Flex>::new(DType::F32));
        a.apply(&mut model, Intervention::Mean(means())).map(drop).unwrap();
        for (path, [_, inner]) in matrices() {
            let mean: Vec<f64> = (0..inner).map(|j| (j as f64 * 1.3).cos()).collect();
            for (old, new) in before.output(&path, &mean).into_iter().zip(model.output(&path, &mean)) {
                prop_assert!((old - new).abs() < 1e-5, "{path}: {old} {new}");
            }
        }
    }

    #[test]
    fn nothing_is_left_along_removed_directions(directions in directions(), x in prop::collection::vec(-1.0f64..1.0, 13)) {
        let mut model = Bag::<Flex>::new(DType::F32);
        model.biases.clear();
        let path = directions.path().clone();
        directions.remove(&mut model).map(drop).unwrap();
        let once = model.clone();
        let [_, inner] = once.weights[&path].dims();
        directions.remove(&mut model).map(drop).unwrap();
        for (once, twice) in once.output(&path, &x[..inner]).into_iter().zip(model.output(&path, &x[..inner])) {
            prop_assert!((once - twice).abs() < 1e-5);
        }
    }
}

fn one_bit(name: &str, shape: [usize; 2]) -> Mask {
    let mut bits = BitMatrix::new(shape).unwrap();
    bits.insert(2).unwrap();
    let mut mask = Mask::default();
    mask.insert(name.parse().unwrap(), bits).unwrap();
    mask
}

const UP: &str = "model.layers.0.mlp.up_proj.weight";

/// The matrix and the value are known, so that sides and signs cannot be swapped.
#[test]
fn directions_are_taken_from_the_side_named() {
    let path: ParamPath = UP.parse().unwrap();
    for side in [Side::Output, Side::Input] {
        let mut model = Bag::<Flex>::new(DType::F32);
        let before: Vec<f32> = model.weights[&path].to_data().to_vec().unwrap();
        let channels = if side == Side::Output { 13 } else { 5 };
        let axis = (0..channels).map(|i| f32::from(u8::from(i == 3))).collect();
        let directions = Directions::new(path.clone(), side, [channels, 1], axis).unwrap();
        directions.remove(&mut model).map(drop).unwrap();
        let after: Vec<f32> = model.weights[&path].to_data().to_vec().unwrap();
        for (i, (old, new)) in before.into_iter().zip(after).enumerate() {
            let gone = if side == Side::Output { i / 5 == 3 } else { i % 5 == 3 };
            assert_eq!(new, if gone { 0.0 } else { old });
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut model = Bag::<Flex>::new(DType::F32);
    let before = model.bytes();
    let refused = one_bit(UP, [5, 12]).apply(&mut model, Intervention::Zero);
    assert!(matches!(refused, Err(MaskError::ShapeMismatch { .. })));
    let foreign = one_bit(UP, [13, 5]).for_model(Some("xyz"));
    assert!(matches!(
        foreign.apply(&mut model, Intervention::Zero),
        Err(MaskError::OtherModel { .. })
    ));
    let nan = one_bit(UP, [13, 5]).apply(&mut model, Intervention::Scale(f32::NAN));
    assert!(matches!(nan, Err(MaskError::Factor { .. })));
    // The first matrix is there, and is put back.
    let absent =
        one_bit(UP, [13, 5]).union(&one_bit("model.layers.9.mlp.up_proj.weight", [13, 5])).unwrap();
    let all = Means::from_iter([(UP.parse().unwrap(), vec![1.0; 5])]);
    for what in [Intervention::Zero, Intervention::Mean(all)] {
        assert!(matches!(absent.apply(&mut model, what), Err(MaskError::NoSuchParam { .. })));
    }
    let with =
        |means: Vec<f64>| Intervention::Mean(Means::from_iter([(UP.parse().unwrap(), means)]));
    let mut mean = |what| one_bit(UP, [13, 5]).apply(&mut model, what).map(drop);
    assert!(matches!(mean(with(vec![0.0; 4])), Err(MaskError::Channels { .. })));
    assert!(matches!(mean(with(vec![f64::NAN; 5])), Err(MaskError::Mean { channel: 0, .. })));
    let none = Intervention::Mean(Means::default());
    assert!(matches!(mean(none), Err(MaskError::MissingMeans { .. })));
    assert_eq!(model.bytes(), before);
}

#[test]
fn directions_must_be_orthonormal() {
    let new = |shape, basis| Directions::new(UP.parse().unwrap(), Side::Output, shape, basis);
    let refused = [
        new([2, 1], vec![1.0, 1.0]),
        new([2, 2], vec![1.0, 0.8, 0.0, 0.6]),
        new([2, 1], vec![f32::NAN, 0.0]),
        new([1, 2], vec![1.0, 1.0]),
    ];
    assert!(refused.iter().all(|r| matches!(r, Err(MaskError::NotOrthonormal { .. }))));
    for (shape, values) in [([2, 1], vec![1.0]), ([2, 0], vec![]), ([usize::MAX, 2], vec![1.0])] {
        assert!(matches!(new(shape, values), Err(MaskError::Basis { .. })));
    }
    let mut model = Bag::<Flex>::new(DType::F32);
    let short = new([2, 1], vec![1.0, 0.0]).unwrap();
    assert!(matches!(
        short.remove(&mut model),
        Err(MaskError::Channels { expected: 13, found: 2, .. })
    ));
    let foreign = short.for_model(Some("xyz"));
    assert!(matches!(foreign.remove(&mut model), Err(MaskError::OtherModel { .. })));
}

#[test]
fn changes_of_other_models_are_not_stacked() {
    /// A model that does not know its own weights.
    struct Nameless(Bag<Flex>);
    impl Weights<Flex> for Nameless {
        fn weight(&self, path: &ParamPath) -> Result<Tensor<Flex, 2>, ProbeError> {
            self.0.weight(path)
        }
    }
    impl MaskTarget<Flex> for Nameless {
        fn set_weight(
            &mut self,
            path: &ParamPath,
            value: Tensor<Flex, 2>,
        ) -> Result<(), MaskError> {
            self.0.set_weight(path, value)
        }
    }
    let mut model = Nameless(Bag::new(DType::F32));
    let before = model.0.bytes();
    let mut changes = Changes::default();
    let zero = |model| Change::Weights(one_bit(UP, [13, 5]).for_model(model), Intervention::Zero);
    let first = changes.push(&mut model, zero(Some("abc"))).unwrap();
    changes.push(&mut model, zero(None)).unwrap();
    assert!(matches!(
        changes.push(&mut model, zero(Some("xyz"))),
        Err(MaskError::OtherModel { .. })
    ));
    // 65 weights' bits and one value, twice.
    assert_eq!((changes.iter().count(), changes.bytes()), (2, 2 * (9 + 4)));
    assert_eq!(changes.remove(&mut model, first).unwrap(), zero(Some("abc")));
    assert!(matches!(changes.remove(&mut model, first), Err(MaskError::NoSuchChange)));
    // It does not say how to reach its biases either.
    let mean = Change::Weights(one_bit(UP, [13, 5]), Intervention::Mean(means()));
    assert!(matches!(changes.push(&mut model, mean), Err(MaskError::BiasOutOfReach { .. })));
    changes.clear(&mut model).unwrap();
    assert_eq!(model.0.bytes(), before);
}

/// When a change fails and cannot be taken back either, both are said.
#[test]
fn a_model_that_is_left_changed_is_said_to_be() {
    /// A model that takes one matrix and no more.
    struct Stuck(Bag<Flex>, usize);
    impl Weights<Flex> for Stuck {
        fn weight(&self, path: &ParamPath) -> Result<Tensor<Flex, 2>, ProbeError> {
            self.0.weight(path)
        }
    }
    impl MaskTarget<Flex> for Stuck {
        fn set_weight(
            &mut self,
            path: &ParamPath,
            value: Tensor<Flex, 2>,
        ) -> Result<(), MaskError> {
            self.1 += 1;
            match self.1 {
                1 => self.0.set_weight(path, value),
                _ => Err(MaskError::Readback {
                    path: path.clone(),
                    reason: format!("call {}", self.1),
                }),
            }
        }
    }
    let refused = Mask::full(&common::DIMS)
        .unwrap()
        .apply(&mut Stuck(Bag::new(DType::F32), 0), Intervention::Zero);
    let Err(MaskError::NotReverted { failed, source }) = refused else { panic!("{refused:?}") };
    assert!(failed.to_string().contains("call 2"), "{failed}");
    assert!(source.to_string().contains("call 3"), "{source}");
}
