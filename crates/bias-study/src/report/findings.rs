//! The results, looked up by pruned mask and tested context.

use std::collections::BTreeMap;

use bias_types::UnitKind;
use bias_types::model::Sublayer;
use bias_types::prompt::Context;

use crate::results::{
    Baseline, Budget, ContextOverlap, Experiment, Outcome, Results, Scope, Strategy, TrainedOn,
    VariationBaseline, method,
};

/// A method at one budget, whatever its masks were made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Family<'a> {
    pub method: &'a str,
    pub budget: &'a Budget,
    /// Whether its masks are nulls of other masks.
    pub null: bool,
    pub unit: UnitKind,
    /// Mean share of weights pruned.
    pub share: f64,
}

impl Family<'_> {
    pub(crate) fn is_random(&self) -> bool {
        self.null
    }
}

/// The weights of some masks in half a layer, compared with random masks of the same size.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Enrichment {
    pub chosen: f64,
    pub expected: f64,
    pub variance: f64,
}

impl Enrichment {
    /// The chosen number divided by the expected one.
    pub(crate) fn ratio(&self) -> f64 {
        self.chosen / self.expected
    }

    pub(crate) fn deviations(&self) -> f64 {
        (self.chosen - self.expected) / self.variance.sqrt()
    }
}

/// The masks of the paper's three experiments. The other experiments are in
/// [`questions`](super::questions).
fn paper(results: &Results) -> impl Iterator<Item = &Strategy> {
    results.strategies.iter().filter(|s| s.experiment == Experiment::Transfer)
}

/// Results, looked up by pruned mask and tested context.
pub(crate) struct Findings<'a> {
    pub results: &'a Results,
    pub(crate) strategies: BTreeMap<&'a str, &'a Strategy>,
    outcomes: BTreeMap<(&'a str, &'a Context), &'a Outcome>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(results: &'a Results) -> Self {
        let transfers = [Scope::HeldOut, Scope::CrossContext, Scope::All];
        let tested = results.outcomes.iter().filter(|o| transfers.contains(&o.scope));
        Self {
            results,
            strategies: paper(results).map(|s| (s.id.as_str(), s)).collect(),
            outcomes: tested.map(|o| ((o.strategy.as_str(), &o.context), o)).collect(),
        }
    }

    /// The contexts of the named experiments: attributed on, tested on.
    pub(crate) fn focus(&self) -> [&'a Context; 2] {
        let [from, to] = &self.results.focus;
        [from, to]
    }

    pub(crate) fn contexts(&self) -> Vec<&'a Context> {
        self.results.baseline.iter().map(|b| &b.context).collect()
    }

    pub(crate) fn baseline(&self, context: &Context) -> Option<&'a Baseline> {
        self.results.baseline.iter().find(|b| b.context == *context)
    }

    /// The methods and budgets that were used on whole contexts, the paper's first, random last.
    pub(crate) fn families(&self) -> Vec<Family<'a>> {
        // By what is written, so that budgets of equal size stand in one order.
        let mut found: BTreeMap<(&str, String), (&Strategy, f64, f64)> = BTreeMap::new();
        for s in paper(self.results).filter(|s| !matches!(s.trained_on, TrainedOn::Variation(..))) {
            let entry = found.entry((&s.method, s.budget.to_string())).or_insert((s, 0.0, 0.0));
            *entry = (s, entry.1 + s.share, entry.2 + 1.0);
        }
        let found = found.into_values().map(|(own, sum, count)| Family {
            method: &own.method,
            budget: &own.budget,
            null: own.null_of.is_some(),
            unit: own.unit,
            share: sum / count,
        });
        let mut found: Vec<Family> = found.collect();
        let order = [
            method::WANDA_B_A,
            method::WANDA_A_B,
            method::WANDA_COMMON,
            method::SIGNED_GAP,
            method::GAP_PURSUIT,
        ];
        let rank = |f: &Family| {
            let known = order.iter().position(|m| *m == f.method).unwrap_or(order.len());
            (f.is_random(), f.unit == UnitKind::Head, known, f.method.to_owned())
        };
        found.sort_by(|a, b| rank(a).cmp(&rank(b)).then(a.share.total_cmp(&b.share)));
        found
    }

    /// Each method at its middle budget, so that no result decides which one is shown.
    pub(crate) fn main(&self) -> Vec<Family<'a>> {
        let families = self.families();
        let by_method = families.chunk_by(|a, b| a.method == b.method);
        by_method
            .filter_map(|own| own.get(own.len() / 2).copied())
            .filter(|f| !f.is_random())
            .collect()
    }

    pub(crate) fn strategy(&self, family: &Family, trained_on: &TrainedOn) -> Option<&'a Strategy> {
        self.results.strategies.iter().find(|s| {
            s.method == family.method && s.budget == *family.budget && s.trained_on == *trained_on
        })
    }

    /// A mask's outcome on the held-out variations of a context.
    pub(crate) fn tested(&self, strategy: &Strategy, context: &Context) -> Option<&'a Outcome> {
        self.outcomes.get(&(strategy.id.as_str(), context)).copied()
    }

    /// The random mask with as many weights, made for the same contexts.
    pub(crate) fn null(&self, strategy: &Strategy) -> Option<&'a Strategy> {
        let off = |s: &Strategy| s.weights.abs_diff(strategy.weights);
        let random = paper(self.results).filter(|s| {
            s.null_of.is_some() && s.trained_on == strategy.trained_on && s.unit == strategy.unit
        });
        random.min_by_key(|s| off(s)).filter(|s| off(s) * 100 <= strategy.weights)
    }

    pub(crate) fn in_scope(&self, family: &Family, scope: Scope) -> Vec<&'a Outcome> {
        let own = |o: &&Outcome| {
            let strategy = self.strategies.get(o.strategy.as_str());
            o.scope == scope
                && strategy.is_some_and(|s| s.method == family.method && s.budget == *family.budget)
        };
        self.results.outcomes.iter().filter(own).collect()
    }

    pub(crate) fn overlaps(&self, family: &Family<'a>) -> impl Iterator<Item = &'a ContextOverlap> {
        let Family { method, budget, .. } = *family;
        self.results.overlaps.iter().filter(move |o| o.method == method && o.budget == *budget)
    }

    pub(crate) fn overlap(
        &self,
        family: &Family,
        a: &Context,
        b: &Context,
    ) -> Option<&'a ContextOverlap> {
        self.results.overlaps.iter().find(|o| {
            let [c, d] = &o.contexts;
            o.method == family.method
                && o.budget == *family.budget
                && ((c, d) == (a, b) || (d, c) == (a, b))
        })
    }

    /// The places of a family's masks: of one context's, or of all contexts' together.
    pub(crate) fn places(
        &self,
        family: &Family,
        context: Option<&Context>,
    ) -> BTreeMap<(usize, Sublayer), Enrichment> {
        let wanted = |s: &Strategy| match &s.trained_on {
            TrainedOn::Context(c) => context.is_none_or(|wanted| wanted == c),
            _ => false,
        };
        let mut places: BTreeMap<(usize, Sublayer), Enrichment> = BTreeMap::new();
        for location in &self.results.locations {
            let strategy = self.strategies.get(location.strategy.as_str());
            if strategy.is_some_and(|s| {
                s.method == family.method && s.budget == *family.budget && wanted(s)
            }) {
                let place = places.entry((location.layer, location.sublayer)).or_default();
                place.chosen += location.chosen as f64;
                place.expected += location.expected;
                place.variance += location.deviation.powi(2);
            }
        }
        places
    }

    pub(crate) fn distinct_focus(&self) -> Vec<&'a Context> {
        let mut focus = self.focus().to_vec();
        focus.dedup();
        focus
    }

    /// The main masks made from the first focus context, with their outcomes there and on the
    /// second.
    pub(crate) fn transfers(&self) -> Vec<(Family<'a>, &'a Strategy, &'a Outcome, &'a Outcome)> {
        let [from, to] = self.focus();
        let own = |family: Family<'a>| {
            let strategy = self.strategy(&family, &TrainedOn::Context(from.clone()))?;
            Some((family, strategy, self.tested(strategy, from)?, self.tested(strategy, to)?))
        };
        if from == to { Vec::new() } else { self.main().into_iter().filter_map(own).collect() }
    }

    /// The overlap of the main masks between the focus contexts, measured and by chance.
    pub(crate) fn met(&self) -> Vec<(Family<'a>, f64, f64)> {
        let [from, to] = self.focus();
        let own = |family: Family<'a>| {
            let overlap = self.overlap(&family, from, to)?;
            Some((family, overlap.jaccard?, overlap.jaccard_by_chance.unwrap_or(f64::NAN)))
        };
        self.main().into_iter().filter_map(own).collect()
    }
}

/// The `most` variations with the largest differences, from those that favour the first group to
/// those that favour the second.
pub(crate) fn largest_differences(own: &Baseline, most: usize) -> Vec<&VariationBaseline> {
    let mut all: Vec<&VariationBaseline> = own.variations.iter().collect();
    let size = |v: &VariationBaseline| v.effect().map_or(f64::NEG_INFINITY, f64::abs);
    all.sort_by(|a, b| size(b).total_cmp(&size(a)));
    all.truncate(most);
    let value = |v: &VariationBaseline| v.effect().unwrap_or(f64::NEG_INFINITY);
    all.sort_by(|a, b| value(b).total_cmp(&value(a)));
    all
}
