//! Statistics do not depend on batches, padding or shards, and survive their file.
#![allow(clippy::unwrap_used, clippy::panic)]

use bias_probe::stats::ChannelStats;
use bias_probe::{Observer, ProbeError, Sequence, StatsCollector, TokenBatch};
use bias_types::{Site, TokenRole};
use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};
use proptest::prelude::*;

const CHANNELS: usize = 3;

fn site() -> Site {
    "model.layers.0.mlp.down_proj.input".parse().unwrap()
}

/// A prompt, the group it is about, and the activation of each of its tokens.
#[derive(Debug, Clone)]
struct Prompt {
    group: usize,
    tokens: Vec<(TokenRole, f32, [f32; CHANNELS])>,
}

fn prompt() -> impl Strategy<Value = Prompt> {
    let role = prop_oneof![Just(TokenRole::Prompt), Just(TokenRole::Name), Just(TokenRole::Answer)];
    let token = (role, 0.0f32..2.0, prop::array::uniform3(-5.0f32..5.0));
    (0usize..2, prop::collection::vec(token, 1..6))
        .prop_map(|(group, tokens)| Prompt { group, tokens })
}

fn collect(prompts: &[Prompt], batch_rows: usize) -> ChannelStats {
    let mut stats = StatsCollector::new([site()], ["a", "b"]).with_max();
    for rows in prompts.chunks(batch_rows) {
        let sequences: Vec<Sequence> = rows
            .iter()
            .map(|p| {
                let roles = p.tokens.iter().map(|t| t.0).collect();
                let weights = p.tokens.iter().map(|t| t.1).collect();
                Sequence::chain(vec![1; p.tokens.len()], roles)
                    .unwrap()
                    .with_weights(weights)
                    .unwrap()
            })
            .collect();
        let batch = TokenBatch::new(&sequences).unwrap();
        // Padding holds what must not be counted.
        let mut values = vec![1e6f32; batch.rows() * batch.width() * CHANNELS];
        for (r, p) in rows.iter().enumerate() {
            for (c, token) in p.tokens.iter().enumerate() {
                values[(r * batch.width() + c) * CHANNELS..][..CHANNELS].copy_from_slice(&token.2);
            }
        }
        let shape = [batch.rows(), batch.width(), CHANNELS];
        let value =
            Tensor::<Flex, 3>::from_data(TensorData::new(values, shape), &Default::default());
        stats.next(rows.iter().map(|p| p.group)).unwrap();
        let observer: &mut dyn Observer<Flex> = &mut stats;
        observer.at(site(), &batch, value).unwrap();
    }
    stats.finish().unwrap()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-4 * (1.0 + a.abs())
}

fn same(a: &ChannelStats, b: &ChannelStats) -> bool {
    (0..2).all(|group| {
        TokenRole::REAL.iter().all(|role| {
            let of = |s: &ChannelStats| s.of_roles(site(), group, &[*role]).unwrap();
            let (a, b) = (of(a), of(b));
            let all = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| close(*a, *b));
            close(a.count(), b.count())
                && all(a.sum(), b.sum())
                && all(a.squares(), b.squares())
                && a.max() == b.max()
        })
    }) && a.sequences() == b.sequences()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batches_and_shards_change_nothing(prompts in prop::collection::vec(prompt(), 2..12), cut in 1usize..11) {
        let alone = collect(&prompts, 1);
        prop_assert!(same(&alone, &collect(&prompts, 4)));
        prop_assert!(same(&alone, &collect(&prompts, 100)));
        let (left, right) = prompts.split_at(cut.min(prompts.len() - 1));
        let (left, right) = (collect(left, 3), collect(right, 3));
        prop_assert!(same(&alone, &left.clone().merge(&right).unwrap()));
        prop_assert!(same(&alone, &right.merge(&left).unwrap()));
    }

    #[test]
    fn merging_is_associative(a in prompt(), b in prompt(), c in prompt()) {
        let [a, b, c] = [a, b, c].map(|p| collect(&[p], 1));
        let left = a.clone().merge(&b).unwrap().merge(&c).unwrap();
        prop_assert!(same(&left, &a.merge(&b.merge(&c).unwrap()).unwrap()));
    }

    #[test]
    fn they_are_what_they_are_called(prompts in prop::collection::vec(prompt(), 1..8)) {
        let stats = collect(&prompts, 3);
        for group in 0..2 {
            let tokens: Vec<_> = prompts.iter().filter(|p| p.group == group).flat_map(|p| &p.tokens).collect();
            let found = stats.of(site(), group).unwrap();
            let weight: f64 = tokens.iter().map(|t| f64::from(t.1)).sum();
            prop_assert!(close(found.count(), weight));
            for channel in 0..CHANNELS {
                let value = |t: &(TokenRole, f32, [f32; CHANNELS])| f64::from(t.2[channel]);
                let n = if weight > 0.0 { weight } else { 1.0 };
                let mean = tokens.iter().map(|t| f64::from(t.1) * value(t)).sum::<f64>() / n;
                let variance = tokens.iter().map(|t| f64::from(t.1) * (value(t) - mean).powi(2)).sum::<f64>() / n;
                prop_assert!(close(found.mean()[channel], mean));
                prop_assert!((found.variance()[channel] - variance).abs() < 1e-3, "{variance}");
                let max = tokens.iter().filter(|t| t.1 > 0.0).map(|t| value(t).abs()).fold(0.0, f64::max);
                prop_assert!(found.max()[channel] == max);
            }
        }
    }
}

#[test]
fn a_file_gives_back_what_it_was_given() {
    let token = |role, x: f32| (role, 1.0, [x, -x, 0.5]);
    let prompts = [
        Prompt {
            group: 0,
            tokens: vec![token(TokenRole::Prompt, 1.0), token(TokenRole::Name, 2.0)],
        },
        Prompt { group: 1, tokens: vec![token(TokenRole::Answer, 3.0)] },
    ];
    let stats = collect(&prompts, 2).with_note("model", "abc");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stats.safetensors");
    stats.save(&path).unwrap();
    assert_eq!(ChannelStats::load(&path).unwrap(), stats);
    // Damaged, foreign, truncated.
    let bytes = std::fs::read(&path).unwrap();
    for keep in [0, 7, 40, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..keep]).unwrap();
        assert!(
            matches!(ChannelStats::load(&path), Err(ProbeError::NotStatistics { .. })),
            "{keep}"
        );
    }
    let golden =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/tied_bf16/model.safetensors");
    assert!(matches!(ChannelStats::load(golden.as_ref()), Err(ProbeError::NotStatistics { .. })));
}

#[test]
fn misuse_is_refused() {
    let mut stats = StatsCollector::new([site()], ["a"]);
    assert!(matches!(stats.next([0, 1]), Err(ProbeError::NoSuchGroup { group: 1, groups: 1 })));
    let sequence = Sequence::chain(vec![1], vec![TokenRole::Prompt]).unwrap();
    let batch = TokenBatch::new(&[sequence]).unwrap();
    let zero = || Tensor::<Flex, 3>::zeros([1, 1, 2], &Default::default());
    // The groups of two rows for a batch of one.
    assert!(Observer::<Flex>::hidden(&mut stats, site(), &batch, zero()).is_err());
    assert!(matches!(
        StatsCollector::new([site()], ["a"]).finish(),
        Err(ProbeError::NeverFired { .. })
    ));
    // A second pass on the groups of the first.
    let mut stats = StatsCollector::new([site()], ["a"]);
    stats.next([0]).unwrap();
    Observer::<Flex>::hidden(&mut stats, site(), &batch, zero()).unwrap();
    assert!(Observer::<Flex>::hidden(&mut stats, site(), &batch, zero()).is_err());
    let mut stats = StatsCollector::new([site()], ["a"]);
    stats.next([0]).unwrap();
    Observer::<Flex>::hidden(&mut stats, site(), &batch, zero().add_scalar(f32::NAN)).unwrap();
    assert!(matches!(stats.finish(), Err(ProbeError::NotFinite { .. })));
}

/// The same statistics are the same bytes, for whom the umask says.
#[test]
fn files_are_reproducible_and_readable() {
    let tokens =
        vec![(TokenRole::Name, 1.0, [1.0, 2.0, 3.0]), (TokenRole::Answer, 0.5, [4.0, 5.0, 6.0])];
    let stats = collect(&[Prompt { group: 0, tokens }], 1).with_note("why", "test");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stats.safetensors");
    stats.save(&path).unwrap();
    let first = std::fs::read(&path).unwrap();
    for _ in 0..4 {
        stats.save(&path).unwrap();
        assert!(std::fs::read(&path).unwrap() == first);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        assert_eq!(mode(&path), mode(&plain));
    }
}

/// Arrays of the crate ndarray say what the lists say.
#[test]
fn arrays_are_by_group_role_and_channel() {
    let token = |role, value: f32| (role, 1.0, [value, 2.0 * value, -value]);
    let prompts = [
        Prompt {
            group: 0,
            tokens: vec![token(TokenRole::Prompt, 1.0), token(TokenRole::Name, 3.0)],
        },
        Prompt {
            group: 1,
            tokens: vec![token(TokenRole::Prompt, 5.0), token(TokenRole::Prompt, 7.0)],
        },
    ];
    let stats = collect(&prompts, 2);
    // System, prompt, name, answer.
    let (counts, sums) = (stats.counts(site()).unwrap(), stats.sums(site()).unwrap());
    assert_eq!(counts, ndarray::arr2(&[[0.0, 1.0, 1.0, 0.0], [0.0, 2.0, 0.0, 0.0]]));
    assert_eq!((sums.shape(), sums[[0, 2, 1]], sums[[1, 1, 2]]), (&[2, 4, 3][..], 6.0, -12.0));
    assert_eq!(stats.squares(site()).unwrap()[[1, 1, 0]], 74.0);
    assert_eq!(stats.means(site()).unwrap(), ndarray::arr2(&[[2.0, 4.0, -2.0], [6.0, 12.0, -6.0]]));
    let of = stats.of(site(), 1).unwrap();
    assert_eq!(of.sum_view().to_vec(), of.sum());
    assert_eq!((of.squares_view()[0], of.max_view()[1]), (74.0, 14.0));
    assert!(stats.sums(Site::Logits).is_none());
}
