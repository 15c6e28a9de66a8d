//! An embedding and an output head that the config ties: what the files hold decides, as in
//! transformers (`fixtures/config/tied.py`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bias_mask::{HeadAblation, Intervention, unit_mask};
use bias_model::interop::{export_masked, save_pretrained};
use bias_model::{
    Checkpoint, Decoder, HookedModel as _, LanguageModel, LoadOptions, ModelConfig, ModelError,
    Precision,
};
use bias_probe::{NoObserver, Sequence, TokenBatch};
use bias_types::{TokenRole, Unit};
use burn::backend::Flex;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

#[derive(Deserialize)]
struct Case {
    name: String,
    tied: bool,
    config_ties: bool,
    prompt: Vec<u32>,
    logits: Vec<f32>,
}

impl Case {
    fn all() -> Vec<Self> {
        let json = fs::read(fixtures().join("config/tied.json")).unwrap();
        serde_json::from_slice(&json).unwrap()
    }

    fn folder(&self) -> PathBuf {
        fixtures().join("config/tied").join(&self.name)
    }

    fn logits(&self, model: &Decoder<Flex>) -> Vec<f32> {
        let roles = vec![TokenRole::Prompt; self.prompt.len()];
        let batch = TokenBatch::new(&[Sequence::chain(self.prompt.clone(), roles).unwrap()]);
        let logits = model.logits(&batch.unwrap(), &mut NoObserver).unwrap();
        logits.into_data().to_vec().unwrap()
    }
}

fn load(folder: &Path, precision: Precision) -> Decoder<Flex> {
    let config = ModelConfig::from_folder(folder).unwrap();
    let checkpoint = Checkpoint::open(folder).unwrap();
    Decoder::load(&checkpoint, config, precision, &Default::default()).unwrap()
}

#[test]
fn what_is_stored_is_used_as_transformers_does() {
    let (mut both, mut alone) = (0, 0);
    for case in Case::all() {
        for precision in [Precision::F32, Precision::Stored, Precision::Mapped] {
            let model = load(&case.folder(), precision);
            assert_eq!(model.config().tied, case.tied, "{}", case.name);
            let found = case.logits(&model);
            assert_eq!(found.len(), case.logits.len(), "{}", case.name);
            let most = case.logits.iter().fold(1f32, |most, own| most.max(own.abs()));
            for (own, expected) in found.iter().zip(&case.logits) {
                assert!(
                    (own - expected).abs() < 2e-5 * most,
                    "{} {precision:?}: {own} for {expected}",
                    case.name
                );
            }
        }
        assert_eq!(ModelConfig::from_folder(&case.folder()).unwrap().tied, case.config_ties);
        both += usize::from(case.config_ties && !case.tied);
        alone += usize::from(case.name.contains("alone"));
    }
    assert!(both >= 6 && alone >= 4, "{both} {alone}");
}

/// The copy is the model that was measured, for whoever reads it: also for a reader that ties
/// without looking.
#[test]
fn what_is_exported_is_what_was_measured() {
    for case in Case::all() {
        let mut model = load(&case.folder(), Precision::F32);
        let unit: Unit = "L0H0".parse().unwrap();
        let mask = unit_mask(model.dims(), &[unit], HeadAblation::ZeroOutput).unwrap();
        let checkpoint = Checkpoint::open(&case.folder()).unwrap();
        let mask = mask.for_model(Some(checkpoint.fingerprint().unwrap()));
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("pruned");
        export_masked(&case.folder(), &LoadOptions::default(), &mask, &target).unwrap();
        mask.apply(&mut model, Intervention::Zero).map(drop).unwrap();
        let masked = case.logits(&model);
        let saved = place.path().join("saved");
        save_pretrained(&model, &saved, |_| Ok(())).unwrap();
        for copy in [&target, &saved] {
            let again = load(copy, Precision::F32);
            assert_eq!(case.logits(&again), masked, "{}", case.name);
            assert_eq!(again.config().tied, case.tied, "{}", case.name);
            let config = ModelConfig::from_folder(copy).unwrap();
            assert_eq!(config.tied, case.tied, "{}", case.name);
        }
        let config = |folder: &Path| fs::read(folder.join("config.json")).unwrap();
        let unchanged = config(&target) == config(&case.folder());
        assert_eq!(unchanged, case.tied == case.config_ties, "{}", case.name);
    }
}

/// A model folder with a tokenizer, whose config ties, and one tensor more.
fn with_head(change: impl Fn(&[u8]) -> Vec<u8>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixtures().join("golden/tied_bf16")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let embedding = tensors.tensor("model.embed_tokens.weight").unwrap();
    assert_eq!(embedding.dtype(), Dtype::BF16);
    let head = change(embedding.data());
    let mut all: BTreeMap<String, TensorView<'_>> = tensors.tensors().into_iter().collect();
    let view = TensorView::new(Dtype::BF16, embedding.shape().to_vec(), &head).unwrap();
    all.insert("lm_head.weight".into(), view);
    fs::write(&path, safetensors::serialize(all, None).unwrap()).unwrap();
    folder
}

#[test]
fn two_that_differ_are_reported() {
    let load = |folder: &Path| LanguageModel::<Flex>::load(folder, &Default::default());
    let equal = with_head(<[u8]>::to_vec);
    assert!(load(equal.path()).unwrap().notes().is_empty());
    let differ = with_head(|own| own.chunks(2).flat_map(|two| [two[0] ^ 1, two[1]]).collect());
    let model = load(differ.path()).unwrap();
    let [note] = model.notes() else { panic!("{:?}", model.notes()) };
    for said in [&*differ.path().to_string_lossy(), "the config ties", "both are used"] {
        assert!(note.contains(said), "{note}");
    }
    // Values that cannot be compared are damage, wherever they are.
    let nan = with_head(|own| [half::bf16::NAN.to_le_bytes().as_slice(), &own[2..]].concat());
    let error = load(nan.path()).unwrap_err();
    assert!(
        matches!(&error, ModelError::NotFinite { tensor, .. } if tensor == "lm_head.weight"),
        "{error}"
    );
}

/// A GGUF file with an `output.weight` is never tied, without one always: nothing is compared.
#[test]
fn a_gguf_file_says_it_by_what_it_holds() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_slice(&fs::read(fixtures().join("gguf/cases.json")).unwrap()).unwrap();
    let mut found = [0, 0];
    for case in cases {
        let file = fixtures().join("gguf").join(case["name"].as_str().unwrap()).join("model.gguf");
        let tied = load(&file, Precision::Mapped).config().tied;
        let bytes = fs::read(&file).unwrap();
        let stored = bytes.windows(13).any(|own| own == b"output.weight");
        let named = bytes.windows(14).any(|own| own[0] != b'_' && &own[1..] == b"output.weight");
        assert_eq!(tied, !(stored && named), "{}", file.display());
        found[usize::from(tied)] += 1;
    }
    assert!(found.iter().all(|own| *own > 0), "{found:?}");
}
