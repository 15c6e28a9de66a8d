//! The algebra of masks, their files, and that applying one can be taken back.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use bias_core::ParamPath;
use bias_mask::{BitMatrix, Intervention, Mask, MaskError, MaskTarget};
use burn::backend::Flex;
use burn::tensor::{DType, Tensor, TensorData};
use proptest::prelude::*;

const SHAPES: [(&str, [usize; 2]); 3] = [
    ("model.layers.0.mlp.up_proj.weight", [5, 13]),
    ("model.layers.1.self_attn.o_proj.weight", [8, 8]),
    ("lm_head.weight", [3, 30]),
];

fn mask() -> impl Strategy<Value = Mask> {
    let matrix = |(name, shape): (&'static str, [usize; 2])| {
        let indices = prop::collection::vec(0..shape[0] * shape[1], 0..40);
        (any::<bool>(), indices).prop_map(move |(present, indices)| {
            let mut bits = BitMatrix::new(shape).unwrap();
            indices.into_iter().for_each(|i| bits.insert(i).unwrap());
            present.then(|| (name.parse::<ParamPath>().unwrap(), bits))
        })
    };
    SHAPES.map(matrix).prop_map(|matrices| {
        let mut mask = Mask::default();
        matrices.into_iter().flatten().for_each(|(path, bits)| mask.insert(path, bits).unwrap());
        mask
    })
}

/// A set of weights, whatever matrices the mask lists.
fn set(mask: &Mask) -> Vec<(String, usize)> {
    mask.iter().flat_map(|(path, bits)| bits.iter().map(move |i| (path.to_string(), i))).collect()
}

proptest! {
    #[test]
    fn algebra(a in mask(), b in mask(), c in mask()) {
        let union = |x: &Mask, y: &Mask| x.union(y).unwrap();
        let both = |x: &Mask, y: &Mask| x.intersection(y).unwrap();
        let minus = |x: &Mask, y: &Mask| x.difference(y).unwrap();
        prop_assert_eq!(set(&union(&a, &b)), set(&union(&b, &a)));
        prop_assert_eq!(set(&both(&a, &union(&b, &c))), set(&union(&both(&a, &b), &both(&a, &c))));
        // De Morgan within `a`.
        prop_assert_eq!(set(&minus(&a, &union(&b, &c))), set(&both(&minus(&a, &b), &minus(&a, &c))));
        prop_assert_eq!(set(&minus(&a, &both(&b, &c))), set(&union(&minus(&a, &b), &minus(&a, &c))));
        prop_assert_eq!(union(&a, &b).count() + both(&a, &b).count(), a.count() + b.count());
        prop_assert_eq!(set(&Mask::common([&a, &b, &c]).unwrap()), set(&both(&both(&a, &b), &c)));
        let meetings = a.meetings(&b).unwrap();
        prop_assert_eq!(meetings.iter().map(|m| m.both).sum::<usize>(), both(&a, &b).count());
        prop_assert_eq!(meetings.iter().map(|m| m.right).sum::<usize>(), b.count());
    }

    #[test]
    fn matched_random_keeps_every_matrix_count(a in mask(), seed in any::<u64>()) {
        let drawn = a.matched_random(seed).unwrap();
        for (path, bits) in a.iter() {
            prop_assert_eq!(drawn.get(path).unwrap().count(), bits.count());
        }
        prop_assert_eq!(drawn, a.matched_random(seed).unwrap());
    }

    #[test]
    fn files_read_back(a in mask()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let a = a.for_model(Some("abc")).with_note("method", "wanda");
        a.save(&path).unwrap();
        prop_assert_eq!(Mask::load(&path).unwrap(), a);
    }

    #[test]
    fn damaged_files_are_refused_without_panic(a in mask(), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        a.save(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        std::fs::write(&path, &bytes).unwrap();
        // A flip in the notes or in white space may go unnoticed; the bits may not change.
        if let Ok(read) = Mask::load(&path) {
            prop_assert_eq!(set(&read), set(&a));
        }
        std::fs::write(&path, &bytes[..at]).unwrap();
        let refused = matches!(Mask::load(&path), Err(MaskError::NotAMask { .. }));
        prop_assert!(refused);
    }
}

/// Matrices under their names: the smallest thing a mask can be applied to.
struct Bag(BTreeMap<String, Tensor<Flex, 2>>);

impl MaskTarget<Flex> for Bag {
    fn weight(&self, path: &ParamPath) -> Result<Tensor<Flex, 2>, MaskError> {
        self.0.get(path.as_str()).cloned().ok_or_else(|| MaskError::NoSuchParam { path: path.clone() })
    }

    fn set_weight(&mut self, path: &ParamPath, value: Tensor<Flex, 2>) -> Result<(), MaskError> {
        self.0.insert(path.to_string(), value);
        Ok(())
    }

    fn fingerprint(&self) -> Option<&str> {
        Some("abc")
    }
}

fn bag(dtype: DType) -> Bag {
    let matrix = |(name, [rows, cols]): (&str, [usize; 2])| {
        // Negative zero and a subnormal must come back too.
        let mut values: Vec<f32> = (0..rows * cols).map(|i| (i as f32 * 0.37).sin()).collect();
        (values[0], values[1]) = (-0.0, 1e-40);
        let data = TensorData::new(values, [rows, cols]).convert_dtype(dtype);
        (name.to_owned(), Tensor::from_data(data, (&Default::default(), dtype)))
    };
    Bag(SHAPES.map(matrix).into())
}

fn bytes(bag: &Bag) -> Vec<Vec<u8>> {
    bag.0.values().map(|t| t.to_data().as_bytes().to_vec()).collect()
}

proptest! {
    #[test]
    fn apply_then_revert_is_bit_identical(a in mask(), b in mask()) {
        for dtype in [DType::F32, DType::BF16, DType::F16] {
            let mut model = bag(dtype);
            let before = bytes(&model);
            let first = a.apply(&mut model, Intervention::Zero).unwrap();
            for (path, bits) in a.iter() {
                let values: Vec<f32> =
                    MaskTarget::weight(&model, path).unwrap().into_data().convert::<f32>().to_vec().unwrap();
                prop_assert!(bits.iter().all(|i| values[i] == 0.0));
            }
            let second = b.apply(&mut model, Intervention::Scale(0.5)).unwrap();
            second.revert(&mut model).unwrap();
            first.revert(&mut model).unwrap();
            prop_assert_eq!(bytes(&model), before);
        }
    }
}

#[test]
fn masks_of_other_models_are_refused() {
    let mut model = bag(DType::F32);
    let mut mask = Mask::default();
    let name = "model.layers.0.mlp.up_proj.weight".parse::<ParamPath>().unwrap();
    let mut bits = BitMatrix::new([5, 12]).unwrap();
    bits.insert(0).unwrap();
    mask.insert(name.clone(), bits.clone()).unwrap();
    assert!(matches!(mask.apply(&mut model, Intervention::Zero), Err(MaskError::ShapeMismatch { .. })));
    assert!(mask.insert(name, BitMatrix::new([5, 13]).unwrap()).is_err());
    let foreign = Mask::default().for_model(Some("xyz"));
    assert!(matches!(foreign.apply(&mut model, Intervention::Zero), Err(MaskError::OtherModel { .. })));
    assert!(foreign.union(&Mask::default().for_model(Some("abc"))).is_err());
    let mut absent = Mask::default();
    absent.insert("model.layers.9.mlp.up_proj.weight".parse().unwrap(), bits).unwrap();
    assert!(matches!(absent.apply(&mut model, Intervention::Zero), Err(MaskError::NoSuchParam { .. })));
    assert!(matches!(
        Mask::default().apply(&mut model, Intervention::Scale(f32::NAN)),
        Err(MaskError::Factor { .. })
    ));
}
