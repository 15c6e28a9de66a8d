//! Everything runs where a device computes in bf16, and means what it does in f32.
//!
//! flex can be told to, which GPUs are for. The setting is the process's, so these tests have one of their own.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use bias_examples::cli::embedded;
use bias_mask::edit::{Directions, Side};
use bias_mask::{Intervention, MaskTarget};
use bias_model::interop::Reference;
use bias_model::{Checkpoint, Decoder, Decoding, LanguageModel, ModelConfig, Precision};
use bias_probe::device::computed_in;
use bias_probe::{HookedModel as _, ParamPath, Projection, Weights};
use bias_study::likelihood::token_log_probs;
use bias_study::{Method, PromptSet, Settings, Study, StudyOptions};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, TensorData, set_default_dtypes};
use serde_json::Value;

fn in_bf16() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| set_default_dtypes::<Flex>(&Default::default(), DType::BF16, DType::I32).unwrap());
    assert_eq!(computed_in::<Flex>(&Default::default()), DType::BF16);
}

/// Every architecture, from files in f32, bf16 and f16: as far from transformers in f32 as transformers in bf16 is
/// where that is on record (0.7 to 2 times as far alone, up to 2.7 in a batch), within a tenth of the largest logit
/// where it is not (up to 7 % were seen).
#[test]
fn every_architecture_runs() {
    in_bf16();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/golden");
    let json =
        |name: &str| -> Value { serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap() };
    let prompts: Vec<Vec<u32>> = serde_json::from_value(json("prompts.json")["prompts"].clone()).unwrap();
    for case in json("cases.json").as_array().unwrap() {
        let own = folder.join(case["name"].as_str().unwrap());
        let reference = Reference::load(&own.join("expected.safetensors"), prompts.clone()).unwrap();
        let config = ModelConfig::from_folder(&own).unwrap();
        let checkpoint = Checkpoint::open(&own).unwrap();
        let model = Decoder::<Flex>::load(&checkpoint, config, Precision::F32, &Default::default()).unwrap();
        let parity = reference.compare(&model).unwrap();
        let limit = parity.bf16_own.map_or(0.1 * parity.scale, |own| 4.0 * own);
        let worst = parity.logits.max(parity.padded).max(parity.cached);
        assert!(worst <= limit, "{}: off by {worst}, {limit} allowed", case["name"]);
    }
}

/// Every method finds something in the embedded model, and its bias is what it is in f32.
#[test]
fn a_study_runs() {
    in_bf16();
    let folder = embedded();
    let mut prompts = PromptSet::from_csv(&folder.join("prompts.csv"), ["white", "black"]).unwrap();
    prompts.thin(2, 2);
    let model = LanguageModel::<Flex>::load(&folder, &Default::default()).unwrap();
    let texts = [model.text().prompt("Emily Becker asks our bank for a loan.", "Emily Becker").unwrap()];
    assert!(token_log_probs(&model, &texts).unwrap().iter().flatten().all(|p| p.is_finite() && *p < 0.0));
    let settings = Settings { decoding: Decoding::exact_within(0.05), ..Settings::default() };
    let options = StudyOptions { settings, ..StudyOptions::default() };
    let mut study = Study::<Autodiff<Flex>>::new(model, "embedded", &prompts, options).unwrap();
    assert!(study.provenance().program.backend.contains("bf16"), "{:?}", study.provenance().program);
    for own in study.audit().unwrap() {
        assert!((1.0..2.5).contains(&own.bias.value), "{} {}", own.context, own.bias.value);
    }
    let dims = *study.model().model().dims();
    let mut masks = Vec::new();
    // Every method was seen to run; these between them do all that others do.
    let tried = ["wanda", "snip", "signed-gap", "activation-difference", "head-attention"];
    for method in Method::all().into_iter().filter(|own| tried.contains(&own.name.as_str())) {
        let found = study.find(&method, 0, 0.01).unwrap();
        let mask = found.mask(&dims, dims.prunable_weights() / 100).unwrap();
        assert!(mask.count() > 0, "{}", method.name);
        masks.push(mask);
    }

    // Changes are taken back bit for bit, those of means and directions too.
    let path = ParamPath::of(1, Projection::Down);
    let model = study.model_mut().model_mut();
    let weights =
        |model: &Decoder<Flex>| -> TensorData { Weights::weight(model, &path).unwrap().into_data() };
    let before = weights(model);
    assert_eq!(before.dtype, DType::BF16);
    let mut basis = vec![0.0; dims.d_model];
    basis[3] = 1.0;
    let direction = Directions::new(path.clone(), Side::Output, [dims.d_model, 1], basis).unwrap();
    let undo = direction.remove(model).unwrap();
    assert_ne!(weights(model), before);
    undo.revert(model).unwrap();
    for mask in &masks {
        let undo = mask.apply(model, Intervention::Zero).unwrap();
        undo.revert(model).unwrap();
    }
    assert_eq!(weights(model), before);
}
