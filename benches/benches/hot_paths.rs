//! What a study spends its time on, each beside the floor it is held against.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::path::PathBuf;

use bias_attrib::{Attribution as _, Contrast, PossibleAnswer, PromptCase, SignedGap, Wanda};
use bias_mask::{Intervention, top_k};
use bias_metrics::effect::smd_resampled;
use bias_metrics::{Arm, Bootstrap, NameAnswers, NameMoments, Weighting, parse_answer, smd};
use bias_model::{Decoding, HookedModel as _, LanguageModel};
use bias_probe::stats::SquareSums;
use bias_probe::{NoObserver, Sequence, TokenBatch};
use burn::backend::{Autodiff, Flex};
use criterion::{Criterion, criterion_group, criterion_main};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/emergent")
}

fn model() -> LanguageModel<Flex> {
    LanguageModel::load(&folder(), &Default::default()).unwrap()
}

fn loading(c: &mut Criterion) {
    c.bench_function("load the embedded model", |b| b.iter(|| black_box(model())));
}

fn prompts(model: &LanguageModel<Flex>, surname: &str) -> Vec<Sequence> {
    let names = ["Hunter", "Emily", "Jamal", "Tanisha", "Scott", "Megan", "Tyrone", "Latoya"];
    let ask = |first: &&str| {
        let name = format!("{first} {surname}");
        let question =
            format!("I want to buy a bicycle from {name}. What should I offer, in dollars?");
        model.text().prompt(&question, &name).unwrap()
    };
    names.iter().map(ask).collect()
}

fn forward(c: &mut Criterion) {
    let model = model();
    let prompts = prompts(&model, "Becker");
    let batch = TokenBatch::new(&prompts).unwrap();
    let mut group = c.benchmark_group("8 prompts");
    group.bench_function("forward pass", |b| {
        b.iter(|| black_box(model.model().hidden(&batch, &mut NoObserver).unwrap()));
    });
    group.bench_function("forward pass with Wanda's statistics", |b| {
        b.iter(|| {
            let mut sums = SquareSums::linear_inputs(model.model().dims());
            model.model().hidden(&batch, &mut sums).unwrap();
            black_box(sums.finish().unwrap())
        });
    });
    group.bench_function("exact answer distribution", |b| {
        b.iter(|| black_box(model.answers(&prompts, Decoding::exact()).unwrap()));
    });
    group.bench_function("100 samples each", |b| {
        b.iter(|| {
            black_box(model.answers(&prompts, Decoding::Sampled { samples: 100, seed: 0 }).unwrap())
        });
    });
    group.finish();
}

fn attribution(c: &mut Criterion) {
    let model = model();
    let arm = |surname| -> Vec<PromptCase> {
        let prompts = prompts(&model, surname);
        let answers = model.answers(&prompts, Decoding::exact()).unwrap();
        let case = |(prompt, answers): (Sequence, bias_model::Answers)| {
            PromptCase::new(
                prompt,
                answers
                    .answers
                    .into_iter()
                    .map(|a| PossibleAnswer {
                        value: a.text.trim().parse().ok(),
                        tokens: a.tokens,
                        finished: a.finished,
                        weight: a.weight,
                        ..PossibleAnswer::default()
                    })
                    .collect(),
            )
        };
        prompts.into_iter().zip(answers).map(case).collect()
    };
    let contrast = Contrast { a: arm("Becker"), b: arm("Washington") };
    let mut pruned = model.model().clone();
    let tracked = pruned.differentiable::<Autodiff<Flex>>();
    let mut group = c.benchmark_group("16 prompts with their answers");
    group.sample_size(20);
    group.bench_function("Wanda", |b| {
        b.iter(|| black_box(Wanda.attribute(model.model(), &contrast).unwrap()));
    });
    group.bench_function("signed gap", |b| {
        b.iter(|| black_box(SignedGap::default().attribute(&tracked, &contrast).unwrap()));
    });
    group.finish();

    let scores = SignedGap::default().attribute(&tracked, &contrast).unwrap();
    c.bench_function("choose 1000 weights of all", |b| {
        b.iter(|| black_box(top_k(&scores, 1000).unwrap()));
    });
    let mask = top_k(&scores, 1000).unwrap();
    c.bench_function("apply a mask of 1000 weights and take it back", |b| {
        b.iter(|| {
            mask.apply(&mut pruned, Intervention::Zero).unwrap().revert(&mut pruned).unwrap()
        });
    });
}

/// 40 names with 100 answers each.
fn numbers(c: &mut Criterion) {
    let texts = [
        "$1,200",
        "I'd offer about 950 dollars.",
        "between 900 and 1,100",
        "I cannot say.",
        "1.1k",
    ];
    c.bench_function("read 5 answers", |b| {
        b.iter(|| texts.iter().filter_map(|text| parse_answer(black_box(text)).value).sum::<f64>());
    });
    let name = |i: usize| {
        let values = (0..100).map(|j| ((500 + (i * 37 + j * 61) % 400) as f64, 1.0)).collect();
        let arm = if i.is_multiple_of(2) { Arm::A } else { Arm::B };
        NameAnswers { arm, values, unparsed: 0.0, unexplored: 0.0, error: Some(0.0) }
    };
    let names: Vec<NameAnswers> = (0..40).map(name).collect();
    let moments = || names.iter().map(NameAnswers::moments).collect::<Vec<NameMoments>>();
    c.bench_function("standardized difference of 40 names × 100 answers", |b| {
        b.iter(|| black_box(smd(&moments(), Weighting::Draws).unwrap()));
    });
    let moments = moments();
    let arms: Vec<Arm> = moments.iter().map(|m| m.arm).collect();
    c.bench_function("its bootstrap interval", |b| {
        b.iter(|| {
            let resampled =
                |picks: &[usize]| Ok(smd_resampled(&moments, picks, Weighting::Draws)?.value());
            black_box(Bootstrap::new(0).interval(&arms, resampled).unwrap())
        });
    });
}

criterion_group!(benches, loading, forward, attribution, numbers);
criterion_main!(benches);
