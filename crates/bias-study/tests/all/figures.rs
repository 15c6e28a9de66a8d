//! Figures: each with its numbers, whatever the results hold, and nothing in them runs.

use std::collections::BTreeSet;

use crate::made_up::{HOSTILE, emptied, results};
use bias_study::report::{Figure, figures};
use bias_study::results::{Location, Strategy};
use bias_study::{Experiment, Results, TrainedOn, report};
use bias_types::model::Sublayer;
use bias_types::prompt::Context;

fn figure(results: &Results, name: &str) -> Figure {
    let all = figures(results).unwrap();
    let names: Vec<String> = all.iter().map(|f| f.name.clone()).collect();
    all.into_iter()
        .find(|f| f.name == name)
        .unwrap_or_else(|| panic!("{name} is not among {names:?}"))
}

fn rows(figure: &Figure) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(figure.csv.as_bytes());
    let rows = reader.records().map(|row| row.unwrap().iter().map(Into::into).collect());
    rows.collect()
}

/// What holds of every figure of any results.
fn check(results: &Results) -> Vec<Figure> {
    let all = figures(results).unwrap();
    let page = report(results).unwrap();
    let names: BTreeSet<&str> = all.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "every figure has files of its own");
    for own in &all {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(
            !own.name.is_empty() && own.name.len() < 60 && own.name.chars().all(plain),
            "{}",
            own.name
        );
        let file = format!("figures/{}.csv", own.name);
        assert!(page.contains(&format!("href=\"{file}\"")), "the page names {file}");
        assert!(!rows(own).is_empty(), "{file} has numbers");
        for made_up in ["NaN", "inf,", ",inf"] {
            assert!(!own.csv.contains(made_up), "{}", own.csv);
        }
        let Some(svg) = &own.svg else { continue };
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox="), "{svg}");
        assert!(
            svg.contains("<title>") && svg.contains("role=\"img\"") && svg.ends_with("</svg>\n"),
            "{svg}"
        );
        assert!(!svg.contains("NaN") && !svg.contains("<script"), "{svg}");
        let opened = svg.matches("<text").count();
        assert_eq!(opened, svg.matches("</text>").count(), "{svg}");
    }
    all
}

#[test]
fn every_figure_has_its_numbers_and_its_caption() {
    let all = check(&results("financial"));
    let names: Vec<&str> = all.iter().map(|f| f.name.as_str()).collect();
    let expected = [
        "smd-1-financial",
        "smd-2-commercial",
        "answers-1-financial",
        "answers-2-commercial",
        "kinds",
        "baseline",
        "focus-transfer",
        "focus-overlap",
        "transfer",
        "by-share-own",
        "by-share-others",
        "by-share-inlier",
        "pareto-own-inlier",
        "pareto-others-inlier",
        "overlap",
        "layers",
        "shortfall",
    ];
    assert_eq!(names, expected, "no perplexity was measured, so nothing is drawn against it");
    // Heat maps are tables of the page.
    for own in &all {
        assert_eq!(
            own.svg.is_none(),
            ["transfer", "overlap", "layers"].contains(&own.name.as_str()),
            "{}",
            own.name
        );
    }
}

#[test]
fn numbers_are_those_of_the_results() {
    let results = results("financial");
    let smd = rows(&figure(&results, "smd-1-financial"));
    let row = [
        "financial",
        "variation",
        "b",
        "held_out",
        "-0.25",
        "-0.35",
        "-0.15",
        "0.0625",
        "0.5",
        "0.046875",
        "2",
        "1",
        "free answer",
        "",
        "0",
        "",
        "",
        "",
        "",
    ];
    assert_eq!(smd[1], row);
    assert_eq!(
        smd[3][..5],
        ["financial", "mean_abs_smd", "", "", "0.5"],
        "the context's summary comes last"
    );
    let answers = rows(&figure(&results, "answers-2-commercial"));
    assert_eq!(
        answers[2],
        ["commercial", "b", "held_out", "white", "1", "1.5", "2", "2.5", "1234.5", "2"]
    );
    let kinds = rows(&figure(&results, "kinds"));
    assert_eq!(
        kinds[0],
        ["financial", "without_number", "0.25", "0.125", "0.125", "0.0625", "0.1875"]
    );
    assert_eq!(kinds[2], ["financial", "refusal", "0.25", "0", "0.25", "", ""]);
    let shortfall = rows(&figure(&results, "shortfall"));
    assert_eq!(shortfall[0][3..7], ["financial", "commercial", "0.3", "0.3125"]);
    let pareto = rows(&figure(&results, "pareto-others-inlier"));
    assert_eq!(pareto[0][4..8], ["commercial", "0.01", "0.75", "0.3"]);
}

#[test]
fn every_input_that_a_study_may_leave_is_drawn() {
    check(&emptied(results("financial")));
    check(&results(HOSTILE));
    check(&results(&"long ".repeat(400)));
    check(&results("数 عربى \u{202e}🙂"));

    let mut alone = results("financial");
    alone.focus = [alone.focus[0].clone(), alone.focus[0].clone()];
    alone.prompts.contexts.truncate(1);
    alone.baseline.truncate(1);
    alone.baseline[0].variations.truncate(1);
    let on = alone.baseline[0].context.clone();
    alone.outcomes.retain(|o| o.context == on);
    alone.overlaps.clear();
    check(&alone);
    alone.strategies.clear();
    assert_eq!(check(&alone).len(), 4, "differences, answers, kinds, baseline");
    assert!(
        !report(&alone).unwrap().contains("How weights were chosen"),
        "nothing is said about masks where none was made"
    );
    alone.baseline.clear();
    assert!(check(&alone).is_empty());
}

/// However a context is called, the masks made from it are found: their ids quote some names.
#[test]
fn layers_are_compared_with_masks_that_may_choose_everywhere() {
    for name in ["pay", "pay: raise", "(pay)", "\"pay\""] {
        let mut results = results("financial");
        let context: Context = name.parse().unwrap();
        let trained_on = TrainedOn::Context(context.clone());
        results.focus[0] = context;
        let first = results.strategies[0].clone();
        let own = |experiment, method: &str, budget: &str| Strategy {
            id: format!("{trained_on}/{method}/{budget}"),
            experiment,
            method: method.into(),
            trained_on: trained_on.clone(),
            budget: budget.into(),
            null_of: (method == "random").then(|| format!("{trained_on}/signed-gap/{budget}")),
            ..first.clone()
        };
        let free = own(Experiment::Transfer, "signed-gap", "0.2%");
        results.locations.push(Location {
            strategy: free.id.clone(),
            layer: 1,
            sublayer: Sublayer::Mlp,
            chosen: 8,
            expected: 4.0,
            deviation: 1.0,
        });
        let layers = ["signed-gap", "random"]
            .map(|method| own(Experiment::Layers, method, "0.2% in layer 1"));
        results.strategies.extend([free].into_iter().chain(layers));
        let table = figure(&results, "by-layer");
        let (head, row) = (table.csv.lines().next().unwrap().to_owned(), &rows(&table)[0]);
        let of = |column: &str| row[head.split(',').position(|own| own == column).unwrap()].clone();
        assert_eq!([of("chosen_in_layer"), of("expected_in_layer")], ["8", "4"], "{name}");
    }
}

#[test]
fn of_many_variations_the_largest_are_drawn_and_all_are_written() {
    let mut many = results("financial");
    let own = &mut many.baseline[0];
    let first = own.variations[0].clone();
    own.variations = (0..300)
        .map(|i| {
            let smd = Some(bias_metrics::EffectSize::Finite(f64::from(i) / 100.0 - 1.0));
            bias_study::results::VariationBaseline {
                variation: format!("question {i}"),
                smd,
                ..first.clone()
            }
        })
        .collect();
    check(&many);
    for (name, rows_of_each, most) in [("smd-1-financial", 1, 40), ("answers-1-financial", 2, 24)] {
        let figure = figure(&many, name);
        assert!(rows(&figure).len() >= 300 * rows_of_each);
        let svg = figure.svg.unwrap();
        assert!(svg.contains("question 299") && !svg.contains("question 100\n"), "the largest");
        assert_eq!(svg.matches("question ").count(), most);
    }
    assert!(report(&many).unwrap().contains("300 variations: the largest differences are drawn"));
}

#[test]
fn labels_are_no_formulas() {
    for label in ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)"] {
        let mut results = results("financial");
        results.baseline[0].variations[0].variation = label.into();
        let csv = figure(&results, "smd-1-financial").csv;
        assert!(
            csv.contains(&format!(",'{label},")) && !csv.contains(&format!(",{label},")),
            "{csv}"
        );
    }
}

#[test]
fn equal_results_make_equal_files() {
    assert_eq!(figures(&results("financial")).unwrap(), figures(&results("financial")).unwrap());
}

#[test]
fn every_figure_and_column_is_documented() {
    let docs = include_str!("../../../../docs/results-schema.md");
    let (_, docs) = docs.split_once("# figures/").unwrap();
    let mut results = results("financial");
    results.strategies.iter_mut().for_each(|s| s.perplexity_change = Some(0.01));
    for own in check(&results) {
        let general = |what: &str| {
            if own.name.starts_with(what) { format!("{what}N-CONTEXT") } else { String::new() }
        };
        let names = [own.name.clone(), general("smd-"), general("answers-")];
        let row =
            docs.lines().find(|line| names.iter().any(|name| line.contains(&format!("`{name}`"))));
        let row = row.unwrap_or_else(|| panic!("{} is not documented", own.name));
        for column in own.csv.lines().next().unwrap().split(',') {
            assert!(
                row.contains(&format!("`{column}`")),
                "{column} of {} is not documented",
                own.name
            );
        }
    }
}
