//! Quantized safetensors and LoRA adapters against transformers and peft, on `fixtures/forms`; and
//! against the folders that are made of them, bit for bit.
//!
//! Tolerance: 2e-5, times the largest logit where that is above 1, as in `parity.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bias_mask::testing::check_target;
use bias_mask::{HeadAblation, Intervention, unit_mask};
use bias_model::interop::{Reference, export_masked};
use bias_model::{
    Checkpoint, Decoder, HookedModel as _, LanguageModel, LoadOptions, ModelConfig, ModelError,
    Precision, Weights as _,
};
use bias_probe::testing::check_model;
use bias_probe::{NoObserver, Sequence, TokenBatch};
use bias_types::{TokenRole, Unit};
use burn::backend::Flex;
use serde_json::Value;
use tempfile::TempDir;

const TOLERANCE: f32 = 2e-5;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// The folders of quantized models and of adapters.
fn cases() -> Vec<PathBuf> {
    let of = |room: &str| {
        let entries = fs::read_dir(fixtures().join("forms").join(room)).unwrap();
        entries.map(|own| own.unwrap().path()).collect::<Vec<_>>()
    };
    let mut all = [of("models"), of("adapters")].concat();
    all.sort();
    assert!(all.len() >= 15, "{all:?}");
    all
}

fn form(case: &str) -> PathBuf {
    fixtures().join("forms").join(case)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn prompts() -> Vec<Vec<u32>> {
    let golden = json(&fixtures().join("golden/prompts.json"));
    serde_json::from_value(golden["prompts"].clone()).unwrap()
}

fn opened(path: &Path) -> Checkpoint {
    Checkpoint::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn load(path: &Path, precision: Precision) -> Decoder<Flex> {
    let config = ModelConfig::from_folder(path).unwrap_or_else(|e| panic!("{e}"));
    Decoder::load(&opened(path), config, precision, &Default::default())
        .unwrap_or_else(|e| panic!("{e}"))
}

fn logits(model: &Decoder<Flex>) -> Vec<u32> {
    let chain =
        |p: &Vec<u32>| Sequence::chain(p.clone(), vec![TokenRole::Prompt; p.len()]).unwrap();
    let batch = TokenBatch::new(&prompts().iter().map(chain).collect::<Vec<_>>()).unwrap();
    let found = model.logits(&batch, &mut NoObserver).unwrap();
    found.into_data().to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// An adapter and its base in one folder.
fn beside(adapter: &str, base: &str) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    copy(&fixtures().join("golden").join(base), place.path());
    copy(&form("adapters").join(adapter), place.path());
    place
}

#[test]
fn every_case_equals_its_library() {
    for case in cases() {
        let path = case.join("expected.safetensors");
        let reference = Reference::load(&path, prompts()).unwrap();
        for precision in [Precision::F32, Precision::Stored, Precision::Mapped] {
            let model = load(&case, precision);
            let parity = reference.compare(&model).unwrap();
            let limit = TOLERANCE * parity.scale.max(1.0);
            let name = case.display();
            println!("{name} {precision:?}: {:.1e} of {}", parity.logits, parity.scale);
            assert!(parity.scale > 0.5, "{name}: {parity:?}");
            for off in [parity.logits, parity.padded, parity.cached] {
                assert!(off <= limit, "{name} {precision:?}: {parity:?}");
            }
            // What merging once and for all gives.
            for (i, prompt) in prompts().iter().enumerate() {
                if reference.of(i, "merged").is_err() {
                    continue;
                }
                let prompt = Sequence::chain(prompt.clone(), vec![TokenRole::Prompt; prompt.len()]);
                let batch = TokenBatch::new(&[prompt.unwrap()]).unwrap();
                let found = model.logits(&batch, &mut NoObserver).unwrap();
                let found = found.into_data().to_vec::<f32>().unwrap();
                let off = reference.off(i, "merged", &found).unwrap();
                assert!(off <= limit, "{name} {precision:?}: merged, off by {off}");
            }
        }
    }
}

#[test]
fn left_in_the_file_it_computes_the_same_to_the_last_bit() {
    for case in cases() {
        let [resident, streamed] = [Precision::F32, Precision::Mapped].map(|p| load(&case, p));
        assert!(streamed.is_streamed(), "{}", case.display());
        assert_eq!(logits(&streamed), logits(&resident), "{}", case.display());
        assert_eq!(streamed.to_tensors().unwrap(), resident.to_tensors().unwrap());
    }
}

#[test]
fn it_keeps_what_models_and_mask_targets_promise() {
    for (case, precision) in [
        ("models/gptq", Precision::Mapped),
        ("models/nf4_adapter", Precision::Mapped),
        ("adapters/transposed", Precision::Mapped),
        ("adapters/dora", Precision::F32),
    ] {
        let mut model = load(&form(case), precision);
        check_model(&model, 1e-4).unwrap();
        let (dims, before) = (*model.dims(), logits(&model));
        check_target(&mut model, &dims).unwrap();
        assert_eq!(logits(&model), before, "{case}");
    }
}

/// The copy has plain weights, and is the pruned model to the last bit.
#[test]
fn an_exported_folder_is_the_model() {
    for case in cases() {
        let mut model = load(&case, Precision::F32);
        let units = ["L0H0", "L0N3", "model.layers.1.self_attn.q_proj.weight[5]"];
        let units: Vec<Unit> = units.map(|unit| unit.parse().unwrap()).into();
        let mask = unit_mask(model.dims(), &units, HeadAblation::ZeroOutput).unwrap();
        let mask = mask.for_model(model.fingerprint().unwrap());
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        let notes = export_masked(&case, &LoadOptions::default(), &mask, &out).unwrap();
        let adapter = case.join("adapter_config.json").is_file();
        assert_eq!(notes.iter().any(|note| note.contains("merged into its base")), adapter);
        let _undo = mask.apply(&mut model, Intervention::Zero).unwrap();
        let name = case.display();
        assert_eq!(logits(&load(&out, Precision::F32)), logits(&model), "{name}");
        let config = json(&out.join("config.json"));
        assert!(config.get("quantization_config").is_none(), "{name}");
        let dtype = config.get("dtype").or_else(|| config.get("torch_dtype"));
        // bf16 holds every value of MXFP4.
        let expected = if case.ends_with("mxfp4") { "bfloat16" } else { "float32" };
        assert_eq!(dtype, Some(&expected.into()), "{name}");
        let files: BTreeSet<String> = fs::read_dir(&out)
            .unwrap()
            .map(|own| own.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        assert!(files.contains("pruned.json") && files.contains("model.safetensors"));
        let odd =
            ["adapter_config.json", "adapter_model.safetensors", "model.safetensors.index.json"];
        assert!(odd.iter().all(|own| !files.contains(*own)), "{name}: {files:?}");
        let manifest = json(&out.join("pruned.json"));
        assert_eq!(manifest["source"], model.fingerprint().unwrap().unwrap(), "{name}");
        assert_eq!(manifest["provenance"].get("adapter").is_some(), adapter, "{name}");
    }
}

#[test]
fn an_adapter_beside_its_base_is_merged_and_can_be_left_out() {
    let place = beside("patterns", "gqa_sharded");
    let own = load(&form("adapters/patterns"), Precision::F32);
    assert_eq!(logits(&load(place.path(), Precision::F32)), logits(&own));
    let keys = ["adapter_config.json".to_owned()];
    let options = LoadOptions { accepted_keys: keys.to_vec(), ..LoadOptions::default() };
    let model = LanguageModel::<Flex>::load_with(place.path(), &options, &Default::default());
    let base = fixtures().join("golden/gqa_sharded");
    assert_eq!(logits(model.unwrap().model()), logits(&load(&base, Precision::F32)));
    let checkpoint = Checkpoint::accepting(place.path(), &keys).unwrap();
    assert_eq!(checkpoint.fingerprint().unwrap(), opened(&base).fingerprint().unwrap());
}

#[test]
fn the_tokenizer_is_the_adapters_or_the_bases_and_notes_say_what_was_merged() {
    let load = |path: &Path| LanguageModel::<Flex>::load(path, &Default::default()).unwrap();
    let model = load(&form("adapters/patterns"));
    let note = model.notes().iter().find(|note| note.contains("is merged into its base"));
    assert!(note.is_some_and(|note| note.contains("gqa_sharded")), "{:?}", model.notes());
    let place = tempfile::tempdir().unwrap();
    copy(&form("adapters/patterns"), place.path());
    let path = place.path().join("adapter_config.json");
    let mut config = json(&path);
    let base = fixtures().join("golden/gqa_sharded");
    config["base_model_name_or_path"] = base.display().to_string().into();
    fs::write(&path, config.to_string()).unwrap();
    let before = load(place.path());
    // An own template.
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        fs::copy(base.join(file), place.path().join(file)).unwrap();
    }
    fs::write(place.path().join("chat_template.jinja"), "{{ messages[0]['content'] }}!").unwrap();
    let after = load(place.path());
    assert_eq!(after.text().render("hello").unwrap(), "hello!");
    assert_ne!(before.text().render("hello").unwrap(), "hello!");
    // The copy has it too.
    let mask =
        unit_mask(after.model().dims(), &["L0N3".parse().unwrap()], HeadAblation::ZeroOutput);
    let mask = mask.unwrap().for_model(after.model().fingerprint().unwrap());
    let out = place.path().join("out");
    export_masked(place.path(), &LoadOptions::default(), &mask, &out).unwrap();
    assert_eq!(load(&out).text().render("hello").unwrap(), "hello!");
}

#[test]
fn the_fingerprint_covers_base_adapter_and_scales() {
    let place = beside("patterns", "gqa_sharded");
    let fingerprint = |path: &Path| opened(path).fingerprint().unwrap().to_owned();
    let mut seen = BTreeSet::from([fingerprint(&fixtures().join("golden/gqa_sharded"))]);
    let own = fingerprint(place.path());
    assert_eq!(own, fingerprint(&form("adapters/patterns")));
    assert!(seen.insert(own));
    let path = place.path().join("adapter_config.json");
    for (key, value) in [("lora_alpha", Value::from(13)), ("use_rslora", true.into())] {
        let mut config = json(&path);
        config[key] = value;
        fs::write(&path, config.to_string()).unwrap();
        assert!(seen.insert(fingerprint(place.path())), "{key}");
    }
    let path = place.path().join("adapter_model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(seen.insert(fingerprint(place.path())));
}

/// A file that changes while it is in use is seen, whichever it is.
#[test]
fn a_changed_adapter_is_seen() {
    let place = beside("patterns", "gqa_sharded");
    let model = load(place.path(), Precision::Mapped);
    let path = place.path().join("adapter_model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(0);
    fs::write(&path, bytes).unwrap();
    let chain = Sequence::chain(vec![1, 5], vec![TokenRole::Prompt; 2]).unwrap();
    let batch = TokenBatch::new(&[chain]).unwrap();
    let error = model.logits(&batch, &mut NoObserver).unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    let error = source.downcast_ref::<ModelError>().unwrap();
    assert!(matches!(error, ModelError::Changed { path: own } if *own == path), "{error}");
}
