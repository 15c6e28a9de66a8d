use bias_types::prompt::Context;

use super::findings::Findings;
use super::numbers::{DASH, percent_estimate, share, signed};
use super::tables::tables;
use crate::results::{Results, TrainedOn};

/// Results for a documentation page: [`headline`], and all [`tables`] as in the terminal.
#[must_use]
pub fn markdown(results: &Results) -> String {
    format!("{}\n```text\n{}```\n", headline(results), tables(results))
}

/// One Markdown table: every mask made from the first context of the named experiments, on held-out
/// variations of its own context and of the others.
#[must_use]
pub fn headline(results: &Results) -> String {
    let found = Findings::new(results);
    let [from, _] = found.focus();
    let contexts = found.contexts();
    let mut out = format!("| made from {from} | weights pruned |");
    contexts.iter().for_each(|c| out += &format!(" {c} |"));
    out += " lowest inlier ratio | neutral perplexity |\n|---|---|";
    out += &"---|".repeat(contexts.len() + 2);
    for family in found.families() {
        let Some(strategy) = found.strategy(&family, &TrainedOn::Context(from.clone())) else {
            continue;
        };
        out += &format!("\n| {} | {} |", found.name(&family), share(strategy.share));
        let mut inlier = f64::INFINITY;
        for context in &contexts {
            let outcome = found.tested(strategy, context);
            inlier = outcome.map_or(inlier, |o| inlier.min(o.inlier.value));
            out += &outcome
                .map_or(format!(" {DASH} |"), |o| format!(" {} |", percent_estimate(&o.reduction)));
        }
        let inlier = if inlier.is_finite() { format!("{inlier:.3}") } else { DASH.into() };
        let perplexity =
            strategy.perplexity_change.map_or(DASH.into(), |p| format!("{}%", signed(p * 100.0)));
        out += &format!(" {inlier} | {perplexity} |");
    }
    let before =
        |c: &&Context| found.baseline(c).map_or(DASH.into(), |b| format!("{:.2}", b.bias.value));
    let before: Vec<String> = contexts.iter().map(|c| format!("{c} {}", before(c))).collect();
    out + &format!(
        "\n\nReduction of mean |SMD| [95 % interval over names] on held-out variations and names. Before pruning, over all variations and names: {}.\n\n{} {}\n",
        before.join(", "),
        found.certainty_summary(),
        found.shortfall_summary()
    )
}
