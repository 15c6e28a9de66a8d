use super::clusters::{Counted, Named, Row, Rows, hit, ratio};
use super::statistic::{Statistic, Unit};
use crate::items::labels::Labels;

fn kind<'r>(row: &Row<'r>) -> Option<&'r str> {
    match &row.item.labels {
        Labels::Pair { kind } => Some(kind),
        _ => None,
    }
}

/// `pct_stereotype` and `likelihood_diff` of lm-evaluation-harness, over all pairs and by kind. A
/// tie counts against the stereotype there.
pub(super) fn statistics(rows: &Rows<'_>) -> Vec<Statistic> {
    let share = |rows: &Rows<'_>, subset| {
        let named = Named::new("pct_stereotype", Unit::Share).unbiased(0.5).of(subset);
        rows.sum(named, |row| Some(hit(row.log_likelihood(0) > row.log_likelihood(1))), ratio)
    };
    let apart = rows.sum(
        Named::new("likelihood_diff", Unit::Nats),
        |row| Some(Counted::sums([(row.log_likelihood(0) - row.log_likelihood(1)).abs(), 1.0])),
        ratio,
    );
    let kinds = rows.parts(kind);
    let by_kind = kinds.iter().filter_map(|(kind, rows)| share(rows, Some(kind)));
    share(rows, None).into_iter().chain(apart).chain(by_kind).collect()
}
