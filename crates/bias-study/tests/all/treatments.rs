//! Changes of a model's representation, on the embedded model: what each does at which strength, and
//! which placebos leave the bias. Those with shuffled groups do not where training is on pairs of
//! people: half of the pairs still join the two groups.

use crate::small::{fixture, prompts};
use bias_attrib::Contrast;
use bias_attrib::methods::standardized_gap;
use bias_model::LanguageModel;
use bias_probe::Weights as _;
use bias_study::results::Alternative;
use bias_study::treat::{Placebo, Treated, Treatment, weakened};
use bias_study::{PromptSet, Settings, Study, StudyError, StudyOptions};
use bias_types::{ParamPath, Projection};
use burn::backend::{Autodiff, Flex};

type B = Autodiff<Flex>;

/// The embedded model, its answers about a few people, and its gap.
struct Asked<'a> {
    study: Study<'a, B>,
    contrasts: Vec<Contrast>,
    before: f64,
}

fn gap(contrasts: &[Contrast]) -> f64 {
    let gaps = contrasts.iter().map(|own| standardized_gap(own).unwrap().abs());
    gaps.sum::<f64>() / contrasts.len() as f64
}

impl<'a> Asked<'a> {
    fn new(prompts: &'a PromptSet) -> Self {
        let model = LanguageModel::load(&fixture("emergent"), &Default::default()).unwrap();
        let text = std::fs::read_to_string(fixture("emergent/neutral.txt")).unwrap();
        let options = StudyOptions {
            threads: 2,
            settings: Settings { seed: 7, ..Settings::default() },
            neutral: text.lines().take(20).map(str::to_owned).collect(),
            ..StudyOptions::default()
        };
        let study = Study::<B>::new(model, "embedded", prompts, options).unwrap();
        let contrasts = study.contrasts(0).unwrap();
        let before = gap(&contrasts);
        Self { study, contrasts, before }
    }

    fn treat(
        &self,
        alternative: Alternative,
        treatment: Treatment,
    ) -> Result<Treated<bias_model::Decoder<Flex>>, StudyError> {
        self.study.treat(alternative, &self.contrasts, &treatment)
    }

    /// The share of the gap that is left.
    fn left(&mut self, alternative: Alternative, treatment: Treatment) -> f64 {
        let treated = self.treat(alternative, treatment).unwrap();
        assert_eq!(treated.weights > 0, treatment.strength > 0.0, "{}", alternative.name());
        self.left_by(treated.model)
    }

    /// The same of the whole change and of half of it, which is found once.
    fn whole_and_half(&mut self, alternative: Alternative) -> [f64; 2] {
        let whole = self.treat(alternative, WHOLE).unwrap().model;
        let half = weakened(self.study.model().model(), &whole, 0.5).unwrap();
        [self.left_by(whole), self.left_by(half)]
    }

    fn left_by(&mut self, changed: bias_model::Decoder<Flex>) -> f64 {
        let own = std::mem::replace(self.study.model_mut().model_mut(), changed);
        let found = gap(&self.study.contrasts(0).unwrap());
        *self.study.model_mut().model_mut() = own;
        found / self.before
    }
}

const WHOLE: Treatment = Treatment { strength: 1.0, placebo: None };
const HALF: Treatment = Treatment { strength: 0.5, placebo: None };
const NONE: Treatment = Treatment { strength: 0.0, placebo: None };
const SHUFFLED: Treatment = Treatment { strength: 1.0, placebo: Some(Placebo::ShuffledGroups) };
const WITHIN: Treatment = Treatment { strength: 1.0, placebo: Some(Placebo::WithinGroups) };
const RANDOM: Treatment = Treatment { strength: 1.0, placebo: Some(Placebo::Random) };

#[test]
fn a_trained_subspace_carries_the_bias_and_a_random_one_does_not() {
    let prompts = prompts(2, [4, 2]);
    let mut asked = Asked::new(&prompts);
    let [whole, half] = asked.whole_and_half(Alternative::Interchange);
    let [none, shuffled, random] =
        [NONE, SHUFFLED, RANDOM].map(|treatment| asked.left(Alternative::Interchange, treatment));
    println!("left: {whole:.2} whole, {half:.2} half, {shuffled:.2} shuffled, {random:.2} random");
    assert!(whole < 0.5 && whole < half && half < 1.0, "{whole} and {half}");
    assert!(random > 0.9, "{random}");
    // No control: it is told so in docs/method.md.
    assert!(shuffled < 0.5, "{shuffled}");
    assert!((none - 1.0).abs() < 1e-9);
}

#[test]
fn symmetric_divergence_makes_answers_alike_across_groups_and_not_within() {
    let prompts = prompts(2, [4, 2]);
    let mut asked = Asked::new(&prompts);
    let [whole, half] = asked.whole_and_half(Alternative::SymmetricKl);
    let within = asked.left(Alternative::SymmetricKl, WITHIN);
    println!("left: {whole:.2} whole, {half:.2} half, {within:.2} within groups");
    assert!(whole < 0.4 && whole < half && half < 1.0, "{whole} and {half}");
    assert!(within > 0.6, "{within}");
}

/// As many columns of the down projections are doubled as neurons are to be amplified, and nothing
/// else changes. The embedded model knows nothing of bias, so no fall of the gap is expected.
#[test]
fn knowledge_neurons_are_amplified_and_nothing_else() {
    let prompts = prompts(1, [2, 2]);
    let asked = Asked::new(&prompts);
    let own = asked.study.model().model();
    let dims = *bias_model::HookedModel::dims(own);
    let values = |model: &bias_model::Decoder<Flex>, path: &ParamPath| {
        model.weight(path).unwrap().into_data().to_vec::<f32>().unwrap()
    };
    let mut sets = Vec::new();
    for (treatment, factor) in [(WHOLE, 2.0), (HALF, 1.5), (RANDOM, 2.0)] {
        let treated = asked.treat(Alternative::KnowledgeNeurons, treatment).unwrap();
        let mut neurons = Vec::new();
        for (path, layer, projection) in dims.projections() {
            let (before, after) = (values(own, &path), values(&treated.model, &path));
            if projection != Projection::Down {
                assert_eq!(before, after, "{path}");
                continue;
            }
            for neuron in 0..dims.d_mlp {
                let column = |all: &[f32]| -> Vec<f32> {
                    all.iter().skip(neuron).step_by(dims.d_mlp).copied().collect()
                };
                let (old, new) = (column(&before), column(&after));
                if old != new {
                    let off = old.iter().zip(&new).map(|(a, b)| (factor * a - b).abs());
                    assert!(off.fold(0f32, f32::max) < 1e-6, "{path}, {neuron}");
                    neurons.push((layer, neuron));
                }
            }
        }
        let expected = (0.002 * (dims.layers * dims.d_mlp) as f64).round() as usize;
        assert_eq!(neurons.len(), expected);
        sets.push(neurons);
    }
    assert_eq!(sets[0], sets[1]);
    assert_ne!(sets[0], sets[2]);
    let refused = asked.treat(Alternative::KnowledgeNeurons, SHUFFLED).unwrap_err().to_string();
    assert!(refused.contains("random neurons"), "{refused}");
}

/// Every alternative has a strength, but one, which says so.
#[test]
fn older_alternatives_have_a_strength_too() {
    let prompts = prompts(2, [4, 2]);
    let mut asked = Asked::new(&prompts);
    for alternative in [Alternative::Projection, Alternative::LowRank] {
        let [whole, half] = asked.whole_and_half(alternative);
        println!("{}: {whole:.2} whole, {half:.2} half", alternative.name());
        assert!(whole < half && half < 1.0, "{}: {whole} and {half}", alternative.name());
    }
    // `treat` weakens in the same way.
    let half = asked.left(Alternative::Projection, HALF);
    assert!((half - asked.whole_and_half(Alternative::Projection)[1]).abs() < 1e-6);
    let refused = asked.treat(Alternative::FineTuning, HALF).unwrap_err().to_string();
    assert!(refused.contains("fine-tuning") && refused.contains("low-rank"), "{refused}");
    // Of one name to a group, half cannot go elsewhere.
    let one = asked
        .contrasts
        .iter()
        .map(|own| Contrast { a: own.a[..1].to_vec(), b: own.b[..1].to_vec() });
    let one: Vec<Contrast> = one.collect();
    let refused = asked.study.treat(Alternative::Projection, &one, &SHUFFLED).unwrap_err();
    assert!(refused.to_string().contains("more names"), "{refused}");
}
