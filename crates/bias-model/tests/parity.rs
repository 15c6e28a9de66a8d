//! Everything the decoder computes against transformers, on `fixtures/golden`.
//!
//! Tolerance: 5e-5 absolute in f32. Logits here are of order 10, so that is a few
//! hundred units in the last place: the sums run in another order than PyTorch's.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use bias_core::{HeadId, Site, TokenRole};
use bias_mask::{HeadAblation, Intervention, head_mask};
use bias_model::{DecodeOptions, Decoding, HookedModel, LanguageModel, Sampling};
use bias_probe::{Capture, Edit, NoObserver, Observer, Sequence, TokenBatch};
use burn::backend::Flex;
use burn::tensor::Tensor;
use safetensors::SafeTensors;
use serde::Deserialize;

const TOLERANCE: f32 = 5e-5;
const CASES: [&str; 3] = ["gqa_sharded", "tied_bf16", "wide_head_f16"];

#[derive(Deserialize)]
struct Golden {
    prompts: Vec<Vec<u32>>,
    new_tokens: usize,
    chat: Chat,
}

#[derive(Deserialize)]
struct Chat {
    message: String,
    name: String,
    rendered: String,
    ids: Vec<u32>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden")
}

fn golden() -> Golden {
    serde_json::from_slice(&std::fs::read(folder().join("prompts.json")).unwrap()).unwrap()
}

fn expected(case: &str) -> BTreeMap<String, Vec<f32>> {
    let bytes = std::fs::read(folder().join(case).join("expected.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let floats =
        |data: &[u8]| data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let ints = |data: &[u8]| {
        data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f32).collect()
    };
    let read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let long = view.dtype() == safetensors::Dtype::I64;
        let values: Vec<f32> = if long { ints(view.data()) } else { floats(view.data()) };
        (name, values)
    };
    tensors.tensors().into_iter().map(read).collect()
}

fn load(case: &str) -> LanguageModel<Flex> {
    LanguageModel::load(&folder().join(case), &Default::default()).unwrap()
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
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= TOLERANCE, "{what}: off by {worst}");
}

#[test]
fn every_site_equals_transformers() {
    for case in CASES {
        let (model, expected) = (load(case), expected(case));
        for (i, prompt) in golden().prompts.iter().enumerate() {
            let batch = TokenBatch::new(&[chain(prompt)]).unwrap();
            let mut capture = Capture::new(Site::all(2));
            model.model().logits(&batch, &mut capture).unwrap();
            for (site, captured) in capture.finish().unwrap() {
                let key = format!("{i}/{site}");
                assert_close(&format!("{case} {key}"), &captured.values, &expected[&key]);
            }
        }
    }
}

#[test]
fn padding_changes_nothing() {
    for case in CASES {
        let (model, expected) = (load(case), expected(case));
        let prompts = golden().prompts;
        let batch = TokenBatch::new(&prompts.iter().map(|p| chain(p)).collect::<Vec<_>>()).unwrap();
        let logits = model.model().logits(&batch, &mut NoObserver).unwrap();
        for (i, prompt) in prompts.iter().enumerate() {
            let row = values(logits.clone().narrow(0, i, 1).narrow(1, 0, prompt.len()));
            assert_close(&format!("{case} row {i}"), &row, &expected[&format!("{i}/lm_head.output")]);
        }
    }
}

#[test]
fn a_tree_of_answers_equals_one_run_per_answer() {
    let model = load("gqa_sharded");
    let role = TokenRole::Prompt;
    // 1 5 9 followed by either 2 30 or 17.
    let tree = Sequence::tree(
        vec![1, 5, 9, 2, 17, 30],
        vec![role; 6],
        vec![None, Some(0), Some(1), Some(2), Some(2), Some(3)],
    );
    let batch = TokenBatch::new(&[tree.unwrap()]).unwrap();
    let both = model.model().logits(&batch, &mut NoObserver).unwrap();
    for (branch, end) in [(&[1, 5, 9, 2, 30][..], 5), (&[1, 5, 9, 17], 4)] {
        let alone = TokenBatch::new(&[chain(branch)]).unwrap();
        let alone = model.model().logits(&alone, &mut NoObserver).unwrap();
        let last = values(alone.narrow(1, branch.len() - 1, 1));
        assert_close("branch", &values(both.clone().narrow(1, end, 1)), &last);
    }
}

#[test]
fn greedy_continuations_equal_transformers() {
    for case in CASES {
        let (model, expected, golden) = (load(case), expected(case), golden());
        let prompts: Vec<Sequence> = golden.prompts.iter().map(|p| chain(p)).collect();
        for batch_rows in [1, 3, 64] {
            let options = DecodeOptions {
                sampling: Sampling::default(),
                stop: model.options().stop.clone(),
                max_new_tokens: golden.new_tokens,
                batch_rows,
                threads: 2,
            };
            let answers =
                bias_model::decode(
                    model.model(),
                    &prompts,
                    Decoding::Greedy,
                    &options,
                    |_| Ok(String::new()),
                );
            for (i, answers) in answers.unwrap().iter().enumerate() {
                let tokens: Vec<f32> = answers.answers[0].tokens.iter().map(|t| *t as f32).collect();
                assert_eq!(tokens, expected[&format!("{i}/greedy")], "{case} prompt {i}");
            }
        }
    }
}

#[test]
fn an_ablated_head_equals_transformers_by_hook_and_by_mask() {
    for case in CASES {
        let (mut model, expected) = (load(case), expected(case));
        let (dims, head) = (*model.model().dims(), HeadId::new(1, 2));
        let columns = dims.head_columns(head).unwrap();
        for (i, prompt) in golden().prompts.iter().enumerate() {
            let batch = TokenBatch::new(&[chain(prompt)]).unwrap();
            let site = "model.layers.1.self_attn.o_proj.input".parse().unwrap();
            let mut silence = Edit::new(site, |_: &TokenBatch, x: Tensor<Flex, 3>| {
                let [rows, width, _] = x.dims();
                let zero = Tensor::zeros([rows, width, columns.len()], &x.device());
                x.slice_assign([0..rows, 0..width, columns.clone()], zero)
            });
            let observer: &mut dyn Observer<Flex> = &mut silence;
            let hooked = values(model.model().logits(&batch, observer).unwrap());
            silence.finish().unwrap();
            let wanted = &expected[&format!("{i}/ablated")];
            assert_close(&format!("{case} {i} by hook"), &hooked, wanted);

            let mask = head_mask(&dims, &[head], HeadAblation::ZeroOutput).unwrap();
            let undo = mask.apply(model.model_mut(), Intervention::Zero).unwrap();
            let masked = values(model.model().logits(&batch, &mut NoObserver).unwrap());
            assert_close(&format!("{case} {i} by mask"), &masked, wanted);
            undo.revert(model.model_mut()).unwrap();
            let whole = values(model.model().logits(&batch, &mut NoObserver).unwrap());
            assert_close(&format!("{case} {i} reverted"), &whole, &expected[&format!("{i}/lm_head.output")]);
        }
    }
}

#[test]
fn chat_template_and_tokens_equal_transformers() {
    let Chat { message, name, rendered, ids } = golden().chat;
    for case in CASES {
        let model = load(case);
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
