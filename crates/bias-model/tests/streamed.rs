//! A model that is left in its file computes what one in memory does, bit for bit: forward,
//! answers, statistics, gradients, under masks. And what may happen to the file meanwhile.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bias_mask::edit::{Directions, Side};
use bias_mask::testing::check_target;
use bias_mask::{BitMatrix, Intervention, Mask, MaskError};
use bias_model::decoder::LayerDone;
use bias_model::generate::{DecodeOptions, Sampling, decode};
use bias_model::{
    Checkpoint, Decoder, Decoding, HookedModel as _, ModelConfig, ModelError, Precision,
};
use bias_probe::stats::SquareSums;
use bias_probe::testing::check_model;
use bias_probe::{DifferentiableModel, NoObserver, ProbeError, Sequence, TokenBatch, Weights};
use bias_types::{ParamPath, Projection, TokenRole};
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use tempfile::TempDir;

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden")
}

fn cases() -> Vec<String> {
    let cases: Vec<serde_json::Value> =
        serde_json::from_slice(&fs::read(golden().join("cases.json")).unwrap()).unwrap();
    cases.iter().map(|case| case["name"].as_str().unwrap().to_owned()).collect()
}

fn open(folder: &Path, precision: Precision) -> Result<Decoder<Flex>, ModelError> {
    let config = ModelConfig::from_folder(folder)?;
    Decoder::load(&Checkpoint::open(folder)?, config, precision, &Default::default())
}

/// A loss is given a handle of its own: whatever becomes of it, the model is what it was.
#[test]
fn losses_that_fail_leave_the_model_as_it_was() {
    type B = Autodiff<Flex>;
    let [_, streamed] = both("gqa_sharded");
    let model = streamed.differentiable::<B>();
    let run = |loss: &bias_probe::gradients::Loss<'_, Decoder<B>, B>| {
        model.factors_all(&batches()[..1], 1, loss, &mut |_, _, _| Ok(()))
    };
    let panics = |model: &Decoder<B>, _: usize, hidden: Tensor<B, 3>| {
        model.unembed(hidden)?;
        panic!("a loss that panics")
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&panics))).unwrap_err();
    // Unembedding is the whole table's again, and gradients flow through it.
    let hidden = model.hidden(&batches()[0], &mut NoObserver).unwrap().detach().require_grad();
    let gradients = model.unembed(hidden.clone()).unwrap().sum().backward();
    assert!(hidden.grad(&gradients).is_some());

    // What was unembedded the first time must be the second time, no more and no less, in any
    // order.
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let counted = |times: [&'static [f32]; 2]| {
        calls.store(0, std::sync::atomic::Ordering::Relaxed);
        let calls = &calls;
        move |model: &Decoder<B>, _: usize, hidden: Tensor<B, 3>| {
            let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mut sum = hidden.clone().sum();
            for factor in times[call] {
                let logits = model.unembed(hidden.clone().mul_scalar(*factor))?;
                sum = sum + logits.powi_scalar(2).sum().mul_scalar(*factor);
            }
            Ok(sum)
        }
    };
    run(&counted([&[1.0, 2.0], &[1.0, 2.0]])).unwrap();
    run(&counted([&[1.0, 2.0], &[2.0, 1.0]])).unwrap();
    for times in [[&[1.0][..], &[1.0, 1.0]], [&[1.0, 2.0], &[1.0]], [&[1.0], &[2.0]]] {
        let refused = run(&counted(times));
        assert!(matches!(refused, Err(ProbeError::UnlikeLoss)), "{times:?}: {refused:?}");
    }
}

/// The same model in memory and in its file.
fn both(case: &str) -> [Decoder<Flex>; 2] {
    [Precision::F32, Precision::Mapped]
        .map(|precision| open(&golden().join(case), precision).unwrap())
}

fn prompts() -> Vec<Sequence> {
    let tokens = [
        vec![1, 5, 9, 2, 30, 17, 8],
        vec![1, 5, 9, 2, 30],
        vec![1, 5, 9, 2, 11, 3],
        vec![4, 20],
        vec![9, 3, 22, 8, 1],
        vec![6, 2],
    ];
    let chain = |tokens: Vec<u32>| {
        let roles = vec![TokenRole::Prompt; tokens.len()];
        Sequence::chain(tokens, roles).unwrap()
    };
    tokens.into_iter().map(chain).collect()
}

fn batches() -> Vec<TokenBatch> {
    prompts().chunks(2).map(|prompts| TokenBatch::new(prompts).unwrap()).collect()
}

fn bits<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<u32> {
    tensor.into_data().to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

fn logits(model: &Decoder<Flex>) -> Vec<u32> {
    bits(model.logits(&batches()[0], &mut NoObserver).unwrap())
}

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

/// The gradients of every matrix, batch by batch.
fn gradients(
    model: &Decoder<Flex>,
    batches: &[TokenBatch],
    straight: bool,
    threads: usize,
) -> Vec<(usize, ParamPath, Vec<u32>)> {
    let model = model.differentiable::<Autodiff<Flex>>();
    let mut found = Vec::new();
    let loss = |model: &Decoder<Autodiff<Flex>>, i: usize, hidden: Tensor<Autodiff<Flex>, 3>| {
        let hidden = if straight { hidden.mul_scalar(1.5) } else { hidden };
        let logits = model.unembed(hidden.clone())?;
        let [rows, width, vocab] = logits.dims();
        let own = burn::tensor::activation::log_softmax(logits, 2).slice([
            0..rows,
            0..width,
            i..vocab.min(i + 3),
        ]);
        // By way of the logits, and straight; both by way of a node inside the graph.
        Ok(if straight { own.sum() + hidden.powi_scalar(2).sum() } else { own.sum() })
    };
    model
        .factors_all(batches, threads, &loss, &mut |first, path, factors| {
            let all = factors.into_iter().enumerate();
            found.extend(all.map(|(k, own)| (first + k, path.clone(), bits(own.gradient()))));
            Ok(())
        })
        .unwrap();
    // Of each matrix, batch by batch.
    for (_, path, _) in &found {
        assert!(found.iter().filter(|own| own.1 == *path).map(|own| own.0).is_sorted(), "{path}");
    }
    found.sort();
    found
}

#[test]
fn gradients_are_the_same() {
    // More tokens than one wave holds.
    let long: Vec<_> = (0..7).map(|i| prompts()[i % 6].clone()).cycle().take(60).collect();
    let long: Vec<_> = [60, 59, 20, 58].map(|n| TokenBatch::new(&long[..n]).unwrap()).into();
    for case in cases() {
        let [resident, streamed] = both(&case);
        assert!(bias_probe::gradients::waves(resident.dims(), &long).len() > 1);
        let long = if case == "gqa_sharded" { Some(&long) } else { None };
        for batches in [Some(&batches()), long].into_iter().flatten() {
            let expected = gradients(&resident, batches, false, 1);
            assert_eq!(
                expected.len(),
                batches.len() * resident.dims().projections().count(),
                "{case}"
            );
            for threads in [1, 2, 3] {
                let found = gradients(&streamed, batches, false, threads);
                assert!(found == expected, "{case}, streamed, {threads} side by side");
                let found = gradients(&resident, batches, false, threads);
                assert!(found == expected, "{case}, {threads} side by side");
            }
        }
    }
}

/// What a loss makes of the output itself is not lost beside what goes through the vocabulary. The
/// two are added in another order.
#[test]
fn a_loss_may_use_the_output_twice() {
    let [resident, streamed] = both("gqa_sharded");
    let (found, expected) =
        (gradients(&streamed, &batches(), true, 1), gradients(&resident, &batches(), true, 1));
    for ((i, path, own), (_, other, reference)) in found.iter().zip(&expected) {
        assert_eq!(path, other);
        let values =
            own.iter().zip(reference).map(|(a, b)| (f32::from_bits(*a), f32::from_bits(*b)));
        let scale = reference.iter().fold(0f32, |max, b| max.max(f32::from_bits(*b).abs()));
        let worst = values.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 1e-5 * scale, "{path} of batch {i}: off by {worst} of {scale}");
    }
}

/// A mask over a few weights of two matrices.
fn mask(model: &Decoder<Flex>, step: usize) -> Mask {
    let mut mask = Mask::default().for_model(model.fingerprint().unwrap());
    for projection in [Projection::K, Projection::Down] {
        let mut bits = BitMatrix::new(model.dims().shape(projection)).unwrap();
        (0..bits.len()).step_by(step).for_each(|i| bits.insert(i).unwrap());
        mask.insert(ParamPath::of(1, projection), bits).unwrap();
    }
    mask
}

#[test]
fn masks_change_the_same_and_nothing_is_kept_of_them() {
    for case in ["gqa_sharded", "gpt2_hub", "phi3_partial", "tied_bf16"] {
        let [mut resident, mut streamed] = both(case);
        let (whole, held) = (logits(&resident), streamed.weight_bytes());
        let changed = |model: &mut Decoder<Flex>| {
            // One over the other, and a scaled one above, which has to be held.
            let first = mask(model, 3).apply(model, Intervention::Zero).unwrap();
            let bytes = model.weight_bytes();
            let after_first = logits(model);
            let second = mask(model, 2).apply(model, Intervention::Zero).unwrap();
            let third = mask(model, 5).apply(model, Intervention::Scale(3.0)).unwrap();
            let all = logits(model);
            let above = bits(Weights::weight(model, &ParamPath::of(1, Projection::K)).unwrap());
            third.revert(model).unwrap();
            second.revert(model).unwrap();
            let again = logits(model);
            first.revert(model).unwrap();
            (bytes, [after_first, all, above, again, logits(model)])
        };
        let (_, expected) = changed(&mut resident);
        let (bytes, found) = changed(&mut streamed);
        assert_eq!(found, expected, "{case}");
        assert_eq!(found[0], found[3], "{case}");
        assert_eq!(found[4], whole, "{case}");
        assert_ne!(found[0], whole, "{case}");
        assert_eq!([bytes, streamed.weight_bytes()], [held; 2], "{case}");
    }
}

/// Rows that are a power of two long lie apart once they are read.
#[test]
fn rows_of_a_power_of_two_compute_the_same() {
    let (small, folder) = (golden().join("gqa_sharded"), tempfile::tempdir().unwrap());
    let config = fs::read_to_string(small.join("config.json")).unwrap();
    let config = config.replace("\"hidden_size\": 32", "\"hidden_size\": 512");
    let config = config.replace("\"intermediate_size\": 56", "\"intermediate_size\": 1024");
    fs::write(folder.path().join("config.json"), &config).unwrap();
    let model = Decoder::<Flex>::init(
        ModelConfig::from_folder(folder.path()).unwrap(),
        0.1,
        7,
        &Default::default(),
    );
    let target = folder.path().join("model");
    bias_model::interop::save_pretrained(&model, &target, |target| {
        let path = target.join("config.json");
        fs::write(&path, &config).map_err(|source| ModelError::Write { path, source })
    })
    .unwrap();
    let [mut resident, mut streamed] =
        [Precision::F32, Precision::Mapped].map(|precision| open(&target, precision).unwrap());
    assert_eq!(resident.dims().shape(Projection::Up), [1024, 512]);
    for step in [3, 2] {
        assert_eq!(logits(&streamed), logits(&resident));
        let expected = gradients(&resident, &batches(), false, 2);
        assert!(gradients(&streamed, &batches(), false, 2) == expected);
        // And again under a mask, in buffers that were used before.
        let before = logits(&resident);
        for model in [&mut resident, &mut streamed] {
            let _stays = mask(model, step).apply(model, Intervention::Zero).unwrap();
        }
        assert_ne!(logits(&resident), before);
        assert_eq!(logits(&streamed), logits(&resident));
    }
}

#[test]
fn directions_come_off_again() {
    let [_, mut streamed] = both("gqa_sharded");
    let (whole, held) = (logits(&streamed), streamed.weight_bytes());
    let path = ParamPath::of(0, Projection::O);
    let width = streamed.dims().shape(Projection::O)[0];
    let mut direction = vec![0.0; width];
    (direction[1], direction[3]) = (0.6, 0.8);
    let directions = Directions::new(path, Side::Output, [width, 1], direction).unwrap();
    let undo = directions.remove(&mut streamed).unwrap();
    assert_ne!(logits(&streamed), whole);
    undo.revert(&mut streamed).unwrap();
    assert_eq!(logits(&streamed), whole);
    assert_eq!(streamed.weight_bytes(), held);
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

fn copy(case: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden().join(case)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn assert_changed(model: &Decoder<Flex>) {
    let Err(ProbeError::Weights { source }) = model.hidden(&batches()[0], &mut NoObserver) else {
        panic!("read from a file that changed")
    };
    let error = source.downcast_ref::<ModelError>().unwrap();
    assert!(
        matches!(error, ModelError::Changed { path } if path.ends_with("model.safetensors")),
        "{error}"
    );
}

#[test]
fn a_file_that_changes_meanwhile_is_noticed() {
    let folder = copy("tied_bf16");
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();

    // Written to.
    let model = open(folder.path(), Precision::Mapped).unwrap();
    model.hidden(&batches()[0], &mut NoObserver).unwrap();
    let mut file = File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::End(-2)).unwrap();
    file.write_all(&[1, 1]).unwrap();
    file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(5)).unwrap();
    assert_changed(&model);

    // Cut.
    fs::write(&path, &whole).unwrap();
    let model = open(folder.path(), Precision::Mapped).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(whole.len() as u64 / 2).unwrap();
    assert_changed(&model);

    // Replaced by another of its name: what was opened is still there.
    fs::write(&path, &whole).unwrap();
    let model = open(folder.path(), Precision::Mapped).unwrap();
    let before = logits(&model);
    let other = folder.path().join("other");
    fs::write(&other, &whole[..100]).unwrap();
    fs::rename(&other, &path).unwrap();
    assert_eq!(logits(&model), before);
}

/// Weights that changed since they were opened are nobody's: no two such models are taken for one.
#[test]
fn files_that_changed_have_no_fingerprint() {
    let later = |path: &std::path::Path| {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(5))
            .unwrap();
    };
    for (case, weights) in
        [("tied_bf16", "model.safetensors"), ("gqa_sharded", "model-00002-of-00005.safetensors")]
    {
        let folder = copy(case);
        let path = folder.path().join(weights);
        let mut model = open(folder.path(), Precision::Mapped).unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let known = Checkpoint::open(folder.path()).unwrap();
        let before = known.fingerprint().unwrap().to_owned();
        later(&path);
        let changed = |error: &ModelError| matches!(error, ModelError::Changed { path } if path.ends_with(weights));
        assert!(changed(&checkpoint.fingerprint().unwrap_err()), "{case}");
        // That of what was opened stays known.
        assert_eq!(known.fingerprint().unwrap(), before);
        let Err(ProbeError::Fingerprint { source }) = model.fingerprint() else { panic!("{case}") };
        assert!(changed(source.downcast_ref().unwrap()), "{case}");
        let refused = Mask::default().apply(&mut model, Intervention::Zero);
        assert!(matches!(refused, Err(MaskError::Probe(ProbeError::Fingerprint { .. }))), "{case}");

        // Changed between the opening and the end of loading.
        let config = ModelConfig::from_folder(folder.path()).unwrap();
        let loaded =
            Decoder::<Flex>::load(&checkpoint, config, Precision::F32, &Default::default());
        assert!(changed(&loaded.unwrap_err()), "{case}");
    }
}

/// What is no number is found where it is used.
#[test]
fn weights_that_are_not_numbers_are_refused_when_they_are_read() {
    let folder = copy("tied_bf16");
    let path = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json: serde_json::Value = serde_json::from_slice(&bytes[8..header]).unwrap();
    let start =
        json["model.layers.1.mlp.up_proj.weight"]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[header + start..][..2].copy_from_slice(&0x7fc0u16.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let model = open(folder.path(), Precision::Mapped).unwrap();
    let Err(ProbeError::Weights { source }) = model.hidden(&batches()[0], &mut NoObserver) else {
        panic!("ran with what is no number")
    };
    let error = source.downcast_ref::<ModelError>().unwrap();
    assert!(
        matches!(error, ModelError::NotFinite { tensor, .. } if tensor.ends_with("layers.1.mlp.up_proj.weight"))
    );
}

/// Changes that do not meet come off in any order, also where one has the matrix held.
#[test]
fn changes_that_do_not_meet_come_off_in_any_order() {
    for case in ["gqa_sharded", "gpt2_hub"] {
        let [_, mut streamed] = both(case);
        let (whole, held) = (logits(&streamed), streamed.weight_bytes());
        let only = |from: usize| {
            let mut mask = Mask::default().for_model(streamed.fingerprint().unwrap());
            let mut bits = BitMatrix::new(streamed.dims().shape(Projection::Up)).unwrap();
            (from..bits.len()).step_by(7).for_each(|i| bits.insert(i).unwrap());
            mask.insert(ParamPath::of(1, Projection::Up), bits).unwrap();
            mask
        };
        let (first, second) = (only(0), only(3));
        let scaled = second.apply(&mut streamed, Intervention::Scale(2.0)).unwrap();
        let alone = logits(&streamed);
        scaled.revert(&mut streamed).unwrap();
        let zeroed = first.apply(&mut streamed, Intervention::Zero).unwrap();
        let scaled = second.apply(&mut streamed, Intervention::Scale(2.0)).unwrap();
        zeroed.revert(&mut streamed).unwrap();
        assert_eq!(logits(&streamed), alone, "{case}");
        scaled.revert(&mut streamed).unwrap();
        assert_eq!(logits(&streamed), whole, "{case}");
        assert_eq!(streamed.weight_bytes(), held, "{case}");
    }
}

/// A file of 137 GB that takes no place on the disk, and would take 275 GB of memory: too much
/// there, and no matter where it is left in its file.
#[test]
fn what_does_not_fit_into_memory_is_refused_before_it_is_read() {
    let folder = copy("tied_bf16");
    let (vocab, d_model, path) = (2_147_483_000u64, 32u64, folder.path().join("model.safetensors"));
    let config = folder.path().join("config.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    json["vocab_size"] = vocab.into();
    assert_eq!(json["hidden_size"], d_model);
    fs::write(&config, serde_json::to_vec(&json).unwrap()).unwrap();

    let bytes = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let (header, data) = bytes[8..].split_at(length as usize);
    let mut header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(header).unwrap();
    // The embedding goes behind all else, and grows.
    let end = data.len() as u64;
    let embedding = &mut header["model.embed_tokens.weight"];
    let [from, to] = [0, 1].map(|i| embedding["data_offsets"][i].as_u64().unwrap());
    embedding["shape"] = serde_json::json!([vocab, d_model]);
    embedding["data_offsets"] =
        serde_json::json!([end - (to - from), end - (to - from) + vocab * d_model * 2]);
    for (name, own) in &mut header {
        if name != "model.embed_tokens.weight" && name != "__metadata__" {
            let offsets = [0, 1].map(|i| own["data_offsets"][i].as_u64().unwrap());
            own["data_offsets"] =
                serde_json::json!(offsets.map(|at| if at >= to { at - (to - from) } else { at }));
        }
    }
    let rest: Vec<u8> = [&data[..from as usize], &data[to as usize..]].concat();
    let mut json = serde_json::to_vec(&header).unwrap();
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut file = File::create(&path).unwrap();
    file.write_all(&(json.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&json).unwrap();
    file.write_all(&rest).unwrap();
    file.set_len(8 + json.len() as u64 + rest.len() as u64 + vocab * d_model * 2).unwrap();

    let refused = open(folder.path(), Precision::F32);
    let Err(ModelError::Memory { needed, free, .. }) = &refused else { panic!("{refused:?}") };
    assert!(*needed > vocab * d_model * 4 && *free < *needed);
    assert!(refused.unwrap_err().to_string().contains("--stream"));
    let streamed = open(folder.path(), Precision::Mapped).unwrap();
    streamed.hidden(&batches()[0], &mut NoObserver).unwrap();
}
