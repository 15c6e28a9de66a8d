//! Benchmarks, tasks and names before and after every mask of a study.

use std::path::{Path, PathBuf};

use bias_frameworks::items::{Item, Labels, NameQuestions, Texts};
use bias_frameworks::measures::{Statistic, statistics};
use bias_frameworks::score::Score;
use bias_frameworks::{Framework, ItemSet, Scorer, read};
use bias_mask::{Intervention, Mask};
use bias_model::{LanguageModel, Tokenize as _};
use bias_study::report::figures;
use bias_study::run::{Manifest, verify};
use bias_study::{
    Experiment, Plan, PromptSet, Results, Settings, Study, StudyOptions, report, tables,
};
use burn::backend::{Autodiff, Flex};

use crate::small::{fixture, prompts};

type B = Autodiff<Flex>;

fn embedded() -> LanguageModel<Flex> {
    LanguageModel::load(&fixture("emergent"), &Default::default()).unwrap()
}

fn options(out: Option<&Path>, also: Vec<ItemSet>) -> StudyOptions {
    StudyOptions {
        settings: Settings { resamples: 60, ..Settings::default() },
        plan: Plan::Short,
        threads: 2,
        out: out.map(Into::into),
        experiments: vec![Experiment::Transfer],
        also,
        ..StudyOptions::default()
    }
}

fn run(prompts: &PromptSet, options: StudyOptions) -> Results {
    Study::<B>::new(embedded(), "embedded", prompts, options).unwrap().run().unwrap()
}

fn sets(prompts: &PromptSet) -> Vec<ItemSet> {
    let own =
        |framework, name: &str| read(framework, &[&fixture("frameworks").join(name)]).unwrap();
    vec![
        own(Framework::Crows, "crows.csv"),
        own(Framework::Bbq, "bbq.jsonl"),
        own(Framework::Tasks, "tasks_embedded.jsonl"),
        prompts.name_questions(&[], &["{name} was".into()]).unwrap(),
    ]
}

/// A measure of items that a model scores directly.
fn direct(model: &LanguageModel<Flex>, set: &ItemSet, name: &str) -> f64 {
    let prefix = model.text().prefix_token().unwrap().unwrap();
    let scored = Scorer::new(model.model(), model.text(), prefix, model.options());
    let scored = scored.score(set, &|_| {}).unwrap();
    let rows: Vec<(&Item, &[Score])> =
        set.items.iter().zip(scored.scores.iter().flatten().map(Vec::as_slice)).collect();
    let all = statistics(set.framework, &rows);
    all.iter().find(|own| own.name == name).and_then(Statistic::value).unwrap()
}

fn named(folder: &Path, part: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder.join("pieces")).unwrap().map(|own| own.unwrap().path());
    let holds = |path: &PathBuf| std::fs::read_to_string(path).unwrap().contains(part);
    files.filter(holds).collect()
}

#[test]
fn benchmarks_are_scored_before_and_after_every_mask() {
    let prompts = prompts(1, [2, 2]);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("study");
    let plain = run(&prompts, options(Some(&out), Vec::new()));
    let json = serde_json::to_string(&plain).unwrap();
    assert!(plain.also.is_none() && !json.contains("\"also\""), "nothing that was not asked for");

    // The same study goes on with benchmarks: nothing else changes.
    let sets = sets(&prompts);
    let results = run(&prompts, options(Some(&out), sets.clone()));
    assert!(Results { also: None, ..results.clone() } == plain);
    let also = results.also.as_ref().unwrap();
    let frameworks: Vec<Framework> = also.frameworks.iter().map(|own| own.framework).collect();
    assert_eq!(
        frameworks,
        [Framework::Crows, Framework::Bbq, Framework::Tasks, Framework::Recognition]
    );
    for own in &results.strategies {
        for (framework, measure) in [
            (Framework::Crows, "pct_stereotype"),
            (Framework::Bbq, "s_amb"),
            (Framework::Tasks, "acc"),
            (Framework::Recognition, "recognised"),
        ] {
            let change = also.change(&own.id, framework, measure).unwrap();
            let before = also.before(framework, measure);
            assert_eq!(change.difference, change.after.zip(before).map(|(a, b)| a - b));
            if let (Some([low, high]), Some(value)) = (change.interval, change.difference) {
                assert!(low - 1e-9 <= value && value <= high + 1e-9, "{change:?}");
            }
            assert!(change.p.is_none() || change.p_holm >= change.p, "{change:?}");
        }
    }
    assert!(also.changes.iter().any(|own| own.p_holm.is_some()));
    // The numbers are those of the model itself, and of the model under a mask.
    let mut model = embedded();
    let near = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() < 1e-9;
    assert!(near(
        also.before(Framework::Crows, "likelihood_diff"),
        direct(&model, &sets[0], "likelihood_diff")
    ));
    let strategy = results.strategies.iter().find(|own| own.weights > 100).unwrap();
    let mask = std::fs::read_dir(out.join("masks")).unwrap().map(|own| own.unwrap().path());
    let mask =
        mask.map(|path| Mask::load(&path, None).unwrap()).find(|m| m.digest() == strategy.mask);
    let _ = mask.unwrap().apply(model.model_mut(), Intervention::Zero).unwrap();
    let change = also.change(&strategy.id, Framework::Crows, "likelihood_diff").unwrap();
    assert!(change.difference.is_some_and(|own| own != 0.0), "{change:?}");
    assert!(near(change.after, direct(&model, &sets[0], "likelihood_diff")));

    // What is reported.
    let (page, text) = (report(&results).unwrap(), tables(&results));
    for part in
        ["What else does a mask change?", "pct_stereotype", "names recognised", "chance 50.0%"]
    {
        assert!(page.contains(part) && text.contains(part), "{part}");
    }
    assert!(!report(&plain).unwrap().contains("What else does a mask change?"));
    let all = figures(&results).unwrap();
    let of = |name: &str| all.iter().find(|own| own.name == name).unwrap();
    for name in ["pareto-own-tasks", "pareto-others-tasks", "pareto-own-recognition"] {
        assert!(of(name).csv.contains(",capability,reduction,"), "{}", of(name).csv);
        assert!(page.contains(&format!("figures/{name}.csv")));
    }
    assert!(all.iter().all(|own| own.name != "pareto-own-crows"), "a benchmark is no capability");
    assert_eq!(of("also").csv.lines().count(), also.changes.len() + 1);

    // Results read back, and are a pure function of the pieces, which hold no benchmark's texts.
    let path = out.join("results.json");
    results.save(&path).unwrap();
    assert!(Results::load(&path).unwrap() == results);
    std::fs::write(out.join("report.html"), &page).unwrap();
    std::fs::create_dir_all(out.join("figures")).unwrap();
    for own in &all {
        std::fs::write(out.join("figures").join(format!("{}.csv", own.name)), &own.csv).unwrap();
    }
    Manifest::seal(&out).unwrap();
    verify(&out).unwrap();
    assert!(named(&out, "could not pay the rent").is_empty());

    // Other labels of the same texts are another set, of the same scores.
    let mut relabelled = sets.clone();
    for item in &mut relabelled[2].items {
        if let Labels::Choice { right, lengths, .. } = &mut item.labels {
            *right = (*right + 1) % lengths.len();
        }
    }
    let scores = named(&out, "\"piece\":{\"also\"");
    let other = run(&prompts, options(Some(&out), relabelled));
    let acc = |own: &Results| own.also.as_ref().unwrap().before(Framework::Tasks, "acc").unwrap();
    assert!(acc(&other) < acc(&results) - 0.3, "{} {}", acc(&other), acc(&results));
    assert_eq!(named(&out, "\"piece\":{\"also\"").len(), scores.len(), "nothing was scored again");

    // What was lost is scored again, and nothing else is done.
    assert!(scores.len() > 8, "{}", scores.len());
    let kept = std::fs::read(&scores[0]).unwrap();
    for path in scores.iter().step_by(3).chain(&named(&out, "\"piece\":{\"also_items\"")[..1]) {
        std::fs::remove_file(path).unwrap();
    }
    assert!(run(&prompts, options(Some(&out), sets.clone())) == results);
    assert_eq!(std::fs::read(&scores[0]).unwrap(), kept, "the same, whenever it is computed");
    // A damaged piece is named.
    std::fs::write(&scores[0], String::from_utf8(kept).unwrap().replacen("[[", "[null,[", 1))
        .unwrap();
    let mut study =
        Study::<B>::new(embedded(), "embedded", &prompts, options(Some(&out), sets)).unwrap();
    assert!(study.run().unwrap_err().to_string().contains("is damaged"));
}

#[test]
fn questions_about_names_are_made_of_the_prompts() {
    let prompts = prompts(1, [2, 2]);
    assert_eq!(prompts.named_groups(), ["white", "black"]);
    let set = prompts.name_questions(&[], &[]).unwrap();
    let names = prompts.contexts[0].variations[0].people.len();
    assert_eq!(set.items.len(), names * NameQuestions::TEMPLATES.len());
    let words = |group: &str| {
        let words = [(group.to_owned(), "Black people".to_owned())];
        prompts.name_questions(&words, &[])
    };
    let Texts::Continued(texts) = &words("black").unwrap().items[0].texts.clone() else { panic!() };
    let said: Vec<&str> = texts.iter().map(|own| own.continuation.as_str()).collect();
    assert_eq!(said, [" white", " Black people"]);
    let error = words("green").unwrap_err().to_string();
    assert!(error.contains("no group `green`") && error.contains("white, black"), "{error}");
    assert!(prompts.name_questions(&[], &["Hello".into()]).is_err());
}
