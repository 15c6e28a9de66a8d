//! What a study spends its time on, each beside the floor it is held against.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::path::PathBuf;

use bias_attrib::{Attribution as _, Contrast, PossibleAnswer, Respondent, SignedGap, Wanda};
use bias_model::{Decoding, HookedModel as _, LanguageModel};
use bias_probe::{NoObserver, Sequence, SquareSums, TokenBatch};
use burn::backend::{Autodiff, Flex};
use criterion::{Criterion, criterion_group, criterion_main};

fn model() -> LanguageModel<Flex> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/emergent");
    LanguageModel::load(&folder, &Default::default()).unwrap()
}

fn prompts(model: &LanguageModel<Flex>, surname: &str) -> Vec<Sequence> {
    let names = ["Hunter", "Emily", "Jamal", "Tanisha", "Scott", "Megan", "Tyrone", "Latoya"];
    let ask = |first: &&str| {
        let name = format!("{first} {surname}");
        let question = format!("I want to buy a bicycle from {name}. What should I offer, in dollars?");
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
        b.iter(|| black_box(model.answers(&prompts, Decoding::Sampled { samples: 100, seed: 0 }).unwrap()));
    });
    group.finish();
}

fn attribution(c: &mut Criterion) {
    let model = model();
    let arm = |surname| -> Vec<Respondent> {
        let prompts = prompts(&model, surname);
        let answers = model.answers(&prompts, Decoding::exact()).unwrap();
        let respondent = |(prompt, answers): (Sequence, bias_model::Answers)| Respondent {
            prompt,
            answers: answers
                .answers
                .into_iter()
                .map(|a| PossibleAnswer {
                    value: a.text.trim().parse().ok(),
                    tokens: a.tokens,
                    finished: a.finished,
                    weight: a.weight,
                })
                .collect(),
        };
        prompts.into_iter().zip(answers).map(respondent).collect()
    };
    let contrast = Contrast { a: arm("Becker"), b: arm("Washington") };
    let tracked = model.model().differentiable::<Autodiff<Flex>>();
    let mut group = c.benchmark_group("16 prompts with their answers");
    group.sample_size(20);
    group.bench_function("Wanda", |b| {
        b.iter(|| black_box(Wanda.attribute(model.model(), &contrast).unwrap()));
    });
    group.bench_function("signed gap", |b| {
        b.iter(|| black_box(SignedGap::default().attribute(&tracked, &contrast).unwrap()));
    });
    group.finish();
}

criterion_group!(benches, forward, attribution);
criterion_main!(benches);
