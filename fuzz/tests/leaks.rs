//! A thousand masks are put on a model and taken off: no byte stays behind, and the model is the
//! same.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use bias_mask::{BitMatrix, Intervention, Mask};
use bias_model::{Checkpoint, Decoder, HookedModel as _, ModelConfig, Precision};
use bias_probe::{NoObserver, Sequence, TokenBatch};
use bias_types::TokenRole;
use burn::backend::Flex;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const MASKS: u64 = 1000;

fn logits(model: &Decoder<Flex>) -> Vec<f32> {
    let chain = Sequence::chain(vec![1, 5, 9, 2, 30], vec![TokenRole::Prompt; 5]).unwrap();
    let batch = TokenBatch::new(&[chain]).unwrap();
    model.logits(&batch, &mut NoObserver).unwrap().into_data().to_vec().unwrap()
}

/// One weight in seven of every matrix.
fn some(model: &Decoder<Flex>) -> Mask {
    let mut mask = Mask::default();
    for (path, all) in Mask::full(model.dims()).unwrap().iter() {
        let mut bits = BitMatrix::new(all.shape()).unwrap();
        all.iter().step_by(7).for_each(|index| bits.insert(index).unwrap());
        mask.insert(path.clone(), bits).unwrap();
    }
    mask
}

#[test]
fn masks_leave_nothing_behind() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/kinds/small");
    let config = ModelConfig::from_folder(&folder).unwrap();
    let checkpoint = Checkpoint::open(&folder).unwrap();
    let stored: [(Precision, [Intervention; 2]); 2] = [
        (Precision::F32, [Intervention::Zero, Intervention::Scale(0.5)]),
        (Precision::Stored, [Intervention::Zero, Intervention::Scale(2.0)]),
    ];
    for (precision, interventions) in stored {
        let mut model: Decoder<Flex> =
            Decoder::load(&checkpoint, config.clone(), precision, &Default::default()).unwrap();
        let (unchanged, mask) = (logits(&model), some(&model));
        let mut held = Vec::with_capacity(MASKS as usize / 100);
        for seed in 0..MASKS {
            let own = mask.matched_random(seed).unwrap();
            let how = interventions[usize::from(seed % 2 == 0)].clone();
            let undo = own.apply(&mut model, how).unwrap();
            if seed % 50 == 0 {
                assert_ne!(logits(&model), unchanged);
            }
            undo.revert(&mut model).unwrap();
            drop(own);
            if seed % 100 == 99 {
                assert_eq!(logits(&model), unchanged, "bit for bit");
                held.push(PeakAlloc.current_usage());
            }
        }
        println!("{precision:?}: {held:?} bytes");
        // What is made once, such as threads and their buffers, is there by the second hundred.
        assert!(held[1..].iter().all(|own| *own == held[1]), "{held:?}");
    }
}
