//! A study of a model from outside the workspace, with a tokenizer of its own; and an audit of
//! answers that no model here gave.

use crate::outside_model::{Alibi, Words, drawn};
use bias_ask::generate::{Answer, BUDGET, DecodeOptions, Done, Sampling};
use bias_ask::respond::Identity;
use bias_ask::testing::check_answering;
use bias_ask::text::{Asked, Wanted};
use bias_ask::{Answers, AskError, Decoding, Respond};
use bias_mask::Intervention;
use bias_mask::testing::check_target;
use bias_model::{HookedModel, LanguageModel};
use bias_probe::{Weights, testing::check_model};
use bias_study::likelihood::{Reading, SentencePair, score_pairs};
use bias_study::results::{Attribute, Baseline, Budget};
use bias_study::run::Audit;
use bias_study::{
    Candidate, Method, PromptSet, Scope, Settings, Study, StudyOptions, TrainedOn, report,
};
use bias_types::UnitKind;
use burn::backend::{Autodiff, Flex};

type A = Autodiff<Flex>;
type Model = LanguageModel<Flex, Alibi<Flex>, Words>;

fn model() -> Model {
    let mut model = LanguageModel::new(drawn(5), Words).with_begin(Some(1));
    let options = model.options_mut();
    (options.stop, options.max_new_tokens) = (vec![0], 2);
    model
}

/// Two contexts, one asked by a choice and one by a number.
fn prompts() -> PromptSet {
    let mut csv = String::from(
        "scenario,variation,name_group,name,prompt_text,answer_prefix,choices,better,raw\n",
    );
    for thing in ["bike", "car", "boat"] {
        for (group, surname) in [("west", "west"), ("east", "east")] {
            for first in ["ann", "bea", "cas", "dan"] {
                let name = format!("{first} {surname}");
                csv += &format!(
                    "price,{thing},{group},{name},{name} sells a {thing} is the price fair ?,,yes|no,yes,true\n"
                );
                csv += &format!(
                    "rent,{thing},{group},{name},what pays {name} for it ? one rents the {thing} for,about,,,true\n"
                );
            }
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), csv).unwrap();
    PromptSet::from_csv(file.path(), &Attribute::column("surname", "name_group"), ["west", "east"])
        .unwrap()
}

fn options() -> StudyOptions {
    StudyOptions {
        settings: Settings { resamples: 50, ..Settings::default() },
        threads: 2,
        neutral: ["one sells a boat for 50 and one rents it", "who pays for the car ?"]
            .map(str::to_owned)
            .to_vec(),
        ..StudyOptions::default()
    }
}

fn weights(model: &Alibi<Flex>) -> Vec<Vec<f32>> {
    let dims = *model.dims();
    let read = |path| Weights::weight(model, &path).unwrap().into_data().iter::<f32>().collect();
    dims.projections().map(|(path, ..)| read(path)).collect()
}

#[test]
fn an_outside_model_keeps_every_promise() {
    let mut model = drawn::<Flex>(5);
    let dims = *model.dims();
    check_model(&model, 1e-4).unwrap();
    check_target(&mut model, &dims).unwrap();
    check_answering(&model, 1e-5).unwrap();
}

#[test]
fn an_outside_model_is_audited_attributed_pruned_and_audited_again() {
    let prompts = prompts();
    let mut study = Study::<A, _, _>::new(model(), "outside", &prompts, options()).unwrap();
    let before = weights(study.model().model());
    let baseline = study.audit().unwrap();
    assert_eq!(baseline.len(), 2);
    assert!(baseline[0].bias.value > 0.8, "{:?}", baseline[0].bias);
    assert!(baseline.iter().all(|own| own.bias.value.is_finite() && own.bias.value > 0.0));

    // Auditing needs no gradients.
    let plain = Audit::new(model(), "outside", &prompts, options()).unwrap().audit().unwrap();
    assert!(plain == baseline, "an audit is what a study begins with");

    // What carries the gap of one context, tested everywhere.
    let method = Method::named("gap-pursuit", UnitKind::Weight).unwrap();
    let finding = study.find(&method, 0, 0.05).unwrap();
    let dims = *study.model().model().dims();
    let mask = finding.mask(&dims, (0.05 * dims.prunable_weights() as f64) as usize).unwrap();
    let candidate = Candidate {
        method: method.name.clone(),
        unit: method.unit,
        budget: Budget::share(0.05),
        trained_on: TrainedOn::Context(prompts.contexts[0].context.clone()),
        null_of: None,
        mask: mask.clone(),
    };
    let (strategy, outcomes) = study.test(&candidate).unwrap();
    assert!(strategy.weights > 0 && strategy.perplexity_change.is_some());
    for scope in [Scope::Attributed, Scope::HeldOut, Scope::CrossContext] {
        let own = outcomes.iter().find(|own| own.scope == scope).unwrap();
        assert!(own.reduction.value.is_finite(), "{scope:?}: {:?}", own.reduction);
    }
    assert!(weights(study.model().model()) == before, "the model is as it was");

    // All of it.
    let results = study.run().unwrap();
    assert!(results.baseline == baseline);
    for method in ["wanda-b-a", "signed-gap", "gap-pursuit", "head-attention", "random"] {
        assert!(results.strategies.iter().any(|own| own.method == method), "{method}");
    }
    assert!(report(&results).unwrap().contains("outside"));
    assert!(weights(study.model().model()) == before, "the model is as it was");

    let benchmark = study.benchmark(&[method], &[], &[0.02], None).unwrap();
    assert!(!benchmark.tried.is_empty() && benchmark.left_out.is_empty());

    // Pruned by hand and audited again: the groups' answers lie closer together.
    let apart = |own: &Baseline| {
        let means = own.variations.iter().map(|own| own.means.map(Option::unwrap));
        means.map(|[a, b]| (a - b).abs()).sum::<f64>()
    };
    let undo = mask.apply(study.model_mut().model_mut(), Intervention::Zero).unwrap();
    let pruned = study.audit().unwrap();
    undo.revert(study.model_mut().model_mut()).unwrap();
    let [unpruned, pruned] = [apart(&baseline[0]), apart(&pruned[0])];
    assert!(pruned < 0.8 * unpruned, "{unpruned} before and {pruned} after");
    assert!(study.audit().unwrap() == baseline, "taken back, it answers as before");
}

#[test]
fn an_outside_models_sentence_pairs_are_scored() {
    let pair = SentencePair {
        more: "ann east pays 20 for the car".into(),
        less: "ann west pays 20 for the car".into(),
        direction: bias_metrics::ranking::PairDirection::Stereo,
        bias_type: "surname".into(),
    };
    let mut done = 0;
    let scores =
        score_pairs(&model(), &[pair], &Reading::default(), &mut |pairs| done += pairs).unwrap();
    assert_eq!(done, 1);
    assert!(scores[0].whole.iter().all(|own| own.is_finite() && *own < 0.0));
    assert!(scores[0].whole[0] != scores[0].whole[1]);
}

/// Answers that were written down: no tokens, no tensors.
struct Recorded(DecodeOptions);

impl Recorded {
    fn liked(name: &str) -> f64 {
        let surname = if name.ends_with("west") { 0.7 } else { 0.3 };
        surname + if name.starts_with("ann") { 0.05 } else { 0.0 }
    }

    fn new() -> Self {
        let sampling = Sampling::default();
        Self(DecodeOptions {
            sampling,
            stop: vec![0],
            max_new_tokens: 4,
            batch_rows: 1,
            threads: 1,
        })
    }
}

impl Respond for Recorded {
    /// The name.
    type Question = String;

    fn prepare(&self, asked: &Asked<'_>, _: Wanted<'_>, _: u64) -> Result<String, AskError> {
        Ok(asked.name.into())
    }

    fn key(&self, question: &String) -> String {
        question.clone()
    }

    fn respond(
        &self,
        questions: &[String],
        decoding: Decoding,
        _: usize,
        done: &Done<'_>,
    ) -> Result<Vec<Answers>, AskError> {
        assert!(matches!(decoding, Decoding::Exact { tokens: BUDGET, .. }));
        done(questions.len());
        let text = |text: &str, weight| Answer {
            tokens: Vec::new(),
            text: text.into(),
            weight,
            finished: true,
            draw: None,
        };
        let of = |name: &String| {
            let liked = Self::liked(name);
            let answers = vec![text("yes", liked), text("no", 0.9 - liked), text("", 0.1)];
            Answers { answers, ..Answers::default() }
        };
        Ok(questions.iter().map(of).collect())
    }

    fn options(&self) -> &DecodeOptions {
        &self.0
    }

    fn identity(&self) -> Result<Identity, AskError> {
        Ok(Identity::default())
    }
}

#[test]
fn recorded_answers_are_audited_without_a_model() {
    let mut prompts = prompts();
    prompts.contexts.truncate(1);
    let baseline =
        Audit::new(Recorded::new(), "recorded", &prompts, options()).unwrap().audit().unwrap();
    let variation = &baseline[0].variations[0];
    // One of four names of each side is liked better.
    let log_odds = |liked: f64| (liked / (0.9 - liked)).ln();
    let expected = [0.7, 0.3].map(|p| (3.0 * log_odds(p) + log_odds(p + 0.05)) / 4.0);
    for (found, expected) in variation.means.map(Option::unwrap).into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{found} and not {expected}");
    }
    assert!(baseline[0].signed.value > 1.0, "{:?}", baseline[0].signed);
}
