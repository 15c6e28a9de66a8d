//! A benchmark on a planted model: what it says of methods whose worth is known.

use std::path::PathBuf;

use bias_model::{Decoding, LanguageModel};
use bias_study::find::Truth;
use bias_study::report::{
    budgets_table, left_out_table, localisation_table, pareto_chart, pareto_table, transfer_table,
};
use bias_study::results::{Attribute, Benchmark, Budget, MATCHED, ORACLE, Tried};
use bias_study::{Finding, Method, PromptSet, Scope, Settings, Study, StudyOptions, TrainedOn};
use bias_types::UnitKind;
use burn::backend::{Autodiff, Flex};

type A = Autodiff<Flex>;

fn run(methods: &[Method<A>], all_but: &[Method<A>]) -> Benchmark {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/planted/shared-40");
    let mut prompts = PromptSet::from_csv(
        &folder.join("prompts.csv"),
        &Attribute::before("race", "_"),
        ["white", "black"],
    )
    .unwrap();
    prompts.thin(2, 2);
    let truth = Truth::load(&folder.join("truth.json")).unwrap();
    let model = LanguageModel::load(&folder, &Default::default()).unwrap();
    let settings =
        Settings { decoding: Decoding::exact_within(1e-2), resamples: 50, ..Settings::default() };
    let options = StudyOptions { settings, threads: 2, ..StudyOptions::default() };
    let mut study = Study::<A>::new(model, "shared-40", &prompts, options).unwrap();
    study.benchmark(methods, all_but, &[0.001], Some(&truth)).unwrap()
}

fn reduction(tried: &Tried, scope: Scope) -> f64 {
    let own: Vec<f64> =
        tried.outcomes.iter().filter(|o| o.scope == scope).map(|o| o.reduction.value).collect();
    own.iter().sum::<f64>() / own.len() as f64
}

#[test]
fn methods_are_held_against_the_truth_and_against_chance() {
    let nothing = Method::<A>::new("nothing", UnitKind::Weight, "a method of one's own", |_| {
        Ok(Finding::Order(Vec::new()))
    });
    let of = |name, unit| Method::<A>::named(name, unit).unwrap();
    let methods = [
        of("signed-gap", UnitKind::Weight),
        of("random", UnitKind::Weight),
        of("signed-gap", UnitKind::Neuron),
        nothing,
    ];
    let found = run(&methods, &[of("signed-gap", UnitKind::Weight)]);
    assert_eq!(found.shared_fraction, Some(0.4));
    assert_eq!(found.baseline.len(), 3);

    for own in found.tried.iter().filter(|t| t.strategy.method == ORACLE) {
        let [precision, recall] = own.precision_recall.unwrap();
        assert_eq!(recall, 1.0);
        assert_eq!(precision == 1.0, own.strategy.budget != Budget::OfAllContexts);
        assert!(reduction(own, Scope::HeldOut) > 0.9, "{}", own.strategy.id);
    }
    let of = |method: &str, unit| {
        let own = found
            .tried
            .iter()
            .filter(move |t| t.strategy.method == method && t.strategy.unit == unit);
        own.filter(|t| matches!(t.strategy.trained_on, TrainedOn::Context(_))).collect::<Vec<_>>()
    };
    let (gap, chance) = (of("signed-gap", UnitKind::Weight), of("random", UnitKind::Weight));
    assert_eq!((gap.len(), chance.len()), (3, 3));
    for (gap, chance) in gap.iter().zip(&chance) {
        assert_eq!(gap.strategy.weights, chance.strategy.weights);
        assert!(reduction(gap, Scope::HeldOut) > reduction(chance, Scope::HeldOut) + 0.3);
        assert!(gap.precision_recall.unwrap()[0] > 5.0 * chance.precision_recall.unwrap()[0]);
    }
    let left_out =
        found.tried.iter().filter(|t| matches!(t.strategy.trained_on, TrainedOn::AllBut(_)));
    for own in left_out.clone() {
        assert!(own.outcomes.len() == 1 && own.outcomes[0].scope == Scope::LeftOut);
    }
    assert_eq!(left_out.count(), 3);
    let nulls: Vec<_> = found.tried.iter().filter(|t| t.strategy.method == MATCHED).collect();
    assert_eq!(nulls.len(), 3, "one for each context's signed gap");
    for null in nulls {
        let of = null.strategy.null_of.as_deref().unwrap();
        assert!(
            found.tried.iter().any(|t| t.strategy.id == of && t.strategy.method == "signed-gap"),
            "{of}"
        );
        assert!(
            reduction(null, Scope::HeldOut) < 0.3 && null.outcomes.len() == 1,
            "on held-out variations at home only"
        );
    }
    let nothing: Vec<_> = found.tried.iter().filter(|t| t.strategy.method == "nothing").collect();
    assert_eq!(nothing.len(), 3, "what chooses nothing is counted, as no reduction");
    assert!(
        nothing
            .iter()
            .all(|t| reduction(t, Scope::HeldOut).abs() < 1e-6 && t.strategy.weights == 0)
    );
    assert_eq!(found.tried.iter().filter(|t| t.strategy.method == ORACLE).count(), 6);

    for own in &found.located {
        let good = if own.method == "random" { 0.45..0.55 } else { 0.85..1.0 };
        assert!(good.contains(&own.found.auroc), "{} {}: {:?}", own.method, own.context, own.found);
    }
    assert_eq!(found.located.len(), 9);

    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Benchmark>(&json).unwrap(), found);
    let one = std::slice::from_ref(&found);
    for page in [
        pareto_table(&found),
        budgets_table(&found),
        localisation_table(&found),
        transfer_table(one),
        left_out_table(one),
    ] {
        assert!(page.contains("| signed-gap |"), "{page}");
        let cells = |line: &str| line.matches('|').count();
        let lines: Vec<&str> = page.lines().collect();
        assert!(lines.iter().all(|line| cells(line) == cells(lines[0])), "{page}");
    }
    assert!(pareto_chart(&found, Scope::HeldOut).unwrap().starts_with("<svg"));
}
