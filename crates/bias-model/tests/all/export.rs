//! A pruned folder is the model under its mask, and nothing else.

use std::fs;
use std::path::PathBuf;

use bias_mask::mask::head_mask;
use bias_mask::{HeadAblation, Intervention, Mask, MaskError, unit_mask};
use bias_model::interop::export_masked;
use bias_model::{
    Checkpoint, Decoder, HookedModel as _, LanguageModel, LoadOptions, ModelConfig, ModelError,
    Precision, Weights as _,
};
use bias_probe::{NoObserver, Sequence, TokenBatch};
use bias_types::model::HeadId;
use bias_types::{TokenRole, Unit};
use burn::backend::Flex;

fn golden(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(case)
}

fn load(folder: &std::path::Path) -> LanguageModel<Flex> {
    LanguageModel::load(folder, &Default::default()).unwrap()
}

fn logits(model: &LanguageModel<Flex>) -> Vec<f32> {
    let tokens = vec![1, 5, 9, 2, 30, 17, 8];
    let batch =
        TokenBatch::new(&[Sequence::chain(tokens, vec![TokenRole::Prompt; 7]).unwrap()]).unwrap();
    model.model().logits(&batch, &mut NoObserver).unwrap().into_data().to_vec().unwrap()
}

fn mask(model: &LanguageModel<Flex>) -> Mask {
    let heads = [HeadId::new(0, 1), HeadId::new(1, 3)];
    let mask = head_mask(model.model().dims(), &heads, HeadAblation::ZeroOutput).unwrap();
    mask.for_model(model.model().fingerprint().unwrap())
}

#[test]
fn an_exported_model_answers_like_the_masked_one() {
    for case in ["gqa_sharded", "tied_bf16", "wide_head_f16"] {
        let mut model = load(&golden(case));
        let (mask, whole) = (mask(&model), logits(&model));
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("pruned");
        export_masked(&golden(case), &LoadOptions::default(), &mask, &target).unwrap();
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
            assert_eq!(
                fs::metadata(&copy).unwrap().len(),
                fs::metadata(&path).unwrap().len(),
                "{copy:?}"
            );
        }
        assert!(matches!(
            export_masked(&golden(case), &LoadOptions::default(), &mask, &target),
            Err(ModelError::FolderExists { .. })
        ));
        assert_eq!(
            fs::read_dir(place.path()).unwrap().count(),
            1,
            "only the finished folder is left"
        );
    }
}

/// The parts of a multimodal folder that are not computed are copied, its config too. If that ties
/// an embedding and a head which differ, the copy's says that nothing is tied, in both places.
#[test]
fn a_multimodal_folder_keeps_its_other_parts() {
    for (case, parts, untied) in [
        ("gemma3_multimodal", 75, false),
        ("gemma3_multimodal_untied", 71, false),
        ("mistral3_text", 36, true),
        ("mistral3_ministral", 35, false),
    ] {
        let source = golden(case);
        let config = ModelConfig::from_folder(&source).unwrap();
        let checkpoint = Checkpoint::open(&source).unwrap();
        let mask = unit_mask(&config.dims, &["L1H1".parse().unwrap()], HeadAblation::ZeroOutput);
        let mask = mask.unwrap().for_model(Some(checkpoint.fingerprint().unwrap()));
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("pruned");
        export_masked(&source, &LoadOptions::default(), &mask, &target).unwrap();

        let [own, copy] =
            [&source, &target].map(|folder| fs::read(folder.join("model.safetensors")).unwrap());
        let [own, copy] =
            [&own, &copy].map(|file| safetensors::SafeTensors::deserialize(file).unwrap());
        assert_eq!(own.len(), parts, "{case}");
        let mut changed: Vec<_> = own.names().into_iter().map(str::to_owned).collect();
        changed.retain(|name| own.tensor(name).unwrap() != copy.tensor(name).unwrap());
        let [only] = &changed[..] else { panic!("{case}: {changed:?}") };
        assert!(only.ends_with("layers.1.self_attn.o_proj.weight"), "{case}: {only}");
        assert_eq!(own.names().len(), copy.names().len(), "{case}");

        let [mut own, copy] = [&source, &target].map(|folder| -> serde_json::Value {
            serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap()
        });
        if untied {
            own["tie_word_embeddings"] = false.into();
            own["text_config"]["tie_word_embeddings"] = false.into();
        }
        assert_eq!(own, copy, "{case}");
    }
}

#[test]
fn a_mask_of_another_model_writes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("pruned");
    let foreign = mask(&load(&golden("gqa_sharded")));
    let refused = export_masked(&golden("tied_bf16"), &LoadOptions::default(), &foreign, &target);
    assert!(matches!(refused, Err(ModelError::Mask(MaskError::OtherModel { .. }))));
    // One that does not say which weights it is for is for none, until it is tied to them.
    let unknown = mask(&load(&golden("wide_head_f16"))).for_model(None);
    let file = place.path().join("mask.safetensors");
    unknown.save(&file).unwrap();
    let unknown = Mask::load(&file, None).unwrap();
    fs::remove_file(&file).unwrap();
    let refused =
        export_masked(&golden("wide_head_f16"), &LoadOptions::default(), &unknown, &target);
    assert!(matches!(refused, Err(ModelError::Mask(MaskError::NoModel { .. }))));
    let tied = |case: &str| {
        let checkpoint = Checkpoint::open(&golden(case)).unwrap();
        let mask = unknown.clone().for_model(Some(checkpoint.fingerprint().unwrap()));
        export_masked(&golden(case), &LoadOptions::default(), &mask, &target)
    };
    assert!(matches!(tied("tied_bf16"), Err(ModelError::Shape { .. })));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    tied("wide_head_f16").unwrap();
}

/// Fused, interleaved, transposed and prefix-less files: what is zeroed in them is what a
/// mask over the one canonical layout says, and nothing else.
#[test]
fn every_layout_is_exported_as_masked() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_slice(&fs::read(golden("cases.json")).unwrap()).unwrap();
    for case in cases.iter().map(|c| c["name"].as_str().unwrap()) {
        let load = |folder: &std::path::Path| {
            let config = ModelConfig::from_folder(folder).unwrap();
            let checkpoint = Checkpoint::open(folder).unwrap();
            Decoder::<Flex>::load(&checkpoint, config, Precision::F32, &Default::default()).unwrap()
        };
        let mut model = load(&golden(case));
        let units: Vec<Unit> =
            ["L1H1", "L0G0", "L0N3", "L1N2", "model.layers.0.self_attn.k_proj.weight[5]"]
                .map(|u| u.parse().unwrap())
                .into();
        let mask = unit_mask(model.dims(), &units, HeadAblation::ZeroQuery).unwrap();
        let mask = mask.for_model(model.fingerprint().unwrap()).with_note("why", "test");
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("pruned");
        export_masked(&golden(case), &LoadOptions::default(), &mask, &target).unwrap();
        mask.apply(&mut model, Intervention::Zero).map(drop).unwrap();
        assert_eq!(load(&target).to_tensors().unwrap(), model.to_tensors().unwrap(), "{case}");

        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(target.join("pruned.json")).unwrap()).unwrap();
        assert_eq!(manifest["mask"], mask.digest());
        assert_eq!(manifest["total"], mask.count());
        assert_eq!(manifest["provenance"]["why"], "test");
        let zeroed = manifest["zeroed"].as_object().unwrap();
        let checkpoint = Checkpoint::open(&golden(case)).unwrap();
        let stored = checkpoint
            .stored_mask(&ModelConfig::from_folder(&golden(case)).unwrap(), &mask)
            .unwrap();
        assert_eq!(
            zeroed.len(),
            stored.iter().filter(|(_, bits)| !bits.is_empty()).count(),
            "{case}"
        );
    }
}

/// One shard with an index, as many folders of the hub have it, stays one with an index.
#[test]
fn a_single_shard_keeps_its_index() {
    let place = tempfile::tempdir().unwrap();
    let (source, target) = (place.path().join("source"), place.path().join("pruned"));
    fs::create_dir(&source).unwrap();
    let shard = "model-00001-of-00001.safetensors";
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
        fs::copy(golden("tied_bf16").join(name), source.join(name)).unwrap();
    }
    fs::copy(golden("tied_bf16/model.safetensors"), source.join(shard)).unwrap();
    let index = serde_json::json!({"weight_map": {"model.norm.weight": shard}});
    fs::write(source.join("model.safetensors.index.json"), index.to_string()).unwrap();
    let mut model = load(&source);
    let mask = mask(&model);
    export_masked(&source, &LoadOptions::default(), &mask, &target).unwrap();
    mask.apply(model.model_mut(), Intervention::Zero).map(drop).unwrap();
    assert_eq!(logits(&load(&target)), logits(&model));
}
