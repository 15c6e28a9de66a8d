//! Masks and directions change what is computed alike, and come off again.

use bias_mask::edit::{Directions, Side};
use bias_mask::{BitMatrix, Intervention, Mask};
use bias_model::{Decoder, HookedModel as _};
use bias_probe::Weights;
use bias_types::{ParamPath, Projection};
use burn::backend::Flex;

use super::models::{bits, both, logits, mask};

#[test]
fn masks_change_the_same_and_nothing_is_kept_of_them() {
    for case in ["gqa_sharded", "gpt2_hub", "phi3_partial", "tied_bf16"] {
        let [mut resident, mut streamed] = both(case);
        let (whole, held) = (logits(&resident), streamed.weight_bytes());
        let changed = |model: &mut Decoder<Flex>| {
            // One over the other, and a scaled one above, which has to be held.
            let first = mask(model, 3).apply(model, Intervention::Zero).unwrap();
            let bytes = model.weight_bytes();
            let after_first = logits(model);
            let second = mask(model, 2).apply(model, Intervention::Zero).unwrap();
            let third = mask(model, 5).apply(model, Intervention::Scale(3.0)).unwrap();
            let all = logits(model);
            let above = bits(Weights::weight(model, &ParamPath::of(1, Projection::K)).unwrap());
            third.revert(model).unwrap();
            second.revert(model).unwrap();
            let again = logits(model);
            first.revert(model).unwrap();
            (bytes, [after_first, all, above, again, logits(model)])
        };
        let (_, expected) = changed(&mut resident);
        let (bytes, found) = changed(&mut streamed);
        assert_eq!(found, expected, "{case}");
        assert_eq!(found[0], found[3], "{case}");
        assert_eq!(found[4], whole, "{case}");
        assert_ne!(found[0], whole, "{case}");
        assert_eq!([bytes, streamed.weight_bytes()], [held; 2], "{case}");
    }
}

#[test]
fn directions_come_off_again() {
    let [_, mut streamed] = both("gqa_sharded");
    let (whole, held) = (logits(&streamed), streamed.weight_bytes());
    let path = ParamPath::of(0, Projection::O);
    let width = streamed.dims().shape(Projection::O)[0];
    let mut direction = vec![0.0; width];
    (direction[1], direction[3]) = (0.6, 0.8);
    let directions = Directions::new(path, Side::Output, [width, 1], direction).unwrap();
    let undo = directions.remove(&mut streamed).unwrap();
    assert_ne!(logits(&streamed), whole);
    undo.revert(&mut streamed).unwrap();
    assert_eq!(logits(&streamed), whole);
    assert_eq!(streamed.weight_bytes(), held);
}

/// Changes that do not meet come off in any order, also where one has the matrix held.
#[test]
fn changes_that_do_not_meet_come_off_in_any_order() {
    for case in ["gqa_sharded", "gpt2_hub"] {
        let [_, mut streamed] = both(case);
        let (whole, held) = (logits(&streamed), streamed.weight_bytes());
        let only = |from: usize| {
            let mut mask = Mask::default().for_model(streamed.fingerprint().unwrap());
            let mut bits = BitMatrix::new(streamed.dims().shape(Projection::Up)).unwrap();
            (from..bits.len()).step_by(7).for_each(|i| bits.insert(i).unwrap());
            mask.insert(ParamPath::of(1, Projection::Up), bits).unwrap();
            mask
        };
        let (first, second) = (only(0), only(3));
        let scaled = second.apply(&mut streamed, Intervention::Scale(2.0)).unwrap();
        let alone = logits(&streamed);
        scaled.revert(&mut streamed).unwrap();
        let zeroed = first.apply(&mut streamed, Intervention::Zero).unwrap();
        let scaled = second.apply(&mut streamed, Intervention::Scale(2.0)).unwrap();
        zeroed.revert(&mut streamed).unwrap();
        assert_eq!(logits(&streamed), alone, "{case}");
        scaled.revert(&mut streamed).unwrap();
        assert_eq!(logits(&streamed), whole, "{case}");
        assert_eq!(streamed.weight_bytes(), held, "{case}");
    }
}
