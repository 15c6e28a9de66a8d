use super::clusters::{Counted, Named, Row, Rows, hit, ratio};
use super::statistic::{Statistic, Unit};
use crate::items::labels::Labels;

fn cloze_score<'r>(row: &Row<'r>) -> Option<&'r crate::score::scorer::Score> {
    matches!(row.item.labels, Labels::Cloze { .. }).then(|| row.scores.first()).flatten()
}

/// Last words: how often greedy decoding says them, and their perplexity, exp(−mean log-likelihood
/// of an item), as lm-evaluation-harness computes both for LAMBADA.
pub(super) fn cloze(rows: &Rows<'_>) -> Vec<Statistic> {
    fn subset<'r>(row: &Row<'r>) -> Option<&'r str> {
        match &row.item.labels {
            Labels::Cloze { subset } => subset.as_deref(),
            _ => None,
        }
    }
    let of = |rows: &Rows<'_>, subset: Option<&str>| {
        let said = rows.sum(
            Named::new("acc_greedy", Unit::Share).of(subset),
            |row| Some(hit(cloze_score(row)?.greedy)),
            ratio,
        );
        let perplexity = rows.sum(
            Named::new("perplexity", Unit::Number).of(subset),
            |row| Some(Counted::sums([cloze_score(row)?.log_likelihood, 1.0])),
            |sums| ratio(sums).map(|mean| (-mean).exp()),
        );
        said.into_iter().chain(perplexity).collect::<Vec<_>>()
    };
    let mut all = of(rows, None);
    for (name, rows) in rows.parts(subset) {
        all.extend(of(&rows, Some(name)));
    }
    all
}

/// Documents: `word_perplexity`, `byte_perplexity` and `bits_per_byte` of lm-evaluation-harness.
pub(super) fn perplexities(rows: &Rows<'_>) -> Vec<Statistic> {
    let of = |name, words: bool, finish: fn(f64) -> f64| {
        let take = move |row: &Row<'_>| {
            let Labels::Document { words: own, bytes } = row.item.labels else { return None };
            let size = if words { own } else { bytes };
            Some(Counted::sums([row.scores.first()?.log_likelihood, size as f64]))
        };
        let finish = move |sums: &[f64]| ratio(sums).map(|mean| finish(-mean));
        rows.sum(Named::new(name, Unit::Number), take, finish)
    };
    let found = [
        of("word_perplexity", true, f64::exp),
        of("byte_perplexity", false, f64::exp),
        of("bits_per_byte", false, |nats| nats / std::f64::consts::LN_2),
    ];
    found.into_iter().flatten().collect()
}
