//! The certainty of the findings, in numbers and in sentences.

use bias_metrics::Permutation;
use bias_types::prompt::Context;

use super::findings::{Family, Findings};
use super::numbers::fixed;
use crate::results::{
    ALPHA, Baseline, Estimate, Outcome, Scope, Significance, Strategy, TrainedOn,
};

/// The number of a context's variations with a significant difference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Certainty<'a> {
    pub context: &'a Context,
    /// The number of names in each group.
    pub names: Option<[usize; 2]>,
    /// The number of these names that only tests see.
    pub held_out: [usize; 2],
    /// The number of variations that could be tested.
    pub tested: usize,
    /// The number significant at the 5 % level, uncorrected.
    pub uncorrected: usize,
    /// The number after Holm's correction.
    pub holm: usize,
    /// The number after Benjamini and Hochberg's correction.
    pub false_discovery: usize,
    pub detectable: Option<f64>,
}

/// A difference of reductions that is worth mentioning.
const MUCH: f64 = 0.1;

/// Pairs of own and other context, by whether the reduction differs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shortfalls {
    /// Pairs with clearly less reduction elsewhere.
    pub less: usize,
    /// The number of these with a difference of [`MUCH`] or more.
    pub much_less: usize,
    /// Pairs with clearly more reduction elsewhere.
    pub more: usize,
    /// Pairs whose interval contains zero.
    pub undecided: usize,
}

impl Shortfalls {
    fn all(self) -> usize {
        self.less + self.more + self.undecided
    }
}

/// The shortfall of one mask's reduction in another context from that in its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shortfall<'a> {
    pub family: Family<'a>,
    pub from: &'a Context,
    pub strategy: &'a Strategy,
    pub outcome: &'a Outcome,
    pub estimate: Estimate,
}

impl<'a> Findings<'a> {
    pub(crate) fn certainties(&self) -> Vec<Certainty<'a>> {
        self.results.baseline.iter().map(|own| self.certainty(own)).collect()
    }

    fn certainty(&self, own: &'a Baseline) -> Certainty<'a> {
        let info = self.results.prompts.contexts.iter().find(|c| c.context == own.context);
        let tests = || own.variations.iter().filter_map(|v| v.significance);
        let below = |p: fn(&Significance) -> f64| tests().filter(|s| p(s) < ALPHA).count();
        Certainty {
            context: &own.context,
            names: info.map(|i| i.names),
            held_out: info.map_or([0; 2], |i| i.held_out_names),
            tested: tests().count(),
            uncorrected: below(|s| s.p),
            holm: below(|s| s.holm),
            false_discovery: below(|s| s.false_discovery),
            detectable: own.detectable.filter(|d| d.is_finite()),
        }
    }

    /// For each method at its middle budget: masks made from one context and tested in another.
    pub(crate) fn shortfalls(&self) -> Vec<Shortfall<'a>> {
        let mut all = Vec::new();
        for family in self.main() {
            for from in self.contexts() {
                let Some(strategy) = self.strategy(&family, &TrainedOn::Context(from.clone()))
                else {
                    continue;
                };
                for outcome in self.contexts().into_iter().filter_map(|c| self.tested(strategy, c))
                {
                    let shortfall =
                        outcome.shortfall.filter(|_| outcome.scope == Scope::CrossContext);
                    if let Some(estimate) = shortfall {
                        all.push(Shortfall { family, from, strategy, outcome, estimate });
                    }
                }
            }
        }
        all
    }

    /// The number of variations with a significant difference, and the smallest difference that
    /// would be noticed, in two sentences.
    pub(crate) fn certainty_summary(&self) -> String {
        let all = self.certainties();
        let sum = |of: fn(&Certainty) -> usize| all.iter().map(of).sum::<usize>();
        let tested = sum(|c| c.tested);
        let differ = if tested == 0 {
            "Whether any variation differs by more than chance could not be tested.".into()
        } else {
            let each = all.iter().filter(|c| c.tested > 0);
            let each: Vec<String> =
                each.map(|c| format!("{} {} of {}", c.context, c.holm, c.tested)).collect();
            format!(
                "Before pruning, {} of {tested} variations differ between the groups by more than chance after Holm’s \
                 correction, {} without it ({}).",
                sum(|c| c.holm),
                sum(|c| c.uncorrected),
                each.join(", ")
            )
        };
        // Holm's correction multiplies the smallest p by the number of tests.
        let too_few = |c: &&Certainty| {
            let smallest = c.names.map_or(0.0, |names| Permutation::new(0).smallest_p(names));
            c.tested > 0 && smallest * c.tested as f64 >= ALPHA
        };
        let powerless: Vec<&str> = all.iter().filter(too_few).map(|c| c.context.as_str()).collect();
        let differ = if powerless.is_empty() {
            differ
        } else {
            format!(
                "{differ} With so few names, no difference in {} can stand Holm’s correction.",
                powerless.join(", ")
            )
        };
        let detectable: Vec<f64> = all.iter().filter_map(|c| c.detectable).collect();
        let low = detectable.iter().copied().fold(f64::INFINITY, f64::min);
        let high = detectable.iter().copied().fold(0.0, f64::max);
        if detectable.is_empty() {
            return differ;
        }
        let range = match [low, high].map(|d| fixed(d, 2)) {
            [low, high] if low == high => format!("{low} standard deviations"),
            [low, high] => format!("{low} to {high} standard deviations (by context)"),
        };
        format!(
            "{differ} With these names, a difference of {range} in one variation, tested alone, would be noticed in four \
             of five cases; smaller ones may be missed."
        )
    }

    /// Whether reductions in other contexts differ from those in the own one, in a sentence.
    pub(crate) fn shortfall_summary(&self) -> String {
        let all = self.shortfalls();
        let counts = counted(&all);
        if counts.all() == 0 {
            return "Whether a reduction elsewhere differs from that at home could not be tested."
                .into();
        }
        format!(
            "Tested on the same names at home and elsewhere, {} of {} reductions are clearly smaller in the other context \
             (the interval of the difference is above zero; in {} the difference is ten percentage points or more), {} \
             clearly larger, and {} are not told apart.",
            counts.less,
            counts.all(),
            counts.much_less,
            counts.more,
            counts.undecided
        )
    }
}

/// The number of significant differences, of those with an interval.
pub(crate) fn counted(all: &[Shortfall]) -> Shortfalls {
    let mut counts = Shortfalls::default();
    for (value, [low, high]) in
        all.iter().filter_map(|s| Some((s.estimate.value, s.estimate.interval?)))
    {
        counts.much_less += usize::from(low > 0.0 && value >= MUCH);
        let count = match (low > 0.0, high < 0.0) {
            (true, _) => &mut counts.less,
            (_, true) => &mut counts.more,
            _ => &mut counts.undecided,
        };
        *count += 1;
    }
    counts
}
