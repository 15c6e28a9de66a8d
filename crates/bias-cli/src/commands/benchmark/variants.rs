//! Gap pursuit with parts removed or replaced, to show what each part contributes.

use bias_attrib::{Contrast, GapPursuit, PossibleAnswer, PromptCase};
use bias_study::Method;
use bias_study::find::MethodInput;
use bias_types::UnitKind;
use burn::tensor::backend::AutodiffBackend;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The number of draws per name in the variant that samples.
const DRAWS: usize = 20;

/// The complete method first, then one change at a time.
#[must_use]
pub fn variants<A: AutodiffBackend>() -> Vec<Method<A>> {
    let settings = [
        ("gap-pursuit", "as it is", plain as fn(GapPursuit) -> GapPursuit),
        ("in one step", "without looking at the model again", |p| stepping(p, 1.0).with_rounds(1)),
        ("small steps", "a quarter of what is missing in each round", |p| stepping(p, 0.25)),
        ("worst variation first", "each gap weighs its square", |p| p.with_worst_case(2.0)),
        ("no regard for neutral text", "it does not count", |p| p.with_neutral_weight(0.0)),
    ];
    let settings = settings.map(|(name, about, change)| {
        Method::new(name, UnitKind::Weight, about, move |input: &MethodInput<'_, A>| {
            input.pursue(change(GapPursuit::new(input.budget)))
        })
    });
    let contrasts = [
        (
            "all variations pooled",
            "one gap for all questions",
            pooled as fn(&[Contrast], u64) -> Vec<Contrast>,
        ),
        ("one variation", "the first question alone", |all, _| all[..1].to_vec()),
        ("two variations", "the first two questions", |all, _| all[..all.len().min(2)].to_vec()),
        ("one name of a side", "the first of each", |all, _| all.iter().map(one_name).collect()),
        ("first digits", "only the first digit of an answer counts", |all, _| {
            each_answer(all, first_digits)
        }),
        (
            "sampled answers",
            "20 draws for each name instead of all answers with their probabilities",
            sampled,
        ),
    ];
    let contrasts = contrasts.map(|(name, about, change)| {
        Method::new(name, UnitKind::Weight, about, move |input: &MethodInput<'_, A>| {
            let changed = change(input.contrasts, input.seed);
            input.with_contrasts(&changed).pursue(GapPursuit::new(input.budget))
        })
    });
    settings.into_iter().chain(contrasts).collect()
}

fn plain(pursuit: GapPursuit) -> GapPursuit {
    pursuit
}

fn stepping(pursuit: GapPursuit, step: f64) -> GapPursuit {
    pursuit.with_step(step).unwrap_or(pursuit)
}

fn pooled(all: &[Contrast], _: u64) -> Vec<Contrast> {
    vec![Contrast::pooled(all)]
}

fn one_name(contrast: &Contrast) -> Contrast {
    let first = |side: &[PromptCase]| side[..side.len().min(1)].to_vec();
    Contrast { a: first(&contrast.a), b: first(&contrast.b) }
}

fn each_answer(
    all: &[Contrast],
    mut change: impl FnMut(&[PossibleAnswer]) -> Vec<PossibleAnswer>,
) -> Vec<Contrast> {
    let mut side = |side: &[PromptCase]| -> Vec<PromptCase> {
        let own = |r: &PromptCase| PromptCase { answers: change(&r.answers), ..r.clone() };
        side.iter().map(own).collect()
    };
    all.iter().map(|c| Contrast { a: side(&c.a), b: side(&c.b) }).collect()
}

/// Every answer as its first token alone, with the value of its number's first digit.
fn first_digits(answers: &[PossibleAnswer]) -> Vec<PossibleAnswer> {
    let mut firsts: Vec<PossibleAnswer> = Vec::new();
    for own in answers {
        let Some(&first) = own.tokens.first() else { continue };
        match firsts.iter_mut().find(|known| known.tokens == [first]) {
            Some(known) => known.weight += own.weight,
            None => {
                let digit = |v: f64| (v.abs() / 10f64.powf(v.abs().log10().floor())).floor();
                firsts.push(PossibleAnswer {
                    tokens: vec![first],
                    finished: own.finished && own.tokens.len() == 1,
                    value: own.value.filter(|v| *v != 0.0).map(digit),
                    weight: own.weight,
                    ..PossibleAnswer::default()
                });
            }
        }
    }
    firsts
}

/// Weights that are the shares of a few draws.
fn sampled(all: &[Contrast], seed: u64) -> Vec<Contrast> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    each_answer(all, |answers| {
        let total: f64 = answers.iter().map(|a| a.weight).sum();
        let mut drawn = answers.to_vec();
        drawn.iter_mut().for_each(|own| own.weight = 0.0);
        for _ in 0..DRAWS {
            let mut left = rng.random::<f64>() * total;
            let hit = answers.iter().position(|own| {
                left -= own.weight;
                left <= 0.0
            });
            if let Some(own) = hit.and_then(|at| drawn.get_mut(at)) {
                own.weight += 1.0 / DRAWS as f64;
            }
        }
        drawn.retain(|own| own.weight > 0.0);
        drawn
    })
}
