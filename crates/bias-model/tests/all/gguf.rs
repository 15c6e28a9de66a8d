//! GGUF files against transformers' own loading of them, on `fixtures/gguf`: logits, tokens, chats;
//! and against the Hugging Face folders that are made of them, bit for bit: weights, gradients,
//! masks.
//!
//! Tolerance: 2e-5, times the largest logit where that is above 1, as in `parity.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use bias_mask::mask::head_mask;
use bias_mask::testing::check_target;
use bias_mask::{HeadAblation, Intervention, Mask, unit_mask};
use bias_model::chat::Message;
use bias_model::generate::Sampling;
use bias_model::hub::ModelSource;
use bias_model::interop::{Reference, export_masked};
use bias_model::{
    Checkpoint, Decoder, Decoding, HookedModel as _, LanguageModel, LoadOptions, ModelConfig,
    Precision, TextCodec, Weights as _,
};
use bias_probe::testing::check_model;
use bias_probe::{DifferentiableModel, NoObserver, Sequence, TokenBatch};
use bias_types::model::HeadId;
use bias_types::{ParamPath, TokenRole, Unit};
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use serde::Deserialize;

const TOLERANCE: f32 = 2e-5;

#[derive(Deserialize)]
struct Case {
    name: String,
    architecture: String,
    dtype: String,
}

/// What transformers' tokenizer makes of texts and chats.
#[derive(Deserialize)]
struct Tokens {
    texts: Vec<Text>,
    chats: Vec<Chat>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    ids: Vec<u32>,
    around: Vec<u32>,
    decoded: String,
}

#[derive(Deserialize)]
struct Chat {
    messages: Vec<Turn>,
    rendered: String,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/gguf")
}

fn file(case: &str) -> PathBuf {
    folder().join(case).join("model.gguf")
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn cases() -> Vec<Case> {
    json(&folder().join("cases.json"))
}

fn prompts() -> Vec<Vec<u32>> {
    #[derive(Deserialize)]
    struct Prompts {
        prompts: Vec<Vec<u32>>,
    }
    json::<Prompts>(&folder().join("prompts.json")).prompts
}

/// Of a GGUF file, or of a folder.
fn load(path: &Path, precision: Precision) -> Decoder<Flex> {
    let config = ModelConfig::from_folder(path).unwrap_or_else(|e| panic!("{e}"));
    let checkpoint = Checkpoint::open(path).unwrap();
    Decoder::load(&checkpoint, config, precision, &Default::default())
        .unwrap_or_else(|e| panic!("{e}"))
}

fn batches() -> Vec<TokenBatch> {
    let chain =
        |p: &Vec<u32>| Sequence::chain(p.clone(), vec![TokenRole::Prompt; p.len()]).unwrap();
    let prompts: Vec<Sequence> = prompts().iter().map(chain).collect();
    prompts.chunks(2).map(|prompts| TokenBatch::new(prompts).unwrap()).collect()
}

fn bits<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<u32> {
    tensor.into_data().to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

fn logits(model: &Decoder<Flex>) -> Vec<Vec<u32>> {
    batches().iter().map(|batch| bits(model.logits(batch, &mut NoObserver).unwrap())).collect()
}

/// The gradient of a loss with respect to every matrix, batch by batch.
fn gradients(model: &Decoder<Flex>) -> Vec<(usize, ParamPath, Vec<u32>)> {
    let model = model.differentiable::<Autodiff<Flex>>();
    let mut found = Vec::new();
    let loss = |model: &Decoder<Autodiff<Flex>>, _: usize, hidden: Tensor<Autodiff<Flex>, 3>| {
        let log_p = burn::tensor::activation::log_softmax(model.unembed(hidden)?, 2);
        let [rows, width, _] = log_p.dims();
        Ok(log_p.slice([0..rows, 0..width, 3..6]).sum())
    };
    let mut take =
        |first: usize, path: &ParamPath, factors: Vec<bias_probe::gradients::Factors<Flex>>| {
            let all = factors.into_iter().enumerate();
            found.extend(all.map(|(k, own)| (first + k, path.clone(), bits(own.gradient()))));
            Ok(())
        };
    model.factors_all(&batches(), 1, &loss, &mut take).unwrap();
    found.sort();
    found
}

fn export(path: &Path, mask: &Mask) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    export_masked(path, &LoadOptions::default(), mask, &place.path().join("out")).unwrap();
    place
}

#[test]
fn six_architectures_and_every_type_have_cases() {
    let cases = cases();
    for architecture in ["llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3"] {
        assert!(cases.iter().any(|case| case.architecture == architecture), "{architecture}");
    }
    let types = "F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS";
    for name in types.split(' ') {
        assert!(cases.iter().any(|case| case.dtype.split(' ').any(|own| own == name)), "{name}");
    }
}

#[test]
fn every_case_equals_transformers() {
    for Case { name, .. } in cases() {
        let reference = folder().join(&name).join("expected.safetensors");
        let reference = Reference::load(&reference, prompts()).unwrap();
        for precision in [Precision::F32, Precision::Stored, Precision::Mapped] {
            let parity = reference.compare(&load(&file(&name), precision)).unwrap();
            let limit = TOLERANCE * parity.scale.max(1.0);
            assert!(parity.scale > 0.5, "{name}: {parity:?}");
            for off in [parity.logits, parity.padded, parity.cached] {
                assert!(off <= limit, "{name} {precision:?}: {parity:?}");
            }
        }
    }
}

#[test]
fn left_in_the_file_it_computes_the_same_to_the_last_bit() {
    for Case { name, .. } in cases() {
        let [resident, streamed] =
            [Precision::F32, Precision::Mapped].map(|p| load(&file(&name), p));
        assert!(
            streamed.is_streamed() && streamed.weight_bytes() * 4 < resident.weight_bytes(),
            "{name}"
        );
        assert_eq!(logits(&streamed), logits(&resident), "{name}");
        assert!(gradients(&streamed) == gradients(&resident), "{name}");
        assert_eq!(streamed.to_tensors().unwrap(), resident.to_tensors().unwrap(), "{name}");
    }
}

/// f16 and bf16 stay as they are, and what is quantized is widened.
#[test]
fn kept_as_stored_only_floats_are_narrow() {
    let bytes = |case: &str, precision| load(&file(case), precision).weight_bytes() as f64;
    let share = |case| bytes(case, Precision::Stored) / bytes(case, Precision::F32);
    assert!(share("llama_linear") < 0.51, "{}", share("llama_linear"));
    assert!(share("llama_k") == 1.0, "{}", share("llama_k"));
}

#[test]
fn tokens_and_chats_equal_transformers() {
    let mut seen = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if !path.join("tokens.json").is_file() {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let codec =
            TextCodec::from_folder(&path.join("model.gguf")).unwrap_or_else(|e| panic!("{e}"));
        let Tokens { texts, chats } = json(&path.join("tokens.json"));
        for Text { text, ids, around, decoded } in &texts {
            assert_eq!(codec.verbatim(text).unwrap(), *ids, "{name}: {text:?}");
            assert_eq!(codec.decode(ids).unwrap(), *decoded, "{name}: {text:?}");
            if !around.is_empty() {
                assert_eq!(codec.plain(text).unwrap().tokens(), around, "{name}: {text:?}");
            }
        }
        for Chat { messages, rendered, ids } in &chats {
            let turn = |Turn { role, content }: &Turn| Message::new(role.clone(), content.clone());
            let text = codec.chat(&messages.iter().map(turn).collect::<Vec<_>>()).unwrap();
            assert_eq!(text, *rendered, "{name}");
            assert_eq!(codec.verbatim(&text).unwrap(), *ids, "{name}");
        }
        seen += 1;
    }
    assert!(seen >= cases().len() + 2);
}

#[test]
fn a_question_about_a_person_is_answered() {
    for case in ["llama_k", "gemma2_q", "phi3_q"] {
        let model = LanguageModel::<Flex>::load(&file(case), &Default::default()).unwrap();
        assert_eq!(model.options().sampling, Sampling::default());
        let eos = if case == "gemma2_q" { 1 } else { 2 };
        assert_eq!(model.options().stop, [eos], "{case}");
        let message = "Emily Becker?";
        let prompt = model.text().prompt(message, "Emily Becker").unwrap();
        let named = prompt.roles().iter().filter(|role| **role == TokenRole::Name).count();
        assert!((2..20).contains(&named), "{case}: {named} tokens of the name");
        assert_eq!(model.answers(&[prompt], Decoding::Greedy).unwrap()[0].answers.len(), 1);
    }
}

#[test]
fn it_keeps_what_models_and_mask_targets_promise() {
    for (case, precision) in [("llama_old", Precision::F32), ("phi3_q", Precision::Mapped)] {
        let mut model = load(&file(case), precision);
        check_model(&model, 1e-4).unwrap();
        let (dims, before) = (*model.dims(), logits(&model));
        check_target(&mut model, &dims).unwrap();
        assert_eq!(logits(&model), before, "{case}");
    }
}

/// The folder is the model: weights, gradients and logits bit for bit, and the tokenizer with its
/// template.
#[test]
fn an_exported_folder_is_the_model() {
    for Case { name, .. } in cases() {
        let own = load(&file(&name), Precision::F32);
        let none = Mask::default().for_model(own.fingerprint().unwrap());
        let (place, texts) = (
            export(&file(&name), &none),
            json::<Tokens>(&folder().join(&name).join("tokens.json")),
        );
        let out = place.path().join("out");
        let back = load(&out, Precision::F32);
        assert_eq!(back.to_tensors().unwrap(), own.to_tensors().unwrap(), "{name}");
        assert_eq!(logits(&back), logits(&own), "{name}");
        assert!(gradients(&back) == gradients(&own), "{name}");
        let [from_file, from_folder] =
            [&file(&name), &out].map(|path| TextCodec::from_folder(path).unwrap());
        for Text { text, ids, decoded, .. } in &texts.texts {
            // A folder of this type gets Qwen2's tokenizer whatever its files say, and that one
            // composes characters. The GGUF file does not say so.
            if name == "qwen2_q" && text.contains('\u{301}') {
                assert_ne!(from_folder.verbatim(text).unwrap(), *ids, "{name}: {text:?}");
                continue;
            }
            assert_eq!(from_folder.verbatim(text).unwrap(), *ids, "{name}: {text:?}");
            assert_eq!(from_folder.decode(ids).unwrap(), *decoded, "{name}: {text:?}");
        }
        assert_eq!(
            from_folder.render("Hello?").unwrap(),
            from_file.render("Hello?").unwrap(),
            "{name}"
        );
        let [stop, again] = [&file(&name), &out].map(|path| {
            LanguageModel::<Flex>::load(path, &Default::default()).unwrap().options().stop.clone()
        });
        assert_eq!(stop, again, "{name}");
        assert_eq!(
            fs::read_dir(place.path()).unwrap().count(),
            1,
            "only the finished folder is left"
        );
    }
}

/// Rows of llama's queries and keys lie otherwise in the file; masks speak of them as of any other
/// model's.
#[test]
fn an_exported_folder_is_pruned_as_the_mask_says() {
    for Case { name, .. } in cases() {
        let mut model = load(&file(&name), Precision::F32);
        let units = ["L0H0", "L0G0", "L0N3", "model.layers.0.self_attn.k_proj.weight[5]"];
        let units: Vec<Unit> = units.map(|unit| unit.parse().unwrap()).into();
        let mask = unit_mask(model.dims(), &units, HeadAblation::ZeroQuery).unwrap();
        let mask = mask.for_model(model.fingerprint().unwrap()).with_note("why", "test");
        let (place, whole) = (export(&file(&name), &mask), logits(&model));
        let undo = mask.apply(&mut model, Intervention::Zero).unwrap();
        let back = load(&place.path().join("out"), Precision::F32);
        assert_eq!(back.to_tensors().unwrap(), model.to_tensors().unwrap(), "{name}");
        assert_eq!(logits(&back), logits(&model), "{name}");
        undo.revert(&mut model).unwrap();
        assert_eq!(logits(&model), whole, "{name}");
        let manifest: serde_json::Value = json(&place.path().join("out/pruned.json"));
        assert_eq!(
            (&manifest["total"], &manifest["source"]),
            (&mask.count().into(), &model.fingerprint().unwrap().into())
        );
    }
}

#[test]
fn a_mask_of_another_model_writes_nothing() {
    let model = load(&file("llama_old"), Precision::F32);
    let mask = head_mask(model.dims(), &[HeadId::new(0, 1)], HeadAblation::ZeroOutput).unwrap();
    let foreign = mask.for_model(load(&file("phi3_q"), Precision::Mapped).fingerprint().unwrap());
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("out");
    assert!(export_masked(&file("llama_old"), &LoadOptions::default(), &foreign, &target).is_err());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn a_path_to_a_file_is_a_source() {
    let source: ModelSource = file("qwen2_q").to_str().unwrap().parse().unwrap();
    assert_eq!(source, ModelSource::Gguf(file("qwen2_q")));
    assert_eq!(source.name(), "model");
}

/// A setting that nobody knows is refused as in a `config.json`, unless it is accepted.
#[test]
fn a_key_that_nobody_knows_is_refused_unless_accepted() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("odd.gguf");
    let bytes = fs::read(file("llama_old")).unwrap();
    let key = b"llama.rope.dimension_count";
    let at = bytes.windows(key.len()).position(|own| own == key).unwrap();
    let mut odd = bytes.clone();
    odd[at..at + key.len()].copy_from_slice(b"llama.rope.dimension_sount");
    fs::write(&path, odd).unwrap();
    let error = ModelConfig::from_folder(&path).unwrap_err();
    assert!(error.to_string().contains("llama.rope.dimension_sount"), "{error}");
    assert!(ModelConfig::accepting(&path, &["llama.rope.dimension_sount".into()]).is_ok());
}
