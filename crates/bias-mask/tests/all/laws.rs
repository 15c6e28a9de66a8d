//! The algebra of masks, and their files.

use crate::common::{DIMS, mask, set};
use bias_mask::{BitMatrix, Mask, MaskError};
use bias_types::ParamPath;
use proptest::prelude::*;

fn union(a: &Mask, b: &Mask) -> Mask {
    a.union(b).unwrap()
}

fn both(a: &Mask, b: &Mask) -> Mask {
    a.intersection(b).unwrap()
}

fn minus(a: &Mask, b: &Mask) -> Mask {
    a.difference(b).unwrap()
}

fn xor(a: &Mask, b: &Mask) -> Mask {
    a.symmetric_difference(b).unwrap()
}

fn not(a: &Mask) -> Mask {
    a.complement(&DIMS).unwrap()
}

proptest! {
    #[test]
    fn union_and_intersection(a in mask(), b in mask(), c in mask()) {
        for op in [union, both] {
            prop_assert_eq!(set(&op(&a, &a)), set(&a));
            prop_assert_eq!(set(&op(&a, &b)), set(&op(&b, &a)));
            prop_assert_eq!(set(&op(&op(&a, &b), &c)), set(&op(&a, &op(&b, &c))));
        }
        prop_assert_eq!(set(&both(&a, &union(&b, &c))), set(&union(&both(&a, &b), &both(&a, &c))));
        prop_assert_eq!(set(&union(&a, &both(&b, &c))), set(&both(&union(&a, &b), &union(&a, &c))));
        prop_assert_eq!(set(&union(&a, &both(&a, &b))), set(&a));
        prop_assert_eq!(set(&Mask::common([&a, &b, &c]).unwrap()), set(&both(&both(&a, &b), &c)));
    }

    #[test]
    fn complement(a in mask(), b in mask()) {
        let all = Mask::full(&DIMS).unwrap();
        prop_assert_eq!(set(&not(&not(&a))), set(&a));
        prop_assert_eq!(set(&union(&a, &not(&a))), set(&all));
        prop_assert_eq!(both(&a, &not(&a)).count(), 0);
        // De Morgan.
        prop_assert_eq!(set(&not(&union(&a, &b))), set(&both(&not(&a), &not(&b))));
        prop_assert_eq!(set(&not(&both(&a, &b))), set(&union(&not(&a), &not(&b))));
        prop_assert_eq!(set(&minus(&a, &b)), set(&both(&a, &not(&b))));
    }

    #[test]
    fn symmetric_difference(a in mask(), b in mask(), c in mask()) {
        prop_assert_eq!(set(&xor(&a, &b)), set(&union(&minus(&a, &b), &minus(&b, &a))));
        prop_assert_eq!(set(&xor(&a, &b)), set(&minus(&union(&a, &b), &both(&a, &b))));
        prop_assert_eq!(set(&xor(&xor(&a, &b), &c)), set(&xor(&a, &xor(&b, &c))));
        prop_assert_eq!(set(&xor(&xor(&a, &b), &b)), set(&a));
    }

    #[test]
    fn counts_add_up(a in mask(), b in mask()) {
        prop_assert_eq!(union(&a, &b).count() + both(&a, &b).count(), a.count() + b.count());
        prop_assert_eq!(minus(&a, &b).count() + both(&a, &b).count(), a.count());
        prop_assert_eq!(xor(&a, &b).count() + 2 * both(&a, &b).count(), a.count() + b.count());
        prop_assert_eq!(not(&a).count() + a.count(), DIMS.prunable_weights());
        prop_assert_eq!(set(&a).len(), a.count());
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
        prop_assert_eq!(Mask::load(&path, None).unwrap(), a);
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
        if let Ok(read) = Mask::load(&path, None) {
            prop_assert_eq!(set(&read), set(&a));
        }
        std::fs::write(&path, &bytes[..at]).unwrap();
        let refused = matches!(Mask::load(&path, None), Err(MaskError::NotAMask { .. }));
        prop_assert!(refused);
    }
}

/// A file that does not say which weights it is for is for none, unless any will do.
#[test]
fn a_file_says_whose_mask_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.safetensors");
    let full = Mask::full(&DIMS).unwrap();
    full.save(&path).unwrap();
    assert!(matches!(Mask::load(&path, Some("abc")), Err(MaskError::NoModel { .. })));
    assert_eq!(Mask::load(&path, None).unwrap(), full);
    let full = full.for_model(Some("abc"));
    full.save(&path).unwrap();
    assert_eq!(Mask::load(&path, Some("abc")).unwrap(), full);
    assert_eq!(Mask::load(&path, None).unwrap(), full);
    assert!(matches!(Mask::load(&path, Some("xyz")), Err(MaskError::OtherModel { .. })));
}

/// A file of 2 TiB that holds nothing, with the right header or another.
#[test]
fn a_sparse_file_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.safetensors");
    let size: u64 = 2 << 40;
    let header = format!(
        r#"{{"__metadata__":{{"format":"bias-mask/1","shapes":"{{\"a.weight\":[4,4]}}","provenance":"{{}}","sha256":""}},"a.weight":{{"dtype":"U8","shape":[{size}],"data_offsets":[0,{size}]}}}}"#
    );
    let start = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    std::fs::write(&path, &start).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(start.len() as u64 + size).unwrap();
    let error = Mask::load(&path, None).unwrap_err();
    assert!(matches!(error, MaskError::NotAMask { .. }), "{error}");
    assert!(error.to_string().contains("does not hold the bits of [4, 4]"), "{error}");
    // A header as long as the file says.
    std::fs::write(&path, (1u64 << 40).to_le_bytes()).unwrap();
    file.set_len(size).unwrap();
    let error = Mask::load(&path, None).unwrap_err().to_string();
    assert!(error.contains("its header cannot have"), "{error}");
}

#[test]
fn masks_of_other_models_are_not_combined() {
    let ours = Mask::full(&DIMS).unwrap().for_model(Some("abc"));
    let theirs = Mask::default().for_model(Some("xyz"));
    let mut odd = Mask::default();
    let path: ParamPath = "model.layers.0.mlp.up_proj.weight".parse().unwrap();
    odd.insert(path.clone(), BitMatrix::new([5, 12]).unwrap()).unwrap();
    let ops = [Mask::union, Mask::intersection, Mask::difference, Mask::symmetric_difference];
    for op in ops {
        assert!(matches!(op(&ours, &theirs), Err(MaskError::OtherModel { .. })));
        assert!(matches!(op(&ours, &odd), Err(MaskError::ShapeMismatch { .. })));
        assert_eq!(op(&ours, &Mask::default()).unwrap().fingerprint(), Some("abc"));
    }
    assert!(odd.insert(path, BitMatrix::new([5, 13]).unwrap()).is_err());
    assert!(matches!(odd.complement(&DIMS), Err(MaskError::ShapeMismatch { .. })));
    assert_eq!(ours.complement(&DIMS).unwrap().fingerprint(), Some("abc"));
    let mut head = Mask::default();
    head.insert("lm_head.weight".parse().unwrap(), BitMatrix::new([9, 5]).unwrap()).unwrap();
    assert!(matches!(head.complement(&DIMS), Err(MaskError::NoSuchParam { .. })));
    assert!(matches!(Mask::common([]), Err(MaskError::NoMasks)));
}
