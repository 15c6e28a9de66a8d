//! Benchmarks, capability tasks and names recognised, under masks.

use bias_frameworks::Framework;
use bias_frameworks::measures::Unit;
use bias_frameworks::report::Measure;

use super::csv_table::{CsvTable, Line};
use super::findings::Findings;
use super::numbers::{DASH, fixed, percent, percent_estimate, probability};
use super::question::Question;
use crate::results::{Also, AlsoChange, Experiment, Scope, Strategy, TrainedOn};

/// Every measure before and after masks: in the table the masks at each method's middle budget that
/// are made from the first context of the named experiments or from all contexts, in the file every
/// mask.
pub(super) fn also(found: &Findings) -> Option<Question> {
    let also = found.results.also.as_ref()?;
    let masks = shown(found);
    let mut rows = Vec::new();
    for framework in &also.frameworks {
        for measure in framework.measures.iter().filter(|own| is_shown(framework.framework, own)) {
            let interval = measure.before.interval.map(|own| [own.low, own.high]);
            let before = with_ends(measure.unit, measure.before.value, interval, false);
            rows.push(vec![
                framework.framework.title().into(),
                measure.name.clone(),
                "no mask".into(),
                String::new(),
                before,
                measure.chance.map_or_else(String::new, |own| {
                    format!("chance {}", number(measure.unit, own, false))
                }),
                measure.before.p.map_or_else(String::new, |p| probability(Some(p))),
                measure.before.p_holm.map_or_else(String::new, |p| probability(Some(p))),
            ]);
            for (label, strategy) in &masks {
                let Some(own) = also.change(&strategy.id, framework.framework, &measure.name)
                else {
                    continue;
                };
                rows.push(vec![
                    String::new(),
                    String::new(),
                    label.clone(),
                    reduction(found, strategy),
                    with_ends(measure.unit, own.after, None, false),
                    with_ends(measure.unit, own.difference, own.interval, true),
                    probability(own.p),
                    probability(own.p_holm),
                ]);
            }
        }
    }
    Some(Question {
        name: "also",
        title: "What else does a mask change?".into(),
        note: "Published benchmarks, tasks and names, scored before and after every mask, each item paired with itself; \
               the file has every mask. Beside each mask stands its reduction of bias at home, on held-out prompts. \
               The interval of a change draws whole templates, or names. p is how often a change so uneven comes by chance; \
               Holm corrects for all measures under the mask. Without a mask, p is that of the bias itself, or of names \
               recognised by guessing."
            .into(),
        header: vec![
            "measured", "measure", "mask", "reduction at home", "score", "change", "p", "p (Holm)",
        ],
        rows,
        labels: 3,
        csv: numbers(also),
    })
}

/// Masks at each method's middle budget, made from the first context of the named experiments or
/// from all, and everything else that was tried in their place.
fn shown<'a>(found: &Findings<'a>) -> Vec<(String, &'a Strategy)> {
    let [from, _] = found.focus();
    let mut masks = Vec::new();
    for trained_on in [TrainedOn::Context(from.clone()), TrainedOn::All] {
        for family in found.main() {
            if let Some(own) = found.strategy(&family, &trained_on) {
                let null = found.null(own).filter(|null| null.null_of.as_ref() == Some(&own.id));
                masks.push((own.id.clone(), own));
                masks.extend(null.map(|null| (null.id.clone(), null)));
            }
        }
    }
    let others = found.results.strategies.iter();
    let others = others.filter(|own| own.experiment == Experiment::Alternatives);
    masks.extend(others.map(|own| (own.id.clone(), own)));
    masks
}

/// The mean reduction of a mask on held-out prompts of what it was made from.
fn reduction(found: &Findings<'_>, strategy: &Strategy) -> String {
    let home = |scope| matches!(scope, Scope::HeldOut | Scope::All);
    let own = found.results.outcomes.iter();
    let own: Vec<_> = own.filter(|o| o.strategy == strategy.id && home(o.scope)).collect();
    match &own[..] {
        [] => DASH.into(),
        [only] => percent_estimate(&only.reduction),
        several => {
            let sum: f64 = several.iter().map(|o| o.reduction.value).sum();
            percent(sum / several.len() as f64)
        }
    }
}

/// Whether a measure is in the table: a headline over all items, or a coefficient of a group.
fn is_shown(framework: Framework, own: &Measure) -> bool {
    let coefficient = framework == Framework::DiscrimEval && own.name.ends_with("_bias");
    own.subset.is_none() && (coefficient || framework.headline().contains(&own.name.as_str()))
}

pub(super) fn number(unit: Unit, value: f64, signed: bool) -> String {
    let own = match unit {
        Unit::Share => fixed(100.0 * value, 1) + "%",
        _ => fixed(value, 3),
    };
    if signed && value >= 0.0 { format!("+{own}") } else { own }
}

fn with_ends(unit: Unit, value: Option<f64>, ends: Option<[f64; 2]>, signed: bool) -> String {
    let Some(value) = value else { return DASH.into() };
    let ends = ends.map(|[low, high]| {
        format!(" [{}..{}]", number(unit, low, false), number(unit, high, false))
    });
    number(unit, value, signed) + &ends.unwrap_or_default()
}

/// Every measure of every mask.
fn numbers(also: &Also) -> CsvTable {
    let mut csv = CsvTable::new(&[
        "framework",
        "measure",
        "mask",
        "before",
        "after",
        "change",
        "low",
        "high",
        "p",
        "p_holm",
    ]);
    for own in &also.changes {
        let AlsoChange { strategy, framework, measure, after, .. } = own;
        let line = Line::new().text(framework.key()).text(measure).text(strategy);
        let line = line.number(also.before(*framework, measure)).number(*after);
        let line = line.number(own.difference).interval(own.interval);
        csv.push(line.number(own.p).number(own.p_holm));
    }
    csv
}
