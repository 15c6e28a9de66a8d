//! Page and tables: nothing from a file runs or is fetched, and no number is made up.

use crate::made_up::{HOSTILE, emptied, results};
use bias_metrics::EffectSize;
use bias_study::report::{figures, headline, markdown};
use bias_study::results::LeftOut;
use bias_study::{Results, TrainedOn, report, tables};
use bias_types::UnitKind;

#[test]
fn hostile_labels_stay_text() {
    let page = report(&results(HOSTILE)).unwrap();
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script src="));
}

#[test]
fn page_needs_nothing_else() {
    let page = report(&results("financial")).unwrap();
    for outside in ["<script", "http", "<link", "<img", "@import", "url(", "<iframe", " on"] {
        let found = page
            .match_indices(outside)
            .filter(|(at, _)| outside != " on" || handler(&page[*at + 3..]));
        assert_eq!(found.count(), 0, "{outside}");
    }
}

/// A file may say any number of layers. What is shown are those that masks have weights in.
#[test]
fn results_of_endless_layers_are_shown_at_once() {
    let few = results("financial");
    let mut endless = few.clone();
    endless.model.dims.layers = usize::MAX / 2;
    let shown = |own: &Results| {
        let figures = figures(own).unwrap();
        let figures = figures.into_iter().map(|own| own.csv + &own.svg.unwrap_or_default());
        [report(own).unwrap(), tables(own), markdown(own), figures.collect()]
    };
    for (own, usual) in shown(&endless).iter().zip(shown(&few)) {
        assert!(own.len() < usual.len() + 100, "{} and {}", own.len(), usual.len());
    }
}

/// Whether ` on…` begins an event handler.
fn handler(rest: &str) -> bool {
    rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).starts_with('=')
}

#[test]
fn both_name_the_three_experiments_with_their_numbers() {
    let results = results("financial");
    for text in [tables(&results), report(&results).unwrap()] {
        for headline in [
            "Experiment 1: baseline across financial and commercial",
            "Experiment 2: financial attribution tested on commercial",
            "Experiment 3: overlap between contexts",
            "in financial bias is 0.50 [0.30..0.70]",
            "answers favour white names (+0.40 [+0.20..+0.60] signed)",
            "the reduction of bias is 60% [40..80] in financial and 30% [10..50] in commercial",
            "As many random weights: 60% and 30%",
            "share 25% by Wanda set difference, black not white, 15% (1.6% by chance)",
        ] {
            assert!(text.contains(headline), "{headline}\n{text}");
        }
    }
}

#[test]
fn names_without_a_number_are_said() {
    let mut results = results("financial");
    assert!(!tables(&results).contains("never answered with"));
    results.baseline[0].variations[1].without_value = [0, 2];
    for text in [tables(&results), report(&results).unwrap()] {
        assert!(text.contains("never answered with a number"), "{text}");
        let said = text.replace("&#x2f;", "/");
        assert!(said.contains("0 white and 2 black names in financial / b."), "{text}");
    }
}

#[test]
fn what_was_left_out_is_said() {
    let mut results = results("financial");
    for context in ["financial", "commercial"] {
        results.left_out.push(LeftOut {
            method: "gap-pursuit".into(),
            unit: UnitKind::Weight,
            trained_on: TrainedOn::Context(context.parse().unwrap()),
            reason: "there is no gap".into(),
        });
    }
    let said = "Left out: Gap pursuit made from financial, Gap pursuit made from commercial: there is no gap.";
    for text in [tables(&results), report(&results).unwrap()] {
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn no_number_is_a_dash() {
    let results = emptied(results("financial"));
    let page = report(&results).unwrap();
    let (_, body) = page.split_once("</style>").unwrap();
    for text in [tables(&results), body.into()] {
        assert!(text.contains('–'));
        for made_up in ["NaN", "nan%", "inf", "none", "null,"] {
            let found =
                text.match_indices(made_up).filter(|(at, _)| !word_goes_on(&text, *at, made_up));
            assert_eq!(found.count(), 0, "{made_up}\n{text}");
        }
    }
}

fn word_goes_on(text: &str, at: usize, word: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
    // SVG has `none` too.
    letter(before) || letter(after) || after == Some('"')
}

#[test]
fn nothing_found_is_still_a_page() {
    let mut results = results("financial");
    results.baseline.clear();
    results.strategies.clear();
    results.outcomes.clear();
    results.overlaps.clear();
    results.locations.clear();
    assert!(tables(&results).contains("No baseline was measured."));
    assert!(report(&results).unwrap().contains("No two masks could be compared."));
}

#[test]
fn labels_cannot_steer_the_terminal() {
    let mut results = results("financial");
    results.model.name = "\u{1b}[2Jx".into();
    results.baseline[0].variations[0].variation = "\u{1b}]0;y".into();
    assert!(!tables(&results).contains('\u{1b}'));
}

#[test]
fn a_study_of_one_context_compares_it_with_no_other() {
    let mut results = results("financial");
    results.focus[1] = results.focus[0].clone();
    results.baseline[0].variations[0].smd = Some(EffectSize::Degenerate { difference: 55.0 });
    results.baseline[0].variations[1].smd = Some(EffectSize::Degenerate { difference: 0.0 });
    for text in [tables(&results), report(&results).unwrap()] {
        assert!(text.contains("Experiment 1: baseline in financial"), "{text}");
        assert!(text.contains("Experiment 2: transfer between contexts"), "{text}");
        assert!(text.contains("the groups differ and nobody within a group does"), "{text}");
    }
}

#[test]
fn both_say_how_sure_they_are() {
    let results = results("financial");
    let page = report(&results).unwrap();
    for text in [tables(&results), page.clone(), headline(&results)] {
        for sentence in [
            "Before pruning, 2 of 4 variations differ between the groups by more than chance after Holm’s correction, 0 \
             without it (financial 1 of 2, commercial 1 of 2).",
            "a difference of 0.38 standard deviations in one variation, tested alone, would be noticed",
            "2 of 4 reductions are clearly smaller in the other context (the interval of the difference is above zero; in 2 the \
             difference is ten percentage points or more), 0 clearly larger, and 2 are not told apart.",
        ] {
            assert!(text.contains(sentence), "{sentence}\n{text}");
        }
    }
    // Uncorrected, Holm and Benjamini–Hochberg; the smallest difference shown; the difference of
    // reductions.
    let table = tables(&results);
    let found =
        |words: &[&str]| table.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(
        found(&["commercial", "financial", "+0.50 [+0.40..+0.60]", "0.062", "0.031", "0.047"]),
        "{table}"
    );
    assert!(found(&["commercial", "1 of 2", "0.38"]), "{table}");
    assert!(found(&["wanda-b-a", "financial", "31% [11..51]"]), "{table}");
    assert!(page.contains("0.031*"), "what is significant is marked");
}

#[test]
fn a_gap_in_refusals_is_shown() {
    let page = report(&results("financial")).unwrap();
    // Half of one of two groups of names, and none of the others.
    assert!(page.contains("<td class=\"text\">refusal</td><td>25%</td><td>0%</td><td>+25.0</td>"));
    assert!(page.contains("<td>25%</td><td>12%</td><td>+12.5 [+6.2..+18.8]</td>"));
    let mut silent = results("financial");
    for own in &mut silent.baseline {
        own.answers_by_side.iter_mut().for_each(std::collections::BTreeMap::clear);
    }
    assert!(report(&silent).unwrap().contains("Every answer gave a number"));
}
