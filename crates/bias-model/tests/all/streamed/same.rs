//! Forward passes, answers and statistics are the same.

use std::sync::{Arc, Mutex};

use bias_mask::testing::check_target;
use bias_model::decoder::LayerDone;
use bias_model::generate::{DecodeOptions, Sampling, decode};
use bias_model::{Decoder, Decoding, HookedModel as _, Precision};
use bias_probe::stats::SquareSums;
use bias_probe::testing::check_model;
use bias_probe::{NoObserver, Weights};
use burn::backend::Flex;

use super::models::{batches, bits, both, cases, golden, logits, open, prompts};

#[test]
fn every_case_computes_the_same() {
    for case in cases() {
        let [resident, streamed] = both(&case);
        assert!(streamed.is_streamed() && !resident.is_streamed());
        assert!(streamed.weight_bytes() * 4 < resident.weight_bytes(), "{case}");
        assert_eq!(logits(&streamed), logits(&resident), "{case}");
        for (path, ..) in resident.dims().projections() {
            let weight = |model: &Decoder<Flex>| bits(Weights::weight(model, &path).unwrap());
            assert_eq!(weight(&streamed), weight(&resident), "{case}: {path}");
        }
        let sums = |model: &Decoder<Flex>| {
            let mut sums = SquareSums::linear_inputs(model.dims());
            model.observe_all(&batches(), &mut sums).unwrap();
            sums.finish().unwrap()
        };
        assert_eq!(sums(&streamed), sums(&resident), "{case}");
        assert_eq!(streamed.to_tensors().unwrap(), resident.to_tensors().unwrap(), "{case}");
    }
}

#[test]
fn it_keeps_what_models_promise() {
    for case in ["gqa_sharded", "gpt2_hub", "phi3_partial", "tied_bf16"] {
        let mut streamed = open(&golden().join(case), Precision::Mapped).unwrap();
        check_model(&streamed, 1e-4).unwrap();
        let (dims, before) = (*streamed.dims(), logits(&streamed));
        check_target(&mut streamed, &dims).unwrap();
        assert_eq!(logits(&streamed), before, "{case}");
    }
}

#[test]
fn answers_are_the_same() {
    for case in
        ["gqa_sharded", "phi3_partial_longrope", "gpt2_hub", "gemma3_layers", "wide_head_f16"]
    {
        let [resident, streamed] = both(case);
        for (decoding, threads) in [
            (Decoding::Exact { unexplored: 0.2, tokens: 80, seed: 1 }, 1),
            (Decoding::Exact { unexplored: 0.2, tokens: 80, seed: 1 }, 3),
            (Decoding::Sampled { samples: 20, seed: 3 }, 2),
            (Decoding::Greedy, 2),
        ] {
            let options = DecodeOptions {
                sampling: Sampling::default(),
                stop: vec![7],
                max_new_tokens: 4,
                batch_rows: 2,
                threads,
            };
            let ask = |model| {
                decode(model, &prompts(), decoding, &options, |_| Ok(String::new())).unwrap()
            };
            assert_eq!(ask(&streamed), ask(&resident), "{case}, {decoding:?}");
        }
    }
}

#[test]
fn every_layer_is_told_of() {
    let tokens: usize = batches().iter().map(|batch| batch.rows() * batch.width()).sum();
    let [_, mut streamed] = both("gqa_sharded");
    let told: Arc<Mutex<Vec<LayerDone>>> = Arc::default();
    let own = Arc::clone(&told);
    streamed.on_layer(move |layer| own.lock().unwrap().push(*layer));
    streamed.observe_all(&batches(), &mut NoObserver).unwrap();
    let layers = streamed.dims().layers;
    let told = told.lock().unwrap();
    assert_eq!(
        told.iter().map(|layer| layer.done).collect::<Vec<_>>(),
        (1..=layers).collect::<Vec<_>>()
    );
    assert!(
        told.iter().all(|layer| layer.of == layers && layer.tokens == tokens && !layer.backward)
    );
}
