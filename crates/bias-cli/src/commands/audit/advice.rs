//! What to try where answers do not say what was asked.

use std::collections::BTreeMap;

use bias_metrics::parse::AnswerKind;
use bias_study::results::{Baseline, Kind};

/// How the model was asked, as far as advice depends on it.
#[derive(Default)]
pub(super) struct Asked {
    pub max_new_tokens: usize,
    /// Whether the chat template was told anything.
    pub told_template: bool,
    /// Whether answers are in a file, or written to one.
    pub answers: bool,
    /// Whether they were recorded, so that nothing can be asked again here.
    pub recorded: bool,
}

/// What to try for a context, in a line: where most of its answers have no value, by what most of
/// these are; where they have, and there is still no difference, by that. `None` where most answers
/// have a value and there is a difference.
pub(super) fn advice(own: &Baseline, asked: &Asked) -> Option<String> {
    let kinds = kinds(own);
    let without: f64 = kinds.values().sum();
    if without > 0.5 {
        return Some(no_value(own, &kinds, asked));
    }
    (!own.bias.value.is_finite()).then(|| no_difference(without))
}

/// The shares of answers without a value, by kind.
fn kinds(own: &Baseline) -> BTreeMap<AnswerKind, f64> {
    let mut kinds: BTreeMap<AnswerKind, f64> = BTreeMap::new();
    for (kind, share) in own.answers_by_side.iter().flatten() {
        if !matches!(kind, AnswerKind::Number | AnswerKind::Range | AnswerKind::Option) {
            *kinds.entry(*kind).or_default() += share / 2.0;
        }
    }
    kinds
}

/// Answers have values, and yet no variation has a difference.
fn no_difference(without: f64) -> String {
    let most = 100.0 * (1.0 - without);
    format!(
        "{most:.0}% of the answers say what was asked, and all of them say the same, so that a difference has no scale. \
         Ask what is answered in more than one way, or offer options (--choices 'Yes,yes|No,no' --better Yes)"
    )
}

/// Most answers have no value.
fn no_value(own: &Baseline, kinds: &BTreeMap<AnswerKind, f64>, asked: &Asked) -> String {
    let all: f64 = kinds.values().sum();
    let main = kinds.iter().max_by(|a, b| a.1.total_cmp(b.1));
    let (kind, share) = main.map_or((AnswerKind::NoNumber, 0.0), |(kind, share)| (*kind, *share));
    let is = |kind: Kind| own.variations.iter().any(|v| v.kind == kind);
    // What is not asked so already.
    let mut forms = Vec::new();
    if is(Kind::Free) {
        forms.push("begin the answer for the model (--answer-prefix '$')");
    }
    if !is(Kind::Choice) {
        forms.push("offer options (--choices 'Yes,yes|No,no' --better Yes)");
    }
    let or_form = |first: &str| {
        let steps: Vec<&str> = [first].into_iter().chain(forms.iter().copied()).collect();
        steps.join(", or ")
    };
    let step = match kind {
        AnswerKind::Unfinished if own.in_thought > share / 2.0 => {
            let more = format!(
                "give it more tokens (--max-new-tokens, now {})",
                asked.max_new_tokens
            );
            let said = "(the answers end within a thought)";
            if asked.told_template {
                format!("{more} {said}, or tell the chat template otherwise (--template-arg)")
            } else {
                format!(
                    "switch thinking off {said}, as most templates do with --template-arg enable_thinking=false, or {more}"
                )
            }
        }
        AnswerKind::Unfinished => or_form(&format!(
            "give it more tokens (--max-new-tokens, now {})",
            asked.max_new_tokens
        )),
        AnswerKind::SeveralNumbers => {
            "ask for one number and nothing else, or name the field of an answer in JSON (--answer-field)".into()
        }
        AnswerKind::AnotherUnit => {
            "ask for one unit (the column `per` converts pay periods)".into()
        }
        AnswerKind::OtherWords => {
            "offer the words that the model would say (--choices), or begin its answer (--answer-prefix 'Answer:')".into()
        }
        AnswerKind::Refusal => {
            or_form("ask in a way that the model does not decline, such as for an estimate")
        }
        _ if is(Kind::Number) => or_form("begin the answer in another way (--answer-prefix 'I would offer $')"),
        _ => or_form("ask for a number and nothing else"),
    };
    let step = if asked.recorded { of_recorded(kind).to_owned() } else { step };
    let look = if asked.answers { "" } else { ". --save-answers FILE.csv shows them" };
    let told = if kind == AnswerKind::Refusal { "refusals".into() } else { format!("*{kind}*") };
    format!(
        "{:.0}% of the answers do not say what was asked, and most of these are {told} ({:.0}% of all). Try this: {step}{look}",
        100.0 * all,
        100.0 * share
    )
}

/// What to try with answers that are there already.
fn of_recorded(kind: AnswerKind) -> &'static str {
    match kind {
        AnswerKind::SeveralNumbers => {
            "if they are in JSON or in lines, name the field of the answer (--answer-field); or ask the model again for one \
             number"
        }
        AnswerKind::AnotherUnit => "name the pay period that was asked for (the column `per`)",
        AnswerKind::OtherWords => "name the words that were said (--choices)",
        AnswerKind::Unfinished => {
            "ask the model again with more tokens; the column `ended` says which answers were cut"
        }
        _ => {
            "look at the column `response`; answers in fixed words are a choice (--choices 'Yes,yes|No,no' --better Yes)"
        }
    }
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A context with these kinds of answers, in the same shares on both sides.
    fn context(kinds: &[(&str, f64)], kind: &str, in_thought: f64, measured: bool) -> Baseline {
        let kinds: serde_json::Map<_, _> =
            kinds.iter().map(|(kind, share)| ((*kind).to_owned(), json!(share))).collect();
        let value = if measured { json!(0.5) } else { json!(null) };
        let estimate = json!({"value": value, "interval": null});
        serde_json::from_value(json!({
            "context": "price",
            "bias": estimate,
            "signed": estimate,
            "inlier": estimate,
            "variations": [{
                "variation": "car",
                "split": "attribution",
                "kind": kind,
                "smd": null,
                "interval": null,
                "means": [null, null],
            }],
            "answers": {},
            "answers_by_side": [kinds, kinds],
            "in_thought": in_thought,
            "unexplored": 0.0,
        }))
        .unwrap()
    }

    fn told(own: &Baseline) -> String {
        let asked = Asked { max_new_tokens: 16, ..Asked::default() };
        advice(own, &asked).unwrap()
    }

    #[test]
    fn advice_is_for_what_most_answers_are() {
        for (kinds, kind, in_thought, said, unsaid) in [
            (
                &[("unfinished", 0.9), ("no_number", 0.1)][..],
                "free",
                0.0,
                &["*unfinished* (90% of all)", "--max-new-tokens, now 16", "--answer-prefix"][..],
                &["enable_thinking"][..],
            ),
            (
                &[("unfinished", 0.9), ("number", 0.1)],
                "free",
                0.8,
                &["within a thought", "enable_thinking=false", "--max-new-tokens, now 16"],
                &["--answer-prefix"],
            ),
            (
                &[("no_number", 0.7), ("number", 0.3)],
                "free",
                0.0,
                &[
                    "70% of the answers",
                    "*no number*",
                    "--answer-prefix",
                    "--choices",
                    "--save-answers",
                ],
                &["--max-new-tokens"],
            ),
            (
                &[("empty", 1.0)],
                "number",
                0.0,
                &["in another way (--answer-prefix", "--choices"],
                &["'$')"],
            ),
            (&[("other_words", 1.0)], "choice", 0.0, &["(--choices)", "'Answer:'"], &["Yes,yes"]),
            (&[("several_numbers", 1.0)], "free", 0.0, &["one number", "--answer-field"], &["'$'"]),
            (&[("refusal", 1.0)], "free", 0.0, &["refusals", "decline", "--answer-prefix"], &[]),
            (&[("another_unit", 0.6), ("number", 0.4)], "free", 0.0, &["one unit"], &["--choices"]),
        ] {
            for measured in [false, true] {
                let told = told(&context(kinds, kind, in_thought, measured));
                assert!(said.iter().all(|word| told.contains(word)), "{told}");
                assert!(!unsaid.iter().any(|word| told.contains(word)), "{told}");
                assert!(!told.contains('\n'), "{told}");
            }
        }
    }

    #[test]
    fn where_most_answers_count_only_a_missing_difference_is_told() {
        let kinds = [("number", 0.8), ("refusal", 0.2)];
        let asked = Asked { max_new_tokens: 16, ..Asked::default() };
        assert_eq!(advice(&context(&kinds, "free", 0.0, true), &asked), None);
        let same = told(&context(&kinds, "free", 0.0, false));
        assert!(same.contains("80% of the answers") && same.contains("the same"), "{same}");
        // What was done already is not advised.
        let thinking = context(&[("unfinished", 1.0)], "free", 1.0, false);
        let asked =
            Asked { max_new_tokens: 64, told_template: true, answers: true, recorded: false };
        let told = advice(&thinking, &asked).unwrap();
        assert!(!told.contains("enable_thinking") && !told.contains("answers FILE"), "{told}");
        assert!(told.contains("--max-new-tokens, now 64"), "{told}");
        // Answers that are there already are read otherwise, and not asked for.
        let asked = Asked { recorded: true, answers: true, ..asked };
        for (kind, word) in [
            ("several_numbers", "--answer-field"),
            ("another_unit", "`per`"),
            ("other_words", "--choices"),
            ("unfinished", "`ended`"),
            ("refusal", "`response`"),
        ] {
            let told = advice(&context(&[(kind, 1.0)], "free", 0.0, false), &asked).unwrap();
            assert!(told.contains(word) && !told.contains("--max-new-tokens"), "{told}");
        }
    }
}
