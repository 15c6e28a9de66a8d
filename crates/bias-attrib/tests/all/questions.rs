//! Scores of numbers that are begun and of choices are slopes of what those questions come to.

use std::path::PathBuf;
use std::sync::Arc;

use bias_attrib::contrast::{Scale, summed_up};
use bias_attrib::{Attribution as _, Contrast, GapPursuit, PossibleAnswer, PromptCase, SignedGap};
use bias_mask::MaskTarget;
use bias_model::question::{Choices, QuestionKind};
use bias_model::text::Asked;
use bias_model::{Answers, Decoder, Decoding, LanguageModel, Question};
use bias_probe::Weights;
use bias_types::{ParamPath, Projection};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};

type Model = LanguageModel<Flex>;

fn load(folder: &str) -> Model {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(folder);
    let mut model = Model::load(&folder, &Default::default()).unwrap();
    model.options_mut().max_new_tokens = 3;
    model
}

/// Everything that may be answered, nothing left out.
const ALL: Decoding = Decoding::Exact { unexplored: 0.0, tokens: usize::MAX, seed: 0 };

/// An answer's value, from its index among the answers and its text.
type Worth = Box<dyn Fn(usize, &str) -> Option<f64>>;

/// A kind of question with both groups' own, and what its answers are worth.
struct Case {
    scale: Scale,
    questions: [Vec<Question>; 2],
    value: Worth,
}

impl Case {
    fn case(&self, question: &Question, answers: &Answers) -> PromptCase {
        let answer = |(i, a): (usize, &bias_model::generate::Answer)| {
            let until = match &question.kind {
                QuestionKind::Number(grammar) if a.finished => grammar.until(&a.tokens),
                _ => None,
            };
            let finished = a.finished && until.is_none();
            let value = (self.value)(i, &a.text);
            PossibleAnswer { tokens: a.tokens.clone(), finished, until, value, weight: a.weight }
        };
        let answers = answers.answers.iter().enumerate().map(answer);
        let answers = answers.filter(|a| !a.tokens.is_empty() || a.until.is_some()).collect();
        PromptCase { scale: self.scale, ..PromptCase::new(question.prompt.clone(), answers) }
    }

    fn contrast(&self, model: &Model) -> Contrast {
        let [a, b] = self.questions.each_ref().map(|own| {
            let answers = model.ask(own, ALL).unwrap();
            own.iter()
                .zip(&answers)
                .map(|(question, answers)| self.case(question, answers))
                .collect()
        });
        Contrast { a, b }
    }

    /// Each person's value, asked anew.
    fn values(&self, model: &Model) -> [Vec<f64>; 2] {
        let contrast = self.contrast(model);
        [contrast.a, contrast.b].map(|people| {
            let own = |r: &PromptCase| {
                let valued = r
                    .answers
                    .iter()
                    .filter_map(|a| Some((a.value?, a.weight.ln(), a.tokens.len())));
                summed_up(r.scale, &valued.collect::<Vec<_>>()).unwrap()
            };
            people.iter().map(own).collect()
        })
    }
}

fn cases(model: &Model) -> Vec<Case> {
    let names = [["12 Emily", "3 Todd"], ["Jamal 7", "Tyra 45"]];
    let asked =
        |name: &'static str| Asked { message: name, name, prefix: Some("I offer $"), raw: true };
    let grammar = Arc::new(model.text().number_grammar().unwrap());
    let number = |name| {
        let prompt = model.text().question(&asked(name)).unwrap();
        Question { prompt, kind: QuestionKind::Number(grammar.clone()), stream: 0 }
    };
    let choices = Choices::parse("7,12|3,45,9", "12").unwrap();
    let words = model.text().choice(&asked("3 Todd"), &choices).unwrap().1;
    let choice = |name| {
        let (prompt, words) = model.text().choice(&asked(name), &choices).unwrap();
        Question { prompt, kind: QuestionKind::Choice(words.into()), stream: 0 }
    };
    let worth: Vec<Option<f64>> =
        words.iter().map(|w| Some(f64::from(u8::from(w.option == 0)))).collect();
    let of_choice = |scale, worth: &Vec<Option<f64>>| {
        let worth = worth.clone();
        Case {
            scale,
            questions: names.map(|own| own.map(choice).into()),
            value: Box::new(move |i, _| worth.get(i).copied().flatten()),
        }
    };
    vec![
        Case {
            scale: Scale::Mean,
            questions: names.map(|own| own.map(number).into()),
            value: Box::new(|_, text| text.trim().trim_end_matches(['.', ',']).parse().ok()),
        },
        of_choice(Scale::LogOdds { per_token: false }, &worth),
        of_choice(Scale::LogOdds { per_token: true }, &worth),
        of_choice(Scale::Share, &worth),
    ]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn the_signed_gap_is_the_slope_whatever_is_asked() {
    let mut model = load("questions/digits");
    for (c, case) in cases(&model).iter().enumerate() {
        let contrast = case.contrast(&model);
        let scores = SignedGap::default()
            .attribute(&model.model().differentiable::<Autodiff<Flex>>(), &contrast)
            .unwrap();
        let gap = |model: &Model| {
            let [a, b] = case.values(model);
            mean(&a) - mean(&b)
        };
        let here = gap(&model);
        // What scores are divided by: it does not depend on the weight, and is the same for all.
        let (mut ratios, mut largest) = (Vec::new(), 0f64);
        for projection in Projection::ALL {
            let path = ParamPath::of(1, projection);
            let own = scores.iter().find(|s| *s.path() == path).unwrap().values().to_vec();
            let mut order: Vec<usize> = (0..own.len()).collect();
            order.sort_by(|&i, &j| own[j].abs().total_cmp(&own[i].abs()));
            let weight: Tensor<Flex, 2> = Weights::weight(model.model(), &path).unwrap();
            let (shape, values) = (weight.dims(), weight.into_data().to_vec::<f32>().unwrap());
            for index in [order[0], order[1]] {
                let step = 0.02f32 * values[index].abs().max(0.05);
                let mut at = |delta: f32| {
                    let mut moved = values.clone();
                    moved[index] += delta;
                    let moved =
                        Tensor::from_data(TensorData::new(moved, shape), &Default::default());
                    model.model_mut().set_weight(&path, moved).unwrap();
                    gap(&model)
                };
                let (up, down) = (at(step), at(-step));
                at(0.0);
                let expected =
                    here.signum() * (up - down) / f64::from(2.0 * step) * f64::from(values[index]);
                ratios.push((expected, f64::from(own[index])));
                largest = largest.max(f64::from(own[index]).abs());
            }
        }
        let best = ratios.iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap();
        let spread = best.0 / best.1;
        assert!(spread > 0.0 && largest > 0.0, "case {c}: {best:?}");
        for (expected, found) in &ratios {
            let off = (expected / spread - found).abs();
            assert!(
                off < 0.03 * largest,
                "case {c}: {found} and {} of {largest}",
                expected / spread
            );
        }
    }
}

/// A pursuit closes the gap of any kind of question, as asking anew confirms.
#[test]
fn a_pursuit_closes_the_gap_whatever_is_asked() {
    let mut model = load("questions/digits");
    for (c, case) in cases(&model).iter().enumerate() {
        let contrasts = [case.contrast(&model)];
        let gap = |model: &Model| {
            let [a, b] = case.values(model);
            (mean(&a) - mean(&b)).abs()
        };
        let before = gap(&model);
        let pursuit = GapPursuit::new(400);
        let found = pursuit
            .pursue::<Autodiff<Flex>, _, _>(
                model.model_mut(),
                Decoder::differentiable,
                &contrasts,
                &[],
            )
            .unwrap();
        let dims = *bias_model::HookedModel::<Flex>::dims(model.model());
        let undo = found
            .mask(&dims)
            .unwrap()
            .apply(model.model_mut(), bias_mask::Intervention::Zero)
            .unwrap();
        let after = gap(&model);
        undo.revert(model.model_mut()).unwrap();
        assert!(after < 0.5 * before, "case {c}: {before} became {after}");
    }
}
