//! Whole models on a GPU against transformers: the golden models of every architecture, to the
//! tolerance of `tests/all/parity.rs`, and Wanda's choice made there against the host's.
//!
//! `cargo test -p bias-model --features wgpu --test gpu`, or `cuda`: on an NVIDIA GPU, or on
//! whatever wgpu finds.
#![cfg(any(feature = "cuda", feature = "wgpu"))]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use bias_mask::select::{top_difference_on_device, top_difference_scaled};
use bias_model::interop::Reference;
use bias_model::{Checkpoint, Decoder, ModelConfig, Precision};
use burn::tensor::{Tensor, TensorData};
use serde_json::Value;

#[cfg(feature = "cuda")]
type B = burn::backend::Cuda;
#[cfg(not(feature = "cuda"))]
type B = burn::backend::Wgpu;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn golden_models_are_as_in_transformers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden");
    let prompts: Vec<Vec<u32>> =
        serde_json::from_value(json(&folder.join("prompts.json"))["prompts"].clone()).unwrap();
    for case in json(&folder.join("cases.json")).as_array().unwrap() {
        let model = folder.join(case["name"].as_str().unwrap());
        let config = ModelConfig::from_folder(&model).unwrap();
        let decoder = Decoder::<B>::load(
            &Checkpoint::open(&model).unwrap(),
            config,
            Precision::F32,
            &Default::default(),
        );
        let reference =
            Reference::load(&model.join("expected.safetensors"), prompts.clone()).unwrap();
        let parity = reference.compare(&decoder.unwrap()).unwrap();
        let tolerance = 2e-5 * parity.scale.max(1.0);
        for (what, off) in
            [("logits", parity.logits), ("padded", parity.padded), ("cached", parity.cached)]
        {
            assert!(off < tolerance, "{}: {what} off by {off:e}", case["name"]);
        }
        assert!(
            parity.sites < 3.0 * tolerance,
            "{}: activations off by {:e}",
            case["name"],
            parity.sites
        );
        assert_eq!(parity.greedy.0, parity.greedy.1, "{}", case["name"]);
    }
}

/// Norms that f32 holds, so that both make the same scores.
#[test]
fn weights_are_chosen_as_on_the_host() {
    let path = bias_types::ParamPath::of(0, bias_types::Projection::Q);
    for shape @ [out, inner] in [[1, 1], [5, 33], [64, 200]] {
        let weights: Vec<f32> =
            (0..out * inner).map(|i| ((i * 7919) % 1009) as f32 / 64.0 - 8.0).collect();
        let a: Vec<f64> = (0..inner).map(|i| ((i * 31) % 17) as f64 / 4.0).collect();
        let b: Vec<f64> = (0..inner).map(|i| ((i * 13) % 19) as f64 / 4.0).collect();
        let there =
            Tensor::<B, 2>::from_data(TensorData::new(weights.clone(), shape), &Default::default());
        for fraction in [0.0, 0.15, 0.5, 1.0] {
            let expected =
                top_difference_scaled(&path, &weights, shape, [&a, &b], fraction).unwrap();
            let found = top_difference_on_device(&path, there.clone(), [&a, &b], fraction).unwrap();
            assert_eq!(found, expected, "{shape:?} {fraction}");
        }
    }
}
