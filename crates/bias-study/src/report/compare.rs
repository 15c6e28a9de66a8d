use std::fmt::Write as _;

use super::numbers::{DASH, fixed, percent, share};
use super::words::short;
use crate::results::{
    Budget, GAP_SHARE, Outcome, PURSUIT_SHARE, Results, Scope, WANDA_SHARE, method,
};

/// Several studies side by side, one row each, as Markdown: models of other architectures or sizes,
/// or one model under other settings.
#[must_use]
pub fn compared(all: &[Results]) -> String {
    let mut out = String::from(
        "| model | layers × width | weights | mean \\|SMD\\| | inlier ratio | method | weights pruned | held-out variations | other contexts | lowest inlier ratio |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for results in all {
        let dims = results.model.dims;
        let mean = |values: Vec<f64>| {
            let known: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
            known.iter().sum::<f64>() / known.len() as f64
        };
        let mut first = true;
        let bias = mean(results.baseline.iter().map(|own| own.bias.value).collect());
        let inlier = mean(results.baseline.iter().map(|own| own.inlier.value).collect());
        for (method, budget) in shown() {
            let own: Vec<_> = results
                .strategies
                .iter()
                .filter(|s| s.method == method && s.budget == budget)
                .collect();
            let outcomes = |scope: Scope| -> Vec<&Outcome> {
                let of = |o: &&Outcome| o.scope == scope && own.iter().any(|s| s.id == o.strategy);
                results.outcomes.iter().filter(of).collect()
            };
            let [home, away] = [outcomes(Scope::HeldOut), outcomes(Scope::CrossContext)];
            if home.is_empty() {
                continue;
            }
            let reduction = |found: &[&Outcome]| {
                percent(mean(found.iter().map(|o| o.reduction.value).collect()))
            };
            let lowest = home.iter().chain(&away).map(|o| o.inlier.value).fold(f64::NAN, f64::min);
            let used = mean(
                home.iter()
                    .filter_map(|o| own.iter().find(|s| s.id == o.strategy))
                    .map(|s| s.share)
                    .collect(),
            );
            let cell = |text: String| if first { text } else { String::new() };
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {method} | {} | {} | {} | {} |",
                cell(short(&results.model.name, 30).replace('|', "/")),
                cell(format!("{} × {}", dims.layers, dims.d_model)),
                cell(dims.prunable_weights().to_string()),
                cell(fixed(bias, 2)),
                cell(fixed(inlier, 3)),
                share(used),
                reduction(&home),
                if away.is_empty() { DASH.into() } else { reduction(&away) },
                fixed(lowest, 3),
            );
            first = false;
        }
        if first {
            let name = short(&results.model.name, 30).replace('|', "/");
            let _ = writeln!(out, "| {name}{} |", format!(" | {DASH}").repeat(9));
        }
    }
    out
}

/// The methods shown: the paper's, the one-step method, the pursuit, and chance.
fn shown() -> [(&'static str, Budget); 4] {
    [
        (method::WANDA_B_A, Budget::Share(WANDA_SHARE)),
        (method::SIGNED_GAP, Budget::Share(GAP_SHARE)),
        (method::GAP_PURSUIT, Budget::AtMost(PURSUIT_SHARE)),
        (method::RANDOM, Budget::like("signed gap", GAP_SHARE)),
    ]
}
