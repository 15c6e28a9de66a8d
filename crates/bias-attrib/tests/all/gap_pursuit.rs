//! A pursuit of the gap on the embedded model: what it promises.

use std::path::PathBuf;

use bias_attrib::pursuit::Pursuit;
use bias_attrib::{
    AttribError, Attribution as _, Contrast, GapPursuit, PossibleAnswer, PromptCase,
};
use bias_mask::{HeadAblation, Intervention, unit_mask};
use bias_model::{
    Checkpoint, Decoder, Decoding, HookedModel as _, LanguageModel, ModelConfig, Precision,
};
use bias_probe::{Sequence, Weights as _};
use bias_types::{ParamPath, Projection, TokenRole, UnitKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::DType;

type A = Autodiff<Flex>;

fn embedded() -> LanguageModel<Flex> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/emergent");
    LanguageModel::load(&folder, &Default::default()).unwrap()
}

/// How the model answers about a few people.
pub(crate) fn contrast(model: &LanguageModel<Flex>, what: &str) -> Contrast {
    let ask = |names: [&str; 3]| -> Vec<PromptCase> {
        let prompts: Vec<Sequence> = names
            .iter()
            .map(|name| {
                let text = format!(
                    "{name} asks our bank for a {what}. How many thousand dollars should we approve?"
                );
                model.text().prompt(&text, name).unwrap()
            })
            .collect();
        let answers = model.answers(&prompts, Decoding::exact_within(1e-2)).unwrap();
        let of = |(prompt, answers): (Sequence, bias_model::Answers)| {
            PromptCase::new(
                prompt,
                answers
                    .answers
                    .into_iter()
                    .map(|a| PossibleAnswer {
                        tokens: a.tokens,
                        finished: a.finished,
                        value: a.text.trim().parse().ok(),
                        weight: a.weight,
                        ..PossibleAnswer::default()
                    })
                    .collect(),
            )
        };
        prompts.into_iter().zip(answers).map(of).collect()
    };
    Contrast {
        a: ask(["Emily Becker", "Todd Becker", "Claire Becker"]),
        b: ask(["Jamal Washington", "Tyra Washington", "Terrell Washington"]),
    }
}

fn pursue(
    pursuit: GapPursuit,
    model: &mut Decoder<Flex>,
    contrasts: &[Contrast],
    neutral: &[Sequence],
) -> Result<Pursuit, AttribError> {
    pursuit.pursue::<A, _, _>(model, Decoder::differentiable::<A>, contrasts, neutral)
}

fn weights(model: &Decoder<Flex>) -> Vec<Vec<f32>> {
    let all = model.dims().projections();
    all.map(|(path, ..)| model.weight(&path).unwrap().into_data().to_vec().unwrap()).collect()
}

#[test]
fn it_closes_every_gap_within_its_budget_and_leaves_the_model_as_it_was() {
    let language = embedded();
    let contrasts = [contrast(&language, "loan"), contrast(&language, "bond")];
    let neutral = vec![language.text().plain("My neighbour took the train to work.").unwrap()];
    let mut model = language.model().clone();
    let before = weights(&model);
    let pursuit = GapPursuit::new(800).with_step(0.5).unwrap().with_tolerance(0.05);
    let found = pursue(pursuit.with_threads(2), &mut model, &contrasts, &neutral).unwrap();
    assert_eq!(weights(&model), before);
    assert_eq!(
        pursue(pursuit, &mut model, &contrasts, &neutral).unwrap(),
        found,
        "whatever the threads"
    );
    let streamed = pursuit.with_memory(0).with_threads(2).with_rounds(2);
    let held = pursue(pursuit.with_rounds(2), &mut model, &contrasts, &neutral).unwrap();
    assert_eq!(
        pursue(streamed, &mut model, &contrasts, &neutral).unwrap(),
        held,
        "whatever the memory"
    );

    let (first, last) = (found.rounds.first().unwrap(), found.rounds.last().unwrap());
    assert!(first.worst() > 1.0 && last.worst() <= 0.05, "{} to {}", first.worst(), last.worst());
    assert!(last.levels.iter().all(|level| level.abs() < 0.05) && last.neutral < 0.01);
    assert!(found.chosen.len() <= 800 && found.chosen.len() == last.weights);
    assert!(found.rounds.windows(2).all(|w| w[1].objective < w[0].objective));

    // What it says of the last round is what the pruned model does: asked anew, the gap is gone.
    let mask = found.mask(model.dims()).unwrap();
    assert_eq!(mask.count(), found.chosen.len());
    let mut pruned = embedded();
    let _ = mask.apply(pruned.model_mut(), Intervention::Zero).unwrap();
    let mean = |group: &[PromptCase]| {
        let own = |r: &PromptCase| {
            let valued = || r.answers.iter().filter_map(|a| Some((a.value?, a.weight)));
            valued().map(|(v, w)| v * w).sum::<f64>() / valued().map(|(_, w)| w).sum::<f64>()
        };
        group.iter().map(own).sum::<f64>() / group.len() as f64
    };
    let gap = |c: &Contrast| (mean(&c.a) - mean(&c.b)).abs() / mean(&c.a);
    let (biased, fair) = (gap(&contrasts[0]), gap(&contrast(&pruned, "loan")));
    assert!(biased > 0.1 && fair < 0.02, "{biased} to {fair}");
}

/// Weights held as bf16: widened where they are differentiated, pruned as they are held.
#[test]
fn weights_kept_as_stored_are_pursued_too() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/tied_bf16");
    let config = ModelConfig::from_folder(&folder).unwrap();
    let checkpoint = Checkpoint::open(&folder).unwrap();
    let mut model =
        Decoder::<Flex>::load(&checkpoint, config, Precision::Stored, &Default::default()).unwrap();
    let ask = |name: u32| {
        let roles = vec![TokenRole::Prompt, TokenRole::Name, TokenRole::Prompt];
        let answer = |token, value| PossibleAnswer {
            tokens: vec![token],
            finished: false,
            value: Some(value),
            weight: 0.5,
            ..PossibleAnswer::default()
        };
        let prompt = Sequence::chain(vec![1, name, 20], roles).unwrap();
        PromptCase::new(prompt, vec![answer(7, f64::from(name)), answer(9, 40.0)])
    };
    let contrasts = [Contrast { a: vec![ask(9), ask(11)], b: vec![ask(30), ask(17)] }];
    let held = |model: &Decoder<Flex>| {
        let weight = model.weight(&ParamPath::of(0, Projection::Q)).unwrap().into_data();
        (weight.dtype, weight.bytes.to_vec())
    };
    let before = held(&model);
    assert_eq!(before.0, DType::BF16);
    // These answers are not the model's own, so what they weigh says nothing.
    let pursuit = GapPursuit::new(60).with_least_explored(0.0).unwrap();
    let found = pursue(pursuit, &mut model, &contrasts, &[]).unwrap();
    assert!(!found.chosen.is_empty());
    assert!(found.rounds.last().unwrap().worst() < found.rounds[0].worst());
    assert_eq!(held(&model), before);
}

/// As an attribution it chooses what it does by itself, and ranks it.
#[test]
fn a_pursuit_is_an_attribution() {
    let language = embedded();
    let contrast = contrast(&language, "loan");
    let mut model = language.model().clone();
    let pursuit = GapPursuit::new(60).with_rounds(2).with_threads(2);
    let expected = pursue(pursuit, &mut model, std::slice::from_ref(&contrast), &[]).unwrap();
    let found = pursuit.attribute(&model.differentiable::<A>(), &contrast).unwrap();
    assert_eq!(found, expected);
    let scores = found.scores();
    assert!(scores.ranked().into_iter().eq(&found.chosen) && found.chosen.len() == 60);
    assert!(scores.scores.iter().all(|(_, score)| *score >= 1.0));
}

#[test]
fn budgets_and_units_are_kept() {
    let language = embedded();
    let contrasts = [contrast(&language, "loan")];
    let mut model = language.model().clone();
    let dims = *model.dims();
    let few = pursue(GapPursuit::new(50), &mut model, &contrasts, &[]).unwrap();
    assert_eq!(few.chosen.len(), 50);
    for kind in [UnitKind::Neuron, UnitKind::Head, UnitKind::KvGroup, UnitKind::Layer] {
        let budget = 4 * dims.shape(Projection::Up).iter().product::<usize>();
        let found = pursue(
            GapPursuit::new(budget).with_unit(kind).with_rounds(2),
            &mut model,
            &contrasts,
            &[],
        )
        .unwrap();
        assert!(found.chosen.iter().all(|unit| unit.kind() == kind), "{kind}");
        let mask = unit_mask(&dims, &found.chosen, HeadAblation::ZeroOutput).unwrap();
        assert_eq!(found.mask(&dims).unwrap(), mask);
    }
    // What leaves too little of the answers is taken back, and half of it tried.
    let before = weights(&model);
    let mut strict = |share: f64| {
        let pursuit = GapPursuit::new(30_000).with_unit(UnitKind::Neuron).with_rounds(4);
        pursue(pursuit.with_least_explored(share).unwrap(), &mut model, &contrasts, &[]).unwrap()
    };
    let (loose, strict) = (strict(0.5), strict(1.0));
    assert!(loose.rounds[1].kept && loose.rounds[1].explored < 1.0 && !loose.chosen.is_empty());
    let refused =
        strict.rounds.iter().take_while(|round| round.weights == 0 || !round.kept).count();
    assert!(
        refused > 2 && strict.rounds[1].weights == loose.rounds[1].weights,
        "{:?}",
        strict.rounds
    );
    assert!(strict.rounds[2].weights < strict.rounds[1].weights);
    assert!(strict.rounds.iter().all(|round| !round.kept || round.explored > 1.0 - 1e-6));
    assert_eq!(
        strict.mask(&dims).unwrap().count(),
        strict.rounds.iter().rfind(|r| r.kept).unwrap().weights
    );
    assert_eq!(weights(&model), before);
    assert!(GapPursuit::new(1).with_least_explored(1.1).is_err());
    let none = pursue(GapPursuit::new(0), &mut model, &contrasts, &[]).unwrap();
    assert!(none.chosen.is_empty() && none.rounds.len() == 1);
}

#[test]
fn what_cannot_be_pursued_is_refused_and_the_model_kept() {
    let language = embedded();
    let mut model = language.model().clone();
    let run = |model: &mut Decoder<Flex>, contrasts: &[Contrast]| {
        pursue(GapPursuit::new(10), model, contrasts, &[])
    };
    assert!(matches!(run(&mut model, &[]), Err(AttribError::EmptyArm { .. })));
    let mut contrast = contrast(&language, "loan");
    let same = Contrast { a: contrast.a.clone(), b: contrast.a.clone() };
    // The same people on both sides: nothing to close, so nothing is chosen.
    assert!(run(&mut model, &[same]).unwrap().chosen.is_empty());
    contrast.b.clear();
    assert!(matches!(run(&mut model, &[contrast]), Err(AttribError::EmptyArm { arm: 'B' })));
    for step in [0.0, -1.0, 1.5, f64::NAN] {
        assert!(
            matches!(GapPursuit::new(1).with_step(step), Err(AttribError::Share { .. })),
            "{step}"
        );
    }
    assert!(GapPursuit::new(1).with_temperature(0.0).is_err());
    let path = ParamPath::of(0, Projection::Q);
    let own: Vec<f32> = model.weight(&path).unwrap().into_data().to_vec().unwrap();
    let loaded: Vec<f32> = language.model().weight(&path).unwrap().into_data().to_vec().unwrap();
    assert_eq!(own, loaded);
}
