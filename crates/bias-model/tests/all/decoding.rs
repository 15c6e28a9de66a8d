//! What decoding gives against brute force, and that it does not depend on how prompts
//! are put together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bias_model::generate::{DecodeOptions, Sampling, decode};
use bias_model::{
    Answers, AskError, Checkpoint, Decoder, Decoding, HookedModel, ModelConfig, ModelError,
    Precision,
};
use bias_probe::{NoObserver, Sequence, TokenBatch};
use bias_types::TokenRole;
use burn::backend::Flex;

/// Plain, windowed, learned positions, parallel blocks, frequencies that depend on length.
const CASES: [&str; 7] = [
    "llama3_rope",
    "gemma3_linear",
    "gpt2_hub",
    "gpt_neox_pythia",
    "phi3_partial_longrope",
    "ministral3_yarn",
    "cohere2_pattern",
];

fn load(case: &str) -> Decoder<Flex> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(case);
    let config = ModelConfig::from_folder(&folder).unwrap();
    Decoder::load(&Checkpoint::open(&folder).unwrap(), config, Precision::F32, &Default::default())
        .unwrap()
}

fn chain(tokens: &[u32]) -> Sequence {
    Sequence::chain(tokens.to_vec(), vec![TokenRole::Prompt; tokens.len()]).unwrap()
}

fn options(model: &Decoder<Flex>, sampling: Sampling, max_new_tokens: usize) -> DecodeOptions {
    DecodeOptions {
        sampling,
        stop: model.config().eos.clone(),
        max_new_tokens,
        batch_rows: 3,
        threads: 1,
    }
}

fn ask(
    model: &Decoder<Flex>,
    prompts: &[Sequence],
    decoding: Decoding,
    options: &DecodeOptions,
) -> Vec<Answers> {
    decode(model, prompts, decoding, options, |_| Ok(String::new())).unwrap()
}

/// Everything the model may say, by running every beginning on its own: softmax, then the
/// `k` largest, then the fewest that reach `p`, each written out plainly.
fn brute_force(
    model: &Decoder<Flex>,
    prompt: &[u32],
    (temperature, top_k, top_p): (f64, usize, f64),
    tokens: usize,
) -> BTreeMap<Vec<u32>, f64> {
    let mut open = vec![(Vec::new(), 1.0)];
    let mut all = BTreeMap::new();
    for step in 1..=tokens {
        let mut next = Vec::new();
        for (answer, mass) in open {
            let so_far = [prompt, &answer].concat();
            let batch = TokenBatch::new(&[chain(&so_far)]).unwrap();
            let logits = model.logits(&batch, &mut NoObserver).unwrap();
            let last: Vec<f32> =
                logits.narrow(1, so_far.len() - 1, 1).into_data().to_vec().unwrap();
            let mut p: Vec<(u32, f64)> =
                (0u32..).zip(last.iter().map(|l| (f64::from(*l) / temperature).exp())).collect();
            p.sort_by(|a, b| b.1.total_cmp(&a.1));
            p.truncate(top_k);
            let total: f64 = p.iter().map(|t| t.1).sum();
            let mut reached = 0.0;
            p.retain(|t| {
                let keep = reached < top_p * total;
                reached += t.1;
                keep
            });
            let total: f64 = p.iter().map(|t| t.1).sum();
            for (token, weight) in p {
                let longer = [&answer[..], &[token]].concat();
                let mass = mass * weight / total;
                if step == tokens || model.config().eos.contains(&token) {
                    all.insert(longer, mass);
                } else {
                    next.push((longer, mass));
                }
            }
        }
        open = next;
    }
    all
}

#[test]
fn the_exact_distribution_equals_brute_force() {
    for case in CASES {
        let model = load(case);
        for ((temperature, top_k, top_p), tokens) in
            [((1.0, 64, 1.0), 2), ((0.7, 5, 1.0), 3), ((1.3, 64, 0.3), 3), ((0.9, 9, 0.8), 3)]
        {
            let sampling = Sampling::default()
                .with_temperature(temperature)
                .unwrap()
                .with_top_k(Some(top_k))
                .with_top_p(top_p)
                .unwrap();
            let prompt = [1, 5, 9, 2, 30, 17];
            let everything = Decoding::Exact { unexplored: 0.0, tokens: usize::MAX, seed: 0 };
            let found =
                ask(&model, &[chain(&prompt)], everything, &options(&model, sampling, tokens));
            let expected = brute_force(&model, &prompt, (temperature, top_k, top_p), tokens);
            assert_eq!(found[0].answers.len(), expected.len(), "{case}");
            for answer in &found[0].answers {
                let off = (answer.weight - expected[&answer.tokens]).abs();
                assert!(off < 1e-6, "{case} {:?}: off by {off}", answer.tokens);
            }
            assert!(found[0].unexplored < 1e-9, "{case}: {}", found[0].unexplored);
        }
    }
}

/// What is left out is counted, and what is drawn stands for the rest: all masses together are all
/// there is, every explored answer has its own probability, and no budget is passed.
#[test]
fn a_budget_leaves_things_out_or_draws_from_them() {
    for case in CASES {
        let model = load(case);
        let prompt = [1, 44, 7];
        let expected = brute_force(&model, &prompt, (1.0, 64, 1.0), 2);
        for (unexplored, tokens) in [(0.2, usize::MAX), (0.0, 12), (0.05, 30), (0.0, 1), (0.0, 0)] {
            let decoding = Decoding::Exact { unexplored, tokens, seed: 5 };
            let found =
                ask(&model, &[chain(&prompt)], decoding, &options(&model, Sampling::default(), 2))
                    .remove(0);
            let weight: f64 = found.answers.iter().map(|a| a.weight).sum();
            assert!((weight + found.unexplored - 1.0).abs() < 1e-6, "{case} {tokens}");
            assert!(found.unexplored <= unexplored + 1e-9, "{case}: {}", found.unexplored);
            assert!(
                found.answers.len() < expected.len() && found.tokens <= tokens.max(1),
                "{case} {tokens}"
            );
            for answer in &found.answers {
                match answer.draw {
                    None => {
                        assert!((answer.weight - expected[&answer.tokens]).abs() < 1e-6, "{case}")
                    }
                    Some(draw) => assert!(tokens < usize::MAX && draw < found.draws, "{case}"),
                }
            }
            assert_eq!(found.estimated() > 0.0, tokens < usize::MAX, "{case} {tokens}");
        }
    }
}

/// Prompts that begin alike are prefilled together and finished ones leave: neither
/// changes what is said, or how probable it is.
#[test]
fn company_changes_nothing() {
    let endings: [&[u32]; 6] = [&[17, 8], &[3], &[60, 33, 12], &[17, 9], &[21, 50, 4, 40], &[8]];
    let prompts: Vec<Sequence> =
        endings.iter().map(|end| chain(&[&[1, 5, 9, 2, 30, 11, 12], *end].concat())).collect();
    for case in CASES {
        let model = load(case);
        let decoding = Decoding::Exact { unexplored: 0.0, tokens: 160, seed: 0 };
        let own = options(&model, Sampling::default().with_temperature(0.5).unwrap(), 4);
        let alone: Vec<Answers> = prompts
            .iter()
            .flat_map(|p| ask(&model, std::slice::from_ref(p), decoding, &own))
            .collect();
        for (batch_rows, threads) in [(1, 1), (2, 1), (4, 2), (64, 1)] {
            let together = ask(
                &model,
                &prompts,
                decoding,
                &DecodeOptions { batch_rows, threads, ..own.clone() },
            );
            for (alone, together) in alone.iter().zip(&together) {
                let by_tokens: BTreeMap<&[u32], f64> =
                    together.answers.iter().map(|a| (&a.tokens[..], a.weight)).collect();
                // What is drawn at the very edge may fall on either side of it.
                let clear = alone.answers.iter().filter(|a| a.weight > 2e-3 && a.draw.is_none());
                for answer in clear {
                    let off = (answer.weight - by_tokens[&answer.tokens[..]]).abs();
                    assert!(off < 1e-5, "{case} {batch_rows} {:?}: off by {off}", answer.tokens);
                }
            }
        }
    }
}

#[test]
fn draws_depend_on_the_seed_and_nothing_else() {
    for case in CASES {
        let model = load(case);
        let prompts: Vec<Sequence> = (3..13).map(|t| chain(&[1, 5, 9, 2, 30, t])).collect();
        let own = options(&model, Sampling::default(), 5);
        let draw = |seed, batch_rows, threads| {
            let options = DecodeOptions { batch_rows, threads, ..own.clone() };
            let answers = ask(&model, &prompts, Decoding::Sampled { samples: 40, seed }, &options);
            let drawn = answers.into_iter().map(|a| {
                assert_eq!(a.answers.iter().map(|a| a.weight).sum::<f64>(), 40.0);
                a.answers.into_iter().map(|a| (a.tokens, a.weight as u64)).collect::<Vec<_>>()
            });
            drawn.collect::<Vec<_>>()
        };
        let first = draw(1, 1, 1);
        for (batch_rows, threads) in [(3, 1), (4, 2), (64, 1)] {
            assert_eq!(draw(1, batch_rows, threads), first, "{case} {batch_rows} {threads}");
        }
        assert_ne!(draw(2, 1, 1), first, "{case}");
    }
}

/// After a prompt that fails, those that others have begun are finished and no more.
#[test]
fn nothing_is_asked_after_an_error() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let model = load("gpt2_hub");
    let prompts: Vec<Sequence> = (0..64).map(|i| chain(&[1, 5, i])).collect();
    let options =
        DecodeOptions { batch_rows: 1, threads: 2, ..options(&model, Sampling::default(), 2) };
    let calls = AtomicUsize::new(0);
    let fails = |_: &[u32]| {
        calls.fetch_add(1, Ordering::Relaxed);
        Err(AskError::from(ModelError::NoHubCache))
    };
    let refused = decode(&model, &prompts, Decoding::Greedy, &options, fails);
    assert!(matches!(refused.map_err(ModelError::from), Err(ModelError::NoHubCache)));
    assert!(calls.load(Ordering::Relaxed) <= 4);
}
