//! A pruned folder is the model under its mask, and nothing else.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;

use bias_core::{HeadId, TokenRole};
use bias_mask::{HeadAblation, Intervention, Mask, MaskError, head_mask};
use bias_model::{HookedModel as _, LanguageModel, MaskTarget as _, ModelError, export_masked};
use bias_probe::{NoObserver, Sequence, TokenBatch};
use burn::backend::Flex;

fn golden(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(case)
}

fn load(folder: &std::path::Path) -> LanguageModel<Flex> {
    LanguageModel::load(folder, &Default::default()).unwrap()
}

fn logits(model: &LanguageModel<Flex>) -> Vec<f32> {
    let tokens = vec![1, 5, 9, 2, 30, 17, 8];
    let batch = TokenBatch::new(&[Sequence::chain(tokens, vec![TokenRole::Prompt; 7]).unwrap()]).unwrap();
    model.model().logits(&batch, &mut NoObserver).unwrap().into_data().to_vec().unwrap()
}

fn mask(model: &LanguageModel<Flex>) -> Mask {
    let heads = [HeadId::new(0, 1), HeadId::new(1, 3)];
    let mask = head_mask(model.model().dims(), &heads, HeadAblation::ZeroOutput).unwrap();
    mask.for_model(model.model().fingerprint())
}

#[test]
fn an_exported_model_answers_like_the_masked_one() {
    for case in ["gqa_sharded", "tied_bf16", "wide_head_f16"] {
        let mut model = load(&golden(case));
        let (mask, whole) = (mask(&model), logits(&model));
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("pruned");
        export_masked(&golden(case), &mask, &target).unwrap();
        let undo = mask.apply(model.model_mut(), Intervention::Zero).unwrap();
        let masked = logits(&model);
        assert_eq!(logits(&load(&target)), masked, "{case}");
        assert_ne!(masked, whole, "{case}");
        undo.revert(model.model_mut()).unwrap();
        assert_eq!(logits(&model), whole, "{case}");

        // Every file is there, and as long as it was.
        for entry in fs::read_dir(golden(case)).unwrap() {
            let path = entry.unwrap().path();
            let copy = target.join(path.file_name().unwrap());
            // Not this model's weights; other weight files are left behind.
            if copy.ends_with("expected.safetensors") {
                assert!(!copy.exists());
                continue;
            }
            assert_eq!(fs::metadata(&copy).unwrap().len(), fs::metadata(&path).unwrap().len(), "{copy:?}");
        }
        assert!(matches!(export_masked(&golden(case), &mask, &target), Err(ModelError::FolderExists { .. })));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "only the finished folder is left");
    }
}

#[test]
fn a_mask_of_another_model_writes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("pruned");
    let foreign = mask(&load(&golden("gqa_sharded")));
    let refused = export_masked(&golden("tied_bf16"), &foreign, &target);
    assert!(matches!(refused, Err(ModelError::Mask(MaskError::OtherModel { .. }))));
    let unknown = mask(&load(&golden("wide_head_f16"))).for_model(None);
    let refused = export_masked(&golden("tied_bf16"), &unknown, &target);
    assert!(matches!(refused, Err(ModelError::Shape { .. })));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}
