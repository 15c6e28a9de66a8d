//! Everything the decoder computes against transformers, on `fixtures/golden`: models of
//! every architecture, each with logits, activations, patterns and continuations.
//!
//! Tolerance: 2e-5 absolute in f32 (6e-5 for activations, which are larger), times the largest
//! logit where that is above 1: sums run in another order than PyTorch's, and one unit in the last
//! place of a number of order 10 is 1e-6. In bf16 transformers rounds every intermediate result to
//! 8 bits, which moves these models' logits by 0.01 to 0.1; we compute in f32 from the same
//! weights, and are as far from its bf16 as it is itself in f32, to the same tolerance.

use std::path::PathBuf;

use bias_mask::mask::{head_mask, neuron_mask};
use bias_mask::{HeadAblation, Intervention, Mask};
use bias_model::arch::Architecture;
use bias_model::generate::{DecodeOptions, Sampling};
use bias_model::interop::Reference;
use bias_model::{
    Checkpoint, Decoder, Decoding, HookedModel, LanguageModel, ModelConfig, Precision,
};
use bias_probe::hooks::Edit;
use bias_probe::{NoObserver, Observer, Sequence, TokenBatch};
use bias_types::TokenRole;
use bias_types::model::{HeadId, NeuronId};
use burn::backend::Flex;
use burn::tensor::Tensor;
use serde::Deserialize;

const TOLERANCE: f32 = 2e-5;

#[derive(Deserialize)]
struct Golden {
    prompts: Vec<Vec<u32>>,
    chat: Chat,
}

#[derive(Deserialize)]
struct Chat {
    message: String,
    name: String,
    rendered: String,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    architecture: String,
    dtype: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden")
}

fn golden() -> Golden {
    serde_json::from_slice(&std::fs::read(folder().join("prompts.json")).unwrap()).unwrap()
}

fn cases() -> Vec<Case> {
    serde_json::from_slice(&std::fs::read(folder().join("cases.json")).unwrap()).unwrap()
}

fn load(case: &str, precision: Precision) -> Decoder<Flex> {
    let folder = folder().join(case);
    let config = ModelConfig::from_folder(&folder).unwrap();
    Decoder::load(&Checkpoint::open(&folder).unwrap(), config, precision, &Default::default())
        .unwrap_or_else(|e| panic!("{case}: {e}"))
}

fn reference(case: &str) -> Reference {
    Reference::load(&folder().join(case).join("expected.safetensors"), golden().prompts).unwrap()
}

fn chain(tokens: &[u32]) -> Sequence {
    Sequence::chain(tokens.to_vec(), vec![TokenRole::Prompt; tokens.len()]).unwrap()
}

fn values<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

#[track_caller]
fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}: another number of values");
    let scale = expected.iter().fold(1f32, |a, b| a.max(b.abs()));
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= TOLERANCE * scale, "{what}: off by {worst}");
}

#[test]
fn every_architecture_has_cases() {
    let cases = cases();
    // Two of them also inside a multimodal model.
    for model_type in
        Architecture::ALL.map(Architecture::model_type).iter().chain(&["gemma3", "mistral3"])
    {
        let own = cases.iter().filter(|c| c.architecture == *model_type);
        assert!(own.count() >= 2, "{model_type}");
    }
}

#[test]
fn every_case_equals_transformers() {
    for Case { name, dtype, .. } in cases() {
        // Held as in the file or widened: the same numbers are computed.
        for precision in [Precision::F32, Precision::Stored] {
            let parity = reference(&name).compare(&load(&name, precision)).unwrap();
            let limit = TOLERANCE * parity.scale.max(1.0);
            // Nothing can be seen that was not compared.
            let (model, reference) = (load(&name, precision), reference(&name));
            for site in model.sites() {
                assert!(
                    reference.of(2, &site.to_string()).is_ok(),
                    "{name}: {site} is not on record"
                );
            }
            assert!(parity.logits <= limit, "{name}: {parity:?}");
            assert!(parity.padded <= limit, "{name}: {parity:?}");
            assert!(parity.cached <= limit, "{name}: {parity:?}");
            // Activations inside are larger than logits.
            assert!(parity.sites <= 3.0 * TOLERANCE, "{name}: {parity:?}");
            assert!(parity.compared > 1000, "{name}: {parity:?}");
            assert!(
                parity.greedy.1 > 0 && parity.greedy.0 == parity.greedy.1,
                "{name}: {parity:?}"
            );
            assert_eq!(parity.bf16.is_some(), dtype == "bfloat16", "{name}");
            let (ours, own) = (parity.bf16.unwrap_or(0.0), parity.bf16_own.unwrap_or(0.0));
            assert!((ours - own).abs() <= limit, "{name}: {parity:?}");
        }
    }
}

#[test]
fn a_tree_of_answers_equals_one_run_per_answer() {
    for case in [
        "gqa_sharded",
        "mistral_window",
        "gemma3_layers",
        "gpt2_hub",
        "gpt_neox_pythia",
        "cohere2_pattern",
        "ministral3_plain",
        "opt_decoder",
    ] {
        let model = load(case, Precision::F32);
        let role = TokenRole::Prompt;
        // 1 5 9 followed by either 2 30 or 17.
        let tree = Sequence::tree(
            vec![1, 5, 9, 2, 17, 30],
            vec![role; 6],
            vec![None, Some(0), Some(1), Some(2), Some(2), Some(3)],
        );
        let batch = TokenBatch::new(&[tree.unwrap()]).unwrap();
        let both = model.logits(&batch, &mut NoObserver).unwrap();
        for (branch, end) in [(&[1, 5, 9, 2, 30][..], 5), (&[1, 5, 9, 17], 4)] {
            let alone = TokenBatch::new(&[chain(branch)]).unwrap();
            let alone = model.logits(&alone, &mut NoObserver).unwrap();
            let last = values(alone.narrow(1, branch.len() - 1, 1));
            assert_close("branch", &values(both.clone().narrow(1, end, 1)), &last);
        }
    }
}

#[test]
fn greedy_continuations_equal_transformers() {
    for Case { name: case, .. } in &cases() {
        let (model, expected, golden) = (load(case, Precision::F32), reference(case), golden());
        let prompts: Vec<Sequence> = golden.prompts.iter().map(|p| chain(p)).collect();
        for batch_rows in [1, 3, 64] {
            let options = DecodeOptions {
                sampling: Sampling::default(),
                stop: model.config().eos.clone(),
                max_new_tokens: 6,
                batch_rows,
                threads: 2,
            };
            let answers =
                bias_model::generate::decode(&model, &prompts, Decoding::Greedy, &options, |_| {
                    Ok(String::new())
                });
            for (i, answers) in answers.unwrap().iter().enumerate() {
                let tokens: Vec<f32> =
                    answers.answers[0].tokens.iter().map(|t| *t as f32).collect();
                // Only prompts where cached and uncached generation agree are on record.
                if let Ok(expected) = expected.of(i, "greedy") {
                    assert_eq!(tokens, expected, "{case} prompt {i}");
                }
            }
        }
    }
}

/// Heads and neurons are the same thing to a caller in every layout: an `o_proj` input
/// set to zero by a hook, the same head by its mask, a neuron by its mask.
#[test]
fn silenced_units_equal_transformers_in_every_layout() {
    for Case { name: case, .. } in cases() {
        let (mut model, expected) = (load(&case, Precision::F32), reference(&case));
        let dims = *model.dims();
        let head = HeadId::new(1, if dims.heads < 3 { 1 } else { 2 });
        let columns = dims.head_columns(head).unwrap();
        let heads = head_mask(&dims, &[head], HeadAblation::ZeroOutput).unwrap();
        let neurons = neuron_mask(&dims, &[NeuronId::new(0, 3)]).unwrap();
        for (i, prompt) in golden().prompts.iter().enumerate() {
            let batch = TokenBatch::new(&[chain(prompt)]).unwrap();
            let site = "model.layers.1.self_attn.o_proj.input".parse().unwrap();
            let mut silence = Edit::new(site, |_: &TokenBatch, x: Tensor<Flex, 3>| {
                let [rows, width, _] = x.dims();
                let zero = Tensor::zeros([rows, width, columns.len()], &x.device());
                x.slice_assign([0..rows, 0..width, columns.clone()], zero)
            });
            let observer: &mut dyn Observer<Flex> = &mut silence;
            let hooked = values(model.logits(&batch, observer).unwrap());
            silence.finish().unwrap();
            let wanted = expected.of(i, "ablated").unwrap();
            assert_close(&format!("{case} {i} by hook"), &hooked, wanted);

            let mut masked = |mask: &Mask| {
                let undo = mask.apply(&mut model, Intervention::Zero).unwrap();
                let logits = values(model.logits(&batch, &mut NoObserver).unwrap());
                undo.revert(&mut model).unwrap();
                logits
            };
            assert_close(&format!("{case} {i} by mask"), &masked(&heads), wanted);
            if let Ok(wanted) = expected.of(i, "stored_neuron") {
                // The neuron's column is silent whatever its rows and their biases say.
                assert_close(&format!("{case} {i} neuron"), &masked(&neurons), wanted);
            }
            let whole = values(model.logits(&batch, &mut NoObserver).unwrap());
            assert_close(
                &format!("{case} {i} reverted"),
                &whole,
                expected.of(i, "lm_head.output").unwrap(),
            );
        }
    }
}

/// Kept as stored, bf16 takes half of what it takes widened (norms are widened always).
#[test]
fn weights_kept_as_stored_take_half() {
    let bytes = |precision| load("mistral_window", precision).weight_bytes() as f64;
    let share = bytes(Precision::Stored) / bytes(Precision::F32);
    assert!((0.5..0.53).contains(&share), "{share}");
}

/// What a model is saved as is what it was loaded from: names, shapes, fused and
/// transposed layouts, every bit of an f32 checkpoint.
#[test]
fn saved_tensors_are_the_checkpoints_own() {
    for Case { name: case, .. } in cases() {
        let model = load(&case, Precision::F32);
        let saved = model.to_tensors().unwrap();
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("saved");
        bias_model::interop::save_pretrained(&model, &target, |_| Ok(())).unwrap();
        let again = Decoder::<Flex>::load(
            &Checkpoint::open(&target).unwrap(),
            ModelConfig::from_folder(&target).unwrap(),
            Precision::F32,
            &Default::default(),
        );
        let again = again.unwrap();
        assert_eq!(again.to_tensors().unwrap(), saved, "{case}");
        // Of a multimodal model, the text model alone: it computes the same.
        let batch = TokenBatch::new(&[chain(&golden().prompts[0])]).unwrap();
        let [found, expected] =
            [&again, &model].map(|model| values(model.logits(&batch, &mut NoObserver).unwrap()));
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn chat_template_and_tokens_equal_transformers() {
    let Chat { message, name, rendered, ids } = golden().chat;
    for case in ["gqa_sharded", "tied_bf16", "wide_head_f16"] {
        let model = LanguageModel::<Flex>::load(&folder().join(case), &Default::default()).unwrap();
        assert_eq!(model.text().render(&message).unwrap(), rendered);
        let prompt = model.text().prompt(&message, &name).unwrap();
        assert_eq!(prompt.tokens(), ids);
        let named: Vec<u32> = prompt
            .tokens()
            .iter()
            .zip(prompt.roles())
            .filter(|(_, role)| **role == TokenRole::Name)
            .map(|(token, _)| *token)
            .collect();
        assert_eq!(model.text().decode(&named).unwrap(), name.replace(' ', ""));
        assert!(model.text().prompt(&message, "jamal").is_err());
    }
}
