//! Every method keeps what the trait promises, and one that does not is caught.

use std::cell::Cell;
use std::path::PathBuf;

use bias_attrib::methods::{
    ActSvd, ActivationDifference, ActivationPatching, AttributionPatching, Baseline, FairnessBlend,
    GroupNorms, HeadAttention, IntegratedEdges, IntegratedGap, Knockout, Magnitude, Random,
    SignedActivationDifference, Snip,
};
use bias_attrib::pursuit::{Pursuit, Round};
use bias_attrib::scores::{ComponentScores, EdgeScores, GroupScores, RankDirections};
use bias_attrib::testing::{Claims, MethodViolation, check_attribution};
use bias_attrib::{
    AttribError, Attribution, Contrast, GapPursuit, ParamScores, PossibleAnswer, PromptCase,
    SetDifference, SignedGap, UnitScores, Wanda,
};
use bias_model::{Checkpoint, Decoder, ModelConfig, Precision};
use bias_probe::{HookedModel, Observer, ProbeError, Sequence, TokenBatch, Weights};
use bias_types::{ModelDims, ParamPath, TokenRole, UnitKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A few times the largest difference that order makes.
const TOLERANCE: f64 = 1e-5;

pub(crate) fn model(case: &str) -> Decoder<Flex> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(case);
    let config = ModelConfig::from_folder(&folder).unwrap();
    Decoder::load(&Checkpoint::open(&folder).unwrap(), config, Precision::F32, &Default::default())
        .unwrap()
}

fn case(name: &[u32], value: f64) -> PromptCase {
    let parts =
        [(&[1, 5][..], TokenRole::Prompt), (name, TokenRole::Name), (&[30, 8], TokenRole::Prompt)];
    let tokens = parts.iter().flat_map(|(tokens, _)| tokens.iter().copied()).collect();
    let roles = parts.iter().flat_map(|(tokens, role)| tokens.iter().map(|_| *role)).collect();
    let answer = |tokens: &[u32], value, weight| PossibleAnswer {
        tokens: tokens.into(),
        finished: true,
        value,
        weight,
        ..PossibleAnswer::default()
    };
    let answers = vec![
        answer(&[7, 2], Some(value), 0.5),
        answer(&[7, 9, 2], Some(3.0 * value), 0.2),
        answer(&[11, 2], None, 0.1),
    ];
    PromptCase::new(Sequence::chain(tokens, roles).unwrap(), answers)
}

/// Names of several lengths, paired with others; fewer different tokens than ActSVD is asked
/// for directions.
pub(crate) fn contrast() -> Contrast {
    Contrast {
        a: vec![case(&[20], 10.0), case(&[21, 22], 12.0), case(&[40, 41], 7.0)],
        b: vec![case(&[23, 24], 8.0), case(&[25], 9.0), case(&[42, 17], 5.0)],
    }
}

fn of_params(found: Vec<ParamScores>) -> Vec<f64> {
    found.iter().flat_map(|own| own.values()).map(|score| f64::from(*score)).collect()
}

fn of_groups(found: GroupScores) -> Vec<f64> {
    of_params([found.a(), found.b()].concat())
}

fn of_units(found: UnitScores) -> Vec<f64> {
    found.scores.iter().map(|(_, score)| f64::from(*score)).collect()
}

fn of_places(found: ComponentScores) -> Vec<f64> {
    found.scores.iter().map(|(_, score)| f64::from(*score)).collect()
}

fn of_edges(found: EdgeScores) -> Vec<f64> {
    found.scores.iter().map(|(_, score)| f64::from(*score)).collect()
}

fn of_pursuit(found: Pursuit) -> Vec<f64> {
    let round =
        |round: &Round| [round.weights as f64, round.objective, round.gaps[0], round.levels[0]];
    found.rounds.iter().flat_map(round).collect()
}

fn of_norms<B: Backend>(model: &impl HookedModel<B>, found: GroupNorms) -> Vec<f64> {
    let both =
        model.dims().projections().flat_map(|(path, ..)| found.scores(model, &path).unwrap());
    of_params(both.collect())
}

/// The output that remains of each matrix. Signs of singular vectors are arbitrary, so the vectors
/// themselves are not compared.
fn of_directions(model: &Decoder<Flex>, found: RankDirections) -> Vec<f64> {
    let left = model.dims().projections().flat_map(|(path, ..)| {
        let weight = Weights::weight(model, &path).unwrap();
        found
            .removed(&path, weight, SetDifference::AWithoutB)
            .unwrap()
            .into_data()
            .to_vec::<f32>()
            .unwrap()
    });
    left.map(f64::from).collect()
}

#[test]
fn every_method_conforms() {
    for case in ["gqa_sharded", "gpt2_hub", "cohere2_pattern", "qwen2_moe_shared"] {
        let (model, contrast) = (model(case), contrast());
        let tracked = model.differentiable::<Autodiff<Flex>>();
        let reading = Claims::within(TOLERANCE);
        let ignoring = reading.ignoring_contrast();
        // These answers are not the model's own.
        let pursuit = GapPursuit::new(30).with_rounds(1).with_least_explored(0.0).unwrap();
        let mut kinds = vec![UnitKind::Head, UnitKind::KvGroup, UnitKind::Neuron];
        kinds.extend(model.dims().experts.map(|_| UnitKind::Expert));
        let mut checked = vec![
            check_attribution(&Magnitude, &model, &contrast, ignoring, of_params),
            check_attribution(&Random::new(3), &model, &contrast, ignoring, of_params),
            check_attribution(&Wanda, &model, &contrast, reading, |found| of_norms(&model, found)),
            check_attribution(&Snip::default(), &tracked, &contrast, reading, of_groups),
            check_attribution(&SignedGap::default(), &tracked, &contrast, reading, of_params),
            check_attribution(
                &SignedGap::default().with_guard(0.5),
                &tracked,
                &contrast,
                reading,
                of_params,
            ),
            check_attribution(&ActivationDifference, &model, &contrast, reading, of_units),
            check_attribution(
                &SignedActivationDifference::default(),
                &tracked,
                &contrast,
                reading,
                of_units,
            ),
            check_attribution(&FairnessBlend::default(), &model, &contrast, reading, of_units),
            check_attribution(
                &IntegratedEdges::default().with_steps(2).unwrap(),
                &tracked,
                &contrast,
                reading,
                of_edges,
            ),
            check_attribution(&HeadAttention, &model, &contrast, reading, of_units),
            check_attribution(&pursuit, &tracked, &contrast, Claims::within(1e-3), of_pursuit),
            check_attribution(
                &ActSvd::new(0.25, 0.5).unwrap(),
                &model,
                &contrast,
                reading,
                |found| of_directions(&model, found),
            ),
        ];
        for kind in kinds {
            checked.extend([
                check_attribution(&Knockout::every(kind), &model, &contrast, reading, of_places),
                check_attribution(
                    &ActivationPatching::every(kind),
                    &model,
                    &contrast,
                    reading,
                    of_places,
                ),
                check_attribution(
                    &AttributionPatching::every(kind),
                    &tracked,
                    &contrast,
                    reading,
                    of_places,
                ),
                check_attribution(
                    &IntegratedGap::every(kind)
                        .with_steps(2)
                        .unwrap()
                        .from_baseline(Baseline::Mean),
                    &tracked,
                    &contrast,
                    reading,
                    of_units,
                ),
            ]);
        }
        for (i, checked) in checked.into_iter().enumerate() {
            checked.unwrap_or_else(|e| panic!("{case}, method {i}: {e}"));
        }
    }
}

/// A model that a method can change behind its back.
struct Soft {
    model: Decoder<Flex>,
    spoilt: Cell<bool>,
}

impl Weights<Flex> for Soft {
    fn weight(&self, path: &ParamPath) -> Result<Tensor<Flex, 2>, ProbeError> {
        let weight = self.model.weight(path)?;
        Ok(if self.spoilt.get() { weight.zeros_like() } else { weight })
    }
}

impl HookedModel<Flex> for Soft {
    fn dims(&self) -> &ModelDims {
        self.model.dims()
    }
    fn device(&self) -> burn::backend::flex::FlexDevice {
        self.model.device()
    }
    fn hidden(
        &self,
        batch: &TokenBatch,
        observer: &mut dyn Observer<Flex>,
    ) -> Result<Tensor<Flex, 3>, ProbeError> {
        self.model.hidden(batch, observer)
    }
    fn unembed(&self, hidden: Tensor<Flex, 3>) -> Result<Tensor<Flex, 3>, ProbeError> {
        self.model.unembed(hidden)
    }
}

/// Wanda with one promise broken.
struct Broken(Fault, Cell<u32>);

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// None.
    Sound,
    /// A name that is no file's.
    Named,
    /// Numbers that count the runs.
    Unsteady,
    /// A number that is none.
    NotFinite,
    /// The same score for everything.
    Blunt,
    /// Zeroes the model's weights.
    Destructive,
    /// Scores by who comes first.
    Ordered,
    /// Scores by which answer comes first.
    OrderedAnswers,
    /// Knows what to look for, but does not look.
    Deaf,
    /// Gives numbers for what cannot be compared.
    Lenient,
    /// Refuses it for whatever reason.
    Vague,
}

impl Attribution<Flex, Soft> for Broken {
    type Found = Vec<f64>;

    fn name(&self) -> &'static str {
        if matches!(self.0, Fault::Named) { "../Wanda" } else { "wanda" }
    }

    fn attribute(&self, model: &Soft, contrast: &Contrast) -> Result<Vec<f64>, AttribError> {
        let found = Wanda.attribute(model, contrast).map(|found| of_norms(model, found));
        let mut numbers = match (self.0, found) {
            (Fault::Lenient, Err(_)) => vec![1.0, 2.0],
            (Fault::Vague, Err(_)) => return Err(AttribError::NoSpread),
            (_, found) => found?,
        };
        match self.0 {
            Fault::Unsteady => {
                self.1.set(self.1.get() + 1);
                numbers[0] += f64::from(self.1.get());
            }
            Fault::NotFinite => numbers[1] = f64::NAN,
            Fault::Blunt => numbers.fill(1.0),
            Fault::Destructive => model.spoilt.set(true),
            Fault::Ordered => numbers[0] += f64::from(contrast.b[0].prompt.tokens()[2]),
            Fault::OrderedAnswers => numbers[0] += contrast.b[0].answers[0].weight,
            Fault::Deaf => numbers = vec![1.0, 2.0],
            Fault::Sound | Fault::Named | Fault::Lenient | Fault::Vague => {}
        }
        Ok(numbers)
    }
}

#[test]
fn broken_promises_are_caught() {
    let (model, contrast) = (model("gqa_sharded"), contrast());
    let check = |fault, claims| {
        let soft = Soft { model: model.clone(), spoilt: Cell::new(false) };
        check_attribution(&Broken(fault, Cell::new(0)), &soft, &contrast, claims, |found| found)
    };
    let reading = Claims::within(TOLERANCE);
    check(Fault::Sound, reading).unwrap();
    for (fault, expected) in [
        (Fault::Named, "a name must be lower-case letters, digits and dashes"),
        (Fault::Unsteady, "the same input must give the same numbers"),
        (Fault::NotFinite, "numbers must be finite"),
        (Fault::Blunt, "numbers must tell things apart"),
        (Fault::Destructive, "the model must stay as it is"),
        (Fault::Ordered, "the order of people must not matter"),
        (Fault::OrderedAnswers, "the order of answers must not matter"),
        (Fault::Deaf, "the contrast must matter"),
        (Fault::Lenient, "an empty group must be refused as such"),
        (Fault::Vague, "an empty group must be refused as such"),
    ] {
        let found = check(fault, reading);
        assert!(
            matches!(found, Err(MethodViolation::Claim { claim, .. }) if claim == expected),
            "{fault:?}: {found:?}"
        );
    }
    // What looks at the contrast cannot say that it does not.
    let found = check(Fault::Sound, reading.ignoring_contrast());
    assert!(
        matches!(found, Err(MethodViolation::Claim { claim, .. }) if claim.starts_with("a method that ignores"))
    );
    // Order shows nothing where there is one of each.
    let alone = Contrast { a: contrast.a[..1].to_vec(), b: contrast.b[..1].to_vec() };
    let found = check_attribution(&HeadAttention, &model, &alone, reading, of_units);
    assert!(matches!(found, Err(MethodViolation::Contrast { .. })));
}
