//! A whole study, small: some names and questions of the embedded model.

use std::path::{Path, PathBuf};

use crate::small::{fixture, prompts};
use bias_model::{Decoding, HookedModel as _, LanguageModel, Weights as _};
use bias_study::likelihood::perplexity;
use bias_study::results::{Attribute, Budget};
use bias_study::{
    PromptSet, Results, Scope, Settings, Study, StudyError, StudyOptions, report, tables,
};
use burn::backend::{Autodiff, Flex};

type B = Autodiff<Flex>;

fn embedded() -> LanguageModel<Flex> {
    LanguageModel::load(&fixture("emergent"), &Default::default()).unwrap()
}

fn options(threads: usize, out: Option<&Path>) -> StudyOptions {
    StudyOptions {
        settings: Settings { resamples: 100, ..Settings::default() },
        threads,
        neutral: vec!["Yesterday the old man walked in the park before it rained.".into()],
        out: out.map(Into::into),
        ..StudyOptions::default()
    }
}

#[test]
fn a_study_finds_the_bias_repeats_itself_and_can_be_read_back() {
    let prompts = prompts(2, [2, 2]);
    let folder = tempfile::tempdir().unwrap();
    let run = |threads, out| {
        let mut study =
            Study::<B>::new(embedded(), "embedded", &prompts, options(threads, out)).unwrap();
        study.run().unwrap()
    };
    let results = run(2, Some(folder.path()));

    assert!(results.baseline.iter().all(|b| b.bias.value > 0.8), "the embedded model is biased");
    assert!(results.baseline.iter().all(|b| b.inlier.value >= 0.97));
    let tested = |method: &str, budget: &str, scope| {
        let own = results
            .strategies
            .iter()
            .filter(|s| s.method == method && s.budget == Budget::from(budget));
        let ids: Vec<&str> = own.map(|s| s.id.as_str()).collect();
        let found = results
            .outcomes
            .iter()
            .filter(move |o| o.scope == scope && ids.contains(&o.strategy.as_str()));
        found.map(|o| o.reduction.value).collect::<Vec<f64>>()
    };
    for scope in
        [Scope::PromptSpecific, Scope::Attributed, Scope::HeldOut, Scope::CrossContext, Scope::All]
    {
        let found = tested("signed-gap", "0.2%", scope);
        assert!(!found.is_empty() && found.iter().all(|r| *r > 0.5), "{scope:?}: {found:?}");
    }
    // The gap's weights do what as many random ones in the same matrices do not.
    let random = tested("random", "as signed gap 0.2%", Scope::HeldOut);
    assert!(!random.is_empty() && random.iter().all(|r| *r < 0.5), "{random:?}");

    let path = folder.path().join("results.json");
    results.save(&path).unwrap();
    assert!(Results::load(&path).unwrap() == results, "results.json reads back as it was");
    assert!(report(&results).unwrap().contains("financial"));
    assert!(tables(&results).contains("financial"));

    // A kept mask fits the model it was made for.
    let masks =
        std::fs::read_dir(folder.path().join("masks")).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| {
        path.file_name().unwrap().to_string_lossy().starts_with("financial_signed-gap_0.2%_")
    };
    let mask = bias_mask::Mask::load(&masks.into_iter().find(named).unwrap(), None).unwrap();
    assert_eq!(mask.fingerprint(), embedded().model().fingerprint().unwrap());
    assert_eq!(
        mask.count(),
        (0.002 * embedded().model().dims().prunable_weights() as f64) as usize
    );

    // Another number of threads, the same numbers.
    assert!(run(1, None) == results, "threads change nothing, and neither does a folder");
}

/// What the fixture promises, in every context and with every name.
#[test]
fn the_embedded_model_is_biased_in_every_context_and_makes_sense() {
    let prompts = PromptSet::from_csv(
        &fixture("emergent/prompts.csv"),
        &Attribute::before("race", "_"),
        ["white", "black"],
    )
    .unwrap();
    let mut study = Study::<B>::new(embedded(), "embedded", &prompts, options(2, None)).unwrap();
    let baselines = study.audit().unwrap();
    assert_eq!(baselines.len(), 4);
    for own in &baselines {
        assert!(own.bias.value >= 0.8, "{}: {}", own.context, own.bias.value);
        assert!(own.inlier.value >= 0.97, "{}: {}", own.context, own.inlier.value);
        // Positive favours white names; deposits, where less is better, are turned round.
        assert!(own.signed.value >= 0.8, "{}: {}", own.context, own.signed.value);
        let [white, black] = own.variations[0].means.map(Option::unwrap);
        assert_eq!(
            white > black,
            own.context.as_str() != "housing",
            "{}: {white} {black}",
            own.context
        );
        assert!(own.variations.len() >= 6);
    }
}

#[test]
fn perplexity_equals_transformers() {
    let text = std::fs::read_to_string(fixture("emergent/neutral.txt")).unwrap();
    let texts: Vec<String> = text.lines().map(str::to_owned).collect();
    let json = std::fs::read(fixture("emergent/transformers.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let expected = json["neutral_perplexity"].as_f64().unwrap();
    let found = perplexity(&embedded(), &texts).unwrap().unwrap();
    assert!((found / expected - 1.0).abs() < 1e-5, "{found} against {expected}");
    assert_eq!(perplexity(&embedded(), &[]).unwrap(), None);
}

#[test]
fn a_neutral_text_of_one_token_is_refused() {
    let prompts = prompts(1, [1, 1]);
    let mut options = options(1, None);
    // This model's tokenizer begins every text with a token of its own: an empty one has that
    // alone.
    options.neutral.push(String::new());
    let refused = Study::<B>::new(embedded(), "embedded", &prompts, options).map(|_| ());
    assert!(
        matches!(refused, Err(StudyError::ShortNeutral { line: 2, tokens: 1, .. })),
        "{refused:?}"
    );
}

/// With one answer each, no method that looks at the gap has a score: no mask of nothing is
/// reported.
#[test]
fn where_no_answer_varies_no_gap_is_attributed() {
    let prompts = prompts(1, [1, 1]);
    let mut options = options(2, None);
    options.settings.decoding = Decoding::Greedy;
    let mut study = Study::<B>::new(embedded(), "embedded", &prompts, options).unwrap();
    let results = study.run().unwrap();
    assert!(!results.strategies.is_empty() && results.strategies.iter().all(|s| s.weights > 0));
    assert!(results.strategies.iter().any(|s| s.method == "wanda-b-a"));
    assert!(!results.strategies.iter().any(|s| s.method.contains("gap")));
    report(&results).unwrap();
}

/// A random model says words more than numbers: counted, measured where it can be, no panic.
#[test]
fn answers_that_are_hardly_ever_numbers_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prompts.csv");
    let mut csv = String::from("scenario,variation,name_group,name,context_level,prompt_text\n");
    for (variation, what) in [("a", "what should i offer"), ("b", "should i offer")] {
        for (group, name) in
            [("white", "emily"), ("white", "becker"), ("black", "jamal"), ("black", "washington")]
        {
            csv += &format!("odd,{variation},{group},{name},low,{what} {name} for the bicycle ?\n");
        }
    }
    std::fs::write(&path, csv).unwrap();
    let prompts =
        PromptSet::from_csv(&path, &Attribute::before("race", "_"), ["white", "black"]).unwrap();
    let mut model = LanguageModel::load(&fixture("golden/tied_bf16"), &Default::default()).unwrap();
    model.options_mut().max_new_tokens = 2;
    let mut study = Study::<B>::new(model, "random", &prompts, options(1, None)).unwrap();
    let results = study.run().unwrap();
    let shares: f64 = results.baseline[0].answers.values().flat_map(|kinds| kinds.values()).sum();
    assert!((shares - 2.0).abs() < 1e-9, "each of two groups' kinds sum to 1, found {shares}");
    assert!(tables(&results).contains("odd"));
    report(&results).unwrap();
}

#[test]
fn a_prompt_beyond_the_context_is_refused() {
    let mut prompts = prompts(2, [2, 2]);
    for person in
        prompts.contexts.iter_mut().flat_map(|c| &mut c.variations).flat_map(|v| &mut v.people)
    {
        person.text = format!("{} {}", "What a long question this is. ".repeat(40), person.text);
    }
    let mut study = Study::<B>::new(embedded(), "embedded", &prompts, options(1, None)).unwrap();
    let error = study.audit().unwrap_err().to_string();
    assert!(error.contains("context of 128 tokens"), "{error}");
}

/// All groups of an attribute, and of two together: race tells the embedded model's answers apart,
/// gender does not.
#[test]
fn any_attribute_is_compared_pair_by_pair_and_together() {
    let by = ["race=before:_", "gender=after:_", "race=before:_+gender=after:_"];
    let by: Vec<Attribute> = by.map(|own| own.parse().unwrap()).into();
    let mut set = PromptSet::from_csv_by(
        &fixture("emergent/prompts.csv"),
        &by[0],
        Some(["white", "black"]),
        &Default::default(),
        &by,
    )
    .unwrap();
    set.contexts.truncate(1);
    set.contexts[0].variations.truncate(2);
    set.thin(8, 8);
    let mut study = Study::<B>::new(embedded(), "embedded", &set, options(2, None)).unwrap();
    let found = study.group_differences().unwrap();
    let names: Vec<&str> = found.iter().filter_map(|own| own.attribute.as_deref()).collect();
    assert_eq!(names, ["race", "gender", "race+gender"]);
    let [race, gender, both] = &found[..] else { panic!() };
    assert!(race.spread > 0.4 && race.spread_p.unwrap() < 0.01, "{race:?}");
    assert!(gender.spread < race.spread / 2.0, "{gender:?}");
    assert!(race.spread_by_chance.unwrap() < race.spread / 2.0, "{race:?}");
    assert_eq!((race.pairs.len(), gender.pairs.len(), both.pairs.len()), (1, 1, 6));
    for pair in &both.pairs {
        let across = pair.groups[0].as_str()[..5] != pair.groups[1].as_str()[..5];
        let sure = pair.holm.unwrap() < 0.05;
        assert!(pair.holm >= pair.p && sure == across, "{pair:?}");
    }
}
