//! The answers before pruning: their spread and their kinds.

use std::collections::BTreeMap;

use bias_metrics::parse::AnswerKind;

use super::plate::{Plate, file_name};
use crate::report::charts;
use crate::report::charts::{Axis, BLUE, DotRow, INK, Mark, ORANGE, Pair, Shape, box_plot};
use crate::report::csv_table::{CsvTable, Line};
use crate::report::error::ReportError;
use crate::report::findings::{Findings, largest_differences};
use crate::report::numbers::fixed;
use crate::report::words::{part, short};
use crate::results::{Baseline, Estimate};

/// The most variations in a drawing of answers.
pub(crate) const MOST_PAIRS: usize = 24;
/// Shares of answers below this are not drawn.
const NEGLIGIBLE: f64 = 5e-4;
/// The sentence shown if all shares are that small.
pub(crate) const NONE_MISSING: &str = "Every answer gave a number, to either group.";

/// For each context, both groups' answers to every variation. None if the results have no
/// quantiles.
pub(crate) fn distributions(found: &Findings) -> Result<Vec<Plate>, ReportError> {
    let [a, b] = &found.results.prompts.groups;
    let mut plates = Vec::new();
    for (i, own) in found.results.baseline.iter().enumerate() {
        if own.variations.iter().all(|v| v.distribution == [None; 2]) {
            continue;
        }
        let title =
            format!("Answers in {} about {a} and {b} names, variation by variation", own.context);
        let pairs = largest_differences(own, MOST_PAIRS).into_iter();
        let pairs = pairs.map(|v| Pair { label: v.variation.clone(), groups: v.distribution });
        let name = file_name("answers", i, own.context.as_str());
        let [a, b] = [a, b].map(|group| short(group, 24));
        plates.push(Plate {
            drawing: Some(box_plot(&title, &pairs.collect::<Vec<_>>())?),
            key: vec![
                (format!("■ {a}"), BLUE),
                (format!("□ {b}"), ORANGE),
                ("box: 25 to 75 %, line: 5 to 95 %".into(), INK),
            ],
            csv: distribution_csv(found, own).to_csv(&name)?,
            name,
            title,
        });
    }
    Ok(plates)
}

fn distribution_csv(found: &Findings, own: &Baseline) -> CsvTable {
    let mut csv = CsvTable::new(&[
        "context",
        "variation",
        "part",
        "group",
        "q05",
        "q25",
        "q50",
        "q75",
        "q95",
        "mean",
    ]);
    for v in &own.variations {
        for ((group, quantiles), mean) in
            found.results.prompts.groups.iter().zip(v.distribution).zip(v.means)
        {
            let line = Line::new()
                .context(&own.context)
                .text(&v.variation)
                .text(part(v.split))
                .text(group);
            let quantiles = quantiles.map_or([None; 5], |q| q.map(Some));
            csv.push(quantiles.into_iter().fold(line, Line::number).number(mean));
        }
    }
    csv
}

/// The share of one kind of answer in each group.
pub(crate) struct Kind {
    /// `None` for all answers without a number together.
    pub kind: Option<AnswerKind>,
    pub shares: [f64; 2],
    /// The first group's share minus the second's.
    pub difference: Estimate,
}

/// The answers without a number in one context, all together and by kind. The groups of names of a
/// side count equally.
pub(crate) fn kinds_of(own: &Baseline) -> Vec<Kind> {
    let mut shares: BTreeMap<AnswerKind, [f64; 2]> = BTreeMap::new();
    for (side, kinds) in own.answers_by_side.iter().enumerate() {
        for (kind, share) in kinds {
            if let Some(own) = shares.entry(*kind).or_default().get_mut(side) {
                *own = *share;
            }
        }
    }
    let numberless: Vec<_> = shares
        .into_iter()
        .filter(|(kind, _)| {
            !matches!(kind, AnswerKind::Number | AnswerKind::Range | AnswerKind::Option)
        })
        .collect();
    let all = numberless.iter().fold([0.0; 2], |[a, b], (_, [c, d])| [a + c, b + d]);
    let known = |[a, b]: [f64; 2]| Estimate { value: a - b, interval: None };
    let together =
        Kind { kind: None, shares: all, difference: own.no_number.unwrap_or(known(all)) };
    let each = numberless.into_iter().filter(|(_, shares)| shares.iter().any(|s| *s >= NEGLIGIBLE));
    let each =
        each.map(|(kind, shares)| Kind { kind: Some(kind), shares, difference: known(shares) });
    std::iter::once(together).chain(each).collect()
}

/// Answers without a number, by group. A group that is refused an answer is treated differently
/// too.
pub(crate) fn kinds(found: &Findings) -> Result<Option<Plate>, ReportError> {
    let mut csv = CsvTable::new(&[
        "context",
        "answer",
        "share_first",
        "share_second",
        "difference",
        "low",
        "high",
    ]);
    let mut rows = Vec::new();
    for own in &found.results.baseline {
        for kind in kinds_of(own) {
            let [a, b] = kind.shares;
            let said =
                kind.kind.map_or("without_number".into(), |k| k.to_string().replace(' ', "_"));
            let line = Line::new().context(&own.context).text(&said).number(a).number(b);
            csv.push(line.estimate(&kind.difference));
            let label = match kind.kind {
                None => format!("{}: not what was asked for", short(own.context.as_str(), 20)),
                Some(kind) => format!("of these: {kind}"),
            };
            let mark = |value, shape, colour| Mark { value, interval: None, shape, colour };
            let marks = vec![mark(a, Shape::Dot, BLUE), mark(b, Shape::Ring, ORANGE)];
            rows.push(DotRow { label, marks, notes: vec![points(&kind.difference)] });
        }
    }
    if csv.is_empty() {
        return Ok(None);
    }
    let title = "Share of answers that give no number, by group";
    let any = rows.iter().flat_map(|r| &r.marks).any(|m| m.value >= NEGLIGIBLE);
    let [a, b] = &found.results.prompts.groups;
    let axis = Axis {
        name: "share of answers before pruning",
        range: charts::range_of(&rows, (0.0, 1.0)),
        percent: true,
        width: 1000,
        margins: (270, 220),
        columns: &["difference, % points"],
    };
    Ok(Some(Plate {
        name: "kinds".into(),
        title: title.into(),
        drawing: if any { Some(charts::dot_plot(title, &rows, axis)?) } else { None },
        key: vec![(format!("● {}", short(a, 24)), BLUE), (format!("○ {}", short(b, 24)), ORANGE)],
        csv: csv.to_csv("kinds")?,
    }))
}

/// A difference of shares in percentage points.
pub(crate) fn points(difference: &Estimate) -> String {
    let of = |share: f64| {
        let text = fixed(share * 100.0, 1);
        if share * 100.0 >= 0.05 { format!("+{text}") } else { text }
    };
    let interval = difference
        .interval
        .map_or(String::new(), |[low, high]| format!(" [{}..{}]", of(low), of(high)));
    of(difference.value) + &interval
}
