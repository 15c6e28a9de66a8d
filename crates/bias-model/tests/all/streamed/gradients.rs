//! Gradients are the same, whatever the loss and however many batches run side by side.

use std::fs;

use bias_mask::Intervention;
use bias_model::{Decoder, HookedModel as _, ModelConfig, ModelError, Precision};
use bias_probe::{DifferentiableModel, NoObserver, ProbeError, TokenBatch};
use bias_types::{ParamPath, Projection};
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;

use super::models::{batches, bits, both, cases, golden, logits, mask, open, prompts};

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
