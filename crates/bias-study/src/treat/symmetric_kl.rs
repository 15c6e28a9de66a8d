use bias_attrib::methods::shared_log_probs;
use bias_attrib::{AttribError, Contrast, PossibleAnswer, PromptCase};
use bias_probe::{HookedModel, Observer, Sequence};
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use burn::tensor::backend::AutodiffBackend;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::finetune::RANK;
use crate::StudyError;
use crate::find::MethodInput;
use crate::seed::derived_seed;
use crate::studied::Studied;
use crate::training::{LowRank, Recipe, drift};

/// Chosen once, and not tuned to any result.
const RECIPE: Recipe = Recipe { steps: 120, batch: 8, learning_rate: 3e-3, decay: 0.0 };
/// The share of lessons that are neutral text.
const NEUTRAL: f64 = 0.25;
/// The weight of what neutral text loses beside what two people's answers differ by.
const RETENTION: f32 = 1.0;
/// The answers of each of two people that are compared.
const ANSWERS: usize = 8;

/// Two people whose answers should be alike, or a text whose predictions should stay.
enum Lesson<'a> {
    Pair(Box<[PromptCase; 2]>),
    Neutral(&'a Sequence),
}

/// Learns a change of rank [`RANK`] to every matrix that makes the answers about two people of a
/// variation, one of each group, alike: `Σ (p_A − p_B)·(ln p_A − ln p_B)` over the answers of
/// either, renormalised, which is the symmetric Kullback–Leibler divergence. On neutral text the
/// predictions of the model as it was are kept. Returns a copy with the change.
pub(super) fn symmetric_kl<A: AutodiffBackend, M: Studied<A>>(
    input: &MethodInput<'_, A, M>,
) -> Result<M, StudyError> {
    let answered = |own: &&PromptCase| own.answers.iter().any(|answer| answer.weight > 0.0);
    let people = |own: &Contrast| -> Option<[Vec<PromptCase>; 2]> {
        let both = [&own.a, &own.b];
        let both = both.map(|own| own.iter().filter(answered).cloned().collect::<Vec<_>>());
        both.iter().all(|own| !own.is_empty()).then_some(both)
    };
    let contrasts: Vec<[Vec<PromptCase>; 2]> = input.contrasts.iter().filter_map(people).collect();
    if contrasts.is_empty() {
        return Err(AttribError::NoSpread.into());
    }
    let mut rng = ChaCha8Rng::seed_from_u64(derived_seed(input.seed, "symmetric-kl"));
    let draw = || {
        if !input.neutral.is_empty() && rng.random_bool(NEUTRAL) {
            return Ok(Lesson::Neutral(&input.neutral[rng.random_range(0..input.neutral.len())]));
        }
        let [a, b] = &contrasts[rng.random_range(0..contrasts.len())];
        let (a, b) = (&a[rng.random_range(0..a.len())], &b[rng.random_range(0..b.len())]);
        Ok(Lesson::Pair(Box::new(alike(a, b))))
    };
    let temperature = input.temperature;
    let share =
        |model: &M::OnGraph, lessons: &[Lesson<'_>], total: f32, observer: &mut dyn Observer<A>| {
            let pairs: Vec<PromptCase> = lessons
                .iter()
                .filter_map(|own| match own {
                    Lesson::Pair(pair) => Some(pair.iter().cloned()),
                    Lesson::Neutral(_) => None,
                })
                .flatten()
                .collect();
            let texts: Vec<&Sequence> = lessons
                .iter()
                .filter_map(|own| match own {
                    Lesson::Pair(_) => None,
                    Lesson::Neutral(text) => Some(*text),
                })
                .collect();
            let mut loss: Option<Tensor<A, 1>> = None;
            let mut add = |part: Tensor<A, 1>| {
                loss = Some(match loss.take() {
                    Some(loss) => loss + part,
                    None => part,
                });
            };
            if !pairs.is_empty() {
                for pair in shared_log_probs(model, &pairs, temperature, observer)?.chunks_exact(2)
                {
                    add(divergence(pair[0].clone(), pair[1].clone()));
                }
            }
            if !texts.is_empty() {
                let moved = drift(model, &texts, observer).map_err(AttribError::from)?;
                add(moved.mul_scalar(RETENTION));
            }
            // A step has lessons.
            let loss = loss.unwrap_or_else(|| Tensor::zeros([1], &model.device()));
            Ok::<_, StudyError>(loss.div_scalar(total))
        };
    let seed = derived_seed(input.seed, "adapters");
    let learned = LowRank::learn::<A, _, _, _>(
        (RANK, seed),
        || input.model.on_graph(),
        (&RECIPE, |_: &Lesson<'_>| 1.0),
        draw,
        share,
        |_, _| {},
    )?;
    let mut model = input.model.clone();
    learned.write_into(1.0, &mut model)?;
    Ok(model)
}

/// `KL(p_A ‖ p_B) + KL(p_B ‖ p_A)`, over these answers.
fn divergence<A: AutodiffBackend>(a: Tensor<A, 1>, b: Tensor<A, 1>) -> Tensor<A, 1> {
    let (a, b) = (log_softmax(a, 0), log_softmax(b, 0));
    ((a.clone().exp() - b.clone().exp()) * (a - b)).sum()
}

/// Both people with the most probable answers of either.
fn alike(a: &PromptCase, b: &PromptCase) -> [PromptCase; 2] {
    let own = Contrast { a: vec![a.clone()], b: vec![b.clone()] }.most_probable(ANSWERS);
    let mut answers: Vec<PossibleAnswer> = Vec::new();
    for answer in own.a.iter().chain(&own.b).flat_map(|own| &own.answers) {
        let known = |other: &PossibleAnswer| {
            other.tokens == answer.tokens
                && other.until == answer.until
                && other.finished == answer.finished
        };
        if !answers.iter().any(known) {
            answers.push(answer.clone());
        }
    }
    [a, b].map(|own| PromptCase { answers: answers.clone(), ..own.clone() })
}

#[cfg(test)]
mod tests {
    use bias_types::TokenRole;
    use burn::backend::{Autodiff, Flex};

    use super::*;

    #[test]
    fn equal_answers_do_not_diverge_and_others_do_alike_both_ways() {
        let device = Default::default();
        let of = |values: [f32; 3]| Tensor::<Autodiff<Flex>, 1>::from_floats(values, &device);
        let found = |a, b| divergence(of(a), of(b)).into_data().iter::<f64>().next().unwrap();
        let (a, b) = ([-1.0, -2.0, -3.0], [-3.0, -2.5, -1.0]);
        // What all answers share does not count: they are renormalised.
        assert!(found(a, [-2.0, -3.0, -4.0]).abs() < 1e-6);
        let p = |own: [f64; 3]| {
            let all: f64 = own.iter().map(|x| x.exp()).sum();
            own.map(|x| x.exp() / all)
        };
        let (pa, pb) = (p(a.map(f64::from)), p(b.map(f64::from)));
        let by_hand: f64 =
            pa.iter().zip(&pb).map(|(a, b)| a * (a / b).ln() + b * (b / a).ln()).sum();
        assert!((found(a, b) - by_hand).abs() < 1e-5 && (found(b, a) - by_hand).abs() < 1e-5);
    }

    #[test]
    fn both_are_compared_on_the_answers_of_either() {
        let person = |name, answers: &[(u32, f64)]| {
            let prompt = Sequence::chain(vec![name], vec![TokenRole::Name]).unwrap();
            let answers =
                answers.iter().map(|(token, weight)| PossibleAnswer::new([*token], *weight));
            PromptCase::new(prompt, answers.collect())
        };
        let (a, b) = (person(1, &[(5, 0.6), (6, 0.4)]), person(2, &[(6, 0.9), (7, 0.1)]));
        let [a, b] = alike(&a, &b);
        assert_eq!((a.prompt.tokens(), b.prompt.tokens()), (&[1][..], &[2][..]));
        assert_eq!(a.answers.iter().map(|own| own.tokens[0]).collect::<Vec<_>>(), [5, 6, 7]);
        assert_eq!(a.answers, b.answers);
    }
}
