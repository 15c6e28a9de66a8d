//! Looking in and reaching in, on real models: patches, edits by role, every site.

use std::path::PathBuf;

use bias_model::{Checkpoint, Decoder, HookedModel, ModelConfig, Precision};
use bias_probe::hooks::{Alignment, Edit, Patch};
use bias_probe::{Capture, NoObserver, Observer, ProbeError, Sequence, StatsCollector, TokenBatch};
use bias_types::{BlockSite, Site, TokenRole};
use burn::backend::Flex;
use burn::tensor::Tensor;

const CASES: [&str; 7] = [
    "gqa_sharded",
    "gemma2_caps",
    "gpt2_hub",
    "gpt_neox_pythia",
    "olmo2_gqa",
    "cohere2_pattern",
    "smollm3_interval",
];

fn load(case: &str) -> Decoder<Flex> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(case);
    let config = ModelConfig::from_folder(&folder).unwrap();
    Decoder::load(&Checkpoint::open(&folder).unwrap(), config, Precision::F32, &Default::default())
        .unwrap()
}

/// `tokens` with those at `name` marked.
fn batch(tokens: &[u32], name: std::ops::Range<usize>) -> TokenBatch {
    let role = |i| if name.contains(&i) { TokenRole::Name } else { TokenRole::Prompt };
    let roles = (0..tokens.len()).map(role).collect();
    TokenBatch::new(&[Sequence::chain(tokens.to_vec(), roles).unwrap()]).unwrap()
}

fn logits(
    model: &Decoder<Flex>,
    batch: &TokenBatch,
    observer: &mut dyn Observer<Flex>,
) -> Vec<f32> {
    model.logits(batch, observer).unwrap().into_data().to_vec().unwrap()
}

fn last(logits: &[f32]) -> &[f32] {
    &logits[logits.len() - 64..]
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// With everything that leaves block 0 taken from another run, the rest of the pass is
/// that run's; with the name's tokens alone, what follows is in between.
#[test]
fn a_patched_run_goes_on_as_the_other_run_did() {
    for case in CASES {
        let model = load(case);
        let (one, other) = (batch(&[1, 5, 9, 2, 30], 1..3), batch(&[1, 7, 8, 2, 30], 1..3));
        let site = Site::Block(0, BlockSite::ResidPost);
        let mut capture = Capture::new([site]);
        let theirs = logits(&model, &other, &mut capture);
        let captured = capture.finish().unwrap();
        let ours = logits(&model, &one, &mut NoObserver);
        assert!(distance(&ours, &theirs) > 1e-2, "{case}");

        let mut patch = Patch::new([site], &captured, &other, Alignment::Position).unwrap();
        let patched = logits(&model, &one, &mut patch);
        patch.finish().unwrap();
        assert!(distance(&patched, &theirs) < 1e-5, "{case}");

        let names = Patch::new([site], &captured, &other, Alignment::Position).unwrap();
        let mut names = names.on(&[TokenRole::Name]);
        let partly = logits(&model, &one, &mut names);
        assert!(distance(last(&partly), last(&ours)) > 1e-4, "{case}: nothing was patched");
        assert!(distance(last(&partly), last(&theirs)) > 1e-4, "{case}: everything was patched");
    }
}

/// Names of one and of three tokens: each token takes the mean of the other name's.
#[test]
fn names_of_unequal_length_are_patched_by_their_mean() {
    let model = load("gqa_sharded");
    let (one, other) = (batch(&[1, 5, 2, 30], 1..2), batch(&[1, 7, 8, 9, 2, 30], 1..4));
    let site = Site::Block(0, BlockSite::MlpHidden);
    let mut capture = Capture::new([site]);
    logits(&model, &other, &mut capture);
    let captured = capture.finish().unwrap();
    let values = &captured[&site].values;
    let width = captured[&site].shape[2];
    let mean: Vec<f32> =
        (0..width).map(|c| (1..4).map(|t| values[t * width + c]).sum::<f32>() / 3.0).collect();

    let mut patch =
        Patch::new([site], &captured, &other, Alignment::RoleMean).unwrap().on(&[TokenRole::Name]);
    let mut seen = Capture::new([site]);
    logits(&model, &one, &mut bias_probe::hooks::Both(&mut patch, &mut seen));
    let seen = seen.finish().unwrap();
    assert!(distance(&seen[&site].values[width..2 * width], &mean) < 1e-6);

    let mut by_place = Patch::new([site], &captured, &other, Alignment::Position).unwrap();
    let refused = model.logits(&one, &mut by_place);
    assert!(matches!(refused, Err(ProbeError::BadSequence { row: 0, .. })));
}

#[test]
fn an_edit_of_one_role_leaves_the_others() {
    for case in CASES {
        let model = load(case);
        let one = batch(&[1, 5, 9, 2, 30], 1..3);
        let site = Site::Block(1, BlockSite::MlpHidden);
        let mut before = Capture::new([site]);
        logits(&model, &one, &mut before);
        let mut edit = Edit::new(site, |_: &TokenBatch, x: Tensor<Flex, 3>| x.zeros_like())
            .on(&[TokenRole::Name]);
        let mut after = Capture::new([site]);
        logits(&model, &one, &mut bias_probe::hooks::Both(&mut edit, &mut after));
        edit.finish().unwrap();
        let (before, after) = (before.finish().unwrap(), after.finish().unwrap());
        let width = before[&site].shape[2];
        for token in 0..5 {
            let span = token * width..(token + 1) * width;
            let (was, is) = (&before[&site].values[span.clone()], &after[&site].values[span]);
            if (1..3).contains(&token) {
                assert!(is.iter().all(|v| *v == 0.0), "{case}");
            } else {
                assert_eq!(is, was, "{case}");
            }
        }
    }
}

/// A model reaches every site it says it has, and no other; giving each activation back
/// as it is changes nothing.
#[test]
fn sites_are_those_that_fire() {
    for case in CASES {
        let model = load(case);
        let one = batch(&[1, 5, 9, 2, 30], 1..3);
        let mut all = Capture::new(model.sites());
        let observed = logits(&model, &one, &mut all);
        assert_eq!(all.finish().unwrap().len(), model.sites().len(), "{case}");
        let plain = logits(&model, &one, &mut NoObserver);
        assert!(distance(&observed, &plain) < 1e-6, "{case}");

        let absent = Site::all(model.dims().layers).filter(|site| !model.sites().contains(site));
        for site in absent {
            let mut capture = Capture::new([site]);
            logits(&model, &one, &mut capture);
            assert!(
                matches!(capture.finish(), Err(ProbeError::NeverFired { .. })),
                "{case} {site}"
            );
        }
    }
}

/// Two groups in one pass are what each is alone.
#[test]
fn groups_in_one_pass_are_those_of_two_passes() {
    let model = load("gqa_sharded");
    let prompts: [&[u32]; 4] = [&[1, 5, 9], &[1, 44, 7, 3, 2], &[1, 13], &[1, 26, 39, 8]];
    let sequence = |tokens: &[u32]| {
        Sequence::chain(tokens.to_vec(), vec![TokenRole::Prompt; tokens.len()]).unwrap()
    };
    let sites: Vec<Site> = model.sites().into_iter().filter(|s| !s.is_attention()).collect();
    let mut both = StatsCollector::new(sites.clone(), ["a", "b"]);
    both.next([0, 1, 1, 0]).unwrap();
    let batch = TokenBatch::new(&prompts.map(sequence)).unwrap();
    model.logits(&batch, &mut both).unwrap();
    let both = both.finish().unwrap();
    for (group, rows) in [(0, [0, 3]), (1, [1, 2])] {
        let mut alone = StatsCollector::new(sites.clone(), ["only"]);
        for row in rows {
            alone.next([0]).unwrap();
            model.logits(&TokenBatch::new(&[sequence(prompts[row])]).unwrap(), &mut alone).unwrap();
        }
        let alone = alone.finish().unwrap();
        for site in &sites {
            let (a, b) = (both.of(*site, group).unwrap(), alone.of(*site, 0).unwrap());
            assert_eq!(a.count(), b.count());
            let off = a.sum().iter().zip(b.sum()).chain(a.squares().iter().zip(b.squares()));
            let worst = off.map(|(a, b)| (a - b).abs() / (1.0 + a.abs())).fold(0.0, f64::max);
            assert!(worst < 1e-4, "{site}: {worst}");
        }
    }
}

/// Every architecture keeps the promises that any outside model is held to.
#[test]
fn every_architecture_conforms() {
    let cases: Vec<serde_json::Value> = serde_json::from_slice(
        &std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/cases.json"))
            .unwrap(),
    )
    .unwrap();
    for case in cases.iter().map(|c| c["name"].as_str().unwrap()) {
        bias_probe::testing::check_model(&load(case), 5e-5)
            .unwrap_or_else(|e| panic!("{case}: {e}"));
    }
}
