use super::clusters::{Named, Row, Rows, hit, ratio};
use super::statistic::{Statistic, Unit};
use crate::items::labels::{Labels, Length};

fn subset<'r>(row: &Row<'r>) -> Option<&'r str> {
    match &row.item.labels {
        Labels::Choice { subset, .. } => subset.as_deref(),
        _ => None,
    }
}

/// `acc`, `acc_norm` and `acc_bytes` of lm-evaluation-harness: the likeliest option, for all of it,
/// for each character, for each byte.
pub(super) fn statistics(rows: &Rows<'_>) -> Vec<Statistic> {
    let mut all = of(rows, None);
    for (name, rows) in rows.parts(subset) {
        all.extend(of(&rows, Some(name)));
    }
    all
}

fn of(rows: &Rows<'_>, subset: Option<&str>) -> Vec<Statistic> {
    let accuracy = |name, length: fn(&Length) -> f64| {
        let take = move |row: &Row<'_>| {
            let Labels::Choice { right, lengths, .. } = &row.item.labels else { return None };
            let length = |i: usize| lengths.get(i).map_or(f64::NAN, length);
            Some(hit(row.best(|i, own| own.log_likelihood / length(i))? == *right))
        };
        rows.sum(Named::new(name, Unit::Share).of(subset), take, ratio)
    };
    let found = [
        accuracy("acc", |_| 1.0),
        accuracy("acc_norm", |own| own.chars as f64),
        accuracy("acc_bytes", |own| own.bytes as f64),
    ];
    found.into_iter().flatten().collect()
}
