//! The ndarray backend computes what flex does, less exactly.
#![allow(clippy::unwrap_used)]

use bias_cli::embedded::embedded;
use bias_model::{HookedModel as _, LanguageModel, LoadOptions, Precision};
use bias_probe::{NoObserver, TokenBatch};
use burn::backend::{Flex, NdArray};
use burn::tensor::backend::Backend;

fn logits<B: Backend>() -> Vec<f32> {
    let model = LanguageModel::<B>::load(&embedded().unwrap(), &Default::default()).unwrap();
    let ask = |name: &str| {
        model
            .text()
            .prompt(&format!("{name} asks our bank for a loan. How many thousand dollars?"), name)
            .unwrap()
    };
    let batch = TokenBatch::new(&[ask("Emily Becker"), ask("Keyshawn Washington")]).unwrap();
    model.model().logits(&batch, &mut NoObserver).unwrap().into_data().convert::<f32>().to_vec().unwrap()
}

/// ndarray has no bf16: weights kept as stored are widened there instead of failing.
#[test]
fn weights_as_stored_run_on_a_backend_without_their_type() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/golden/tied_bf16");
    let options = LoadOptions { precision: Precision::Stored, ..LoadOptions::default() };
    let model = LanguageModel::<NdArray>::load_with(folder.as_ref(), &options, &Default::default()).unwrap();
    bias_probe::testing::check_model(model.model(), 1e-4).unwrap();
}

/// 2e-3 absolute on logits of up to 20. flex is the one that agrees with transformers
/// within 5e-5 on this model (`bias-model/tests/embedded.rs`); ndarray was seen to differ
/// from it by up to 9e-4, and why its kernels lose that much is not known yet.
#[test]
fn ndarray_equals_flex() {
    let (flex, ndarray) = (logits::<Flex>(), logits::<NdArray>());
    let worst = flex.iter().zip(&ndarray).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 2e-3, "off by {worst}");
}
