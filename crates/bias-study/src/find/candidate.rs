use std::collections::BTreeSet;

use bias_mask::Mask;
use bias_types::{ModelDims, UnitKind};

use crate::results::{
    Budget, Experiment, GAP_SHARE, GAP_SHARES, PURSUIT_SHARE, Plan, Strategy, TrainedOn,
    WANDA_SHARE, method,
};

/// A mask to test, with its names in results.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The method that found it, such as `signed-gap`.
    pub method: String,
    /// The kind of unit that it prunes.
    pub unit: UnitKind,
    /// Its budget.
    pub budget: Budget,
    /// The prompts that it was made from, which decide where it is tested.
    pub trained_on: TrainedOn,
    /// The [id](Self::id) of the mask of which this is the null: as many weights, chosen at random.
    pub null_of: Option<String>,
    /// The weights or units to prune.
    pub mask: Mask,
}

impl Candidate {
    /// Its name in results, such as `financial/signed-gap/0.2%`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.trained_on, self.method, self.budget)
    }

    /// The mask that this one is compared with.
    pub(crate) fn null(&self, method: &str, budget: Budget, mask: Mask) -> Self {
        Self {
            method: method.into(),
            unit: self.unit,
            budget,
            trained_on: self.trained_on.clone(),
            null_of: Some(self.id()),
            mask,
        }
    }

    /// Its entry in results, not yet tested.
    pub(crate) fn strategy(&self, dims: &ModelDims) -> Strategy {
        let weights = self.mask.count();
        Strategy {
            id: self.id(),
            experiment: Experiment::Transfer,
            method: self.method.clone(),
            unit: self.unit,
            trained_on: self.trained_on.clone(),
            budget: self.budget.clone(),
            null_of: self.null_of.clone(),
            weights,
            share: weights as f64 / dims.prunable_weights() as f64,
            mask: self.mask.digest(),
            perplexity_change: None,
        }
    }
}

/// Keeps the masks of a job that a plan tries, each with its null.
pub(crate) fn keep(plan: Plan, candidates: &mut Vec<Candidate>) {
    let weights: &[(&str, Budget)] = &match plan {
        Plan::Full => return,
        Plan::Short => vec![
            (method::WANDA_B_A, Budget::Share(WANDA_SHARE)),
            (method::WANDA_A_B, Budget::Share(WANDA_SHARE)),
            (method::SIGNED_GAP, Budget::Share(GAP_SHARES[0])),
            (method::SIGNED_GAP, Budget::Share(GAP_SHARE)),
            (method::GAP_PURSUIT, Budget::AtMost(PURSUIT_SHARE)),
        ],
        Plan::Core => vec![
            (method::WANDA_B_A, Budget::Share(WANDA_SHARE)),
            (method::SIGNED_GAP, Budget::Share(GAP_SHARE)),
            (method::GAP_PURSUIT, Budget::AtMost(PURSUIT_SHARE)),
        ],
    };
    // The budget of heads that reports show is the one with a null.
    let nulls: BTreeSet<String> = candidates.iter().filter_map(|own| own.null_of.clone()).collect();
    let is_kept = |own: &&Candidate| match (own.unit, plan) {
        (UnitKind::Head, Plan::Core) => nulls.contains(&own.id()),
        (UnitKind::Head, _) => true,
        _ => weights.iter().any(|(method, budget)| own.method == *method && own.budget == *budget),
    };
    let all = candidates.iter().filter(|own| own.null_of.is_none());
    let kept: BTreeSet<String> = all.filter(is_kept).map(Candidate::id).collect();
    candidates.retain(|own| kept.contains(own.null_of.as_ref().unwrap_or(&own.id())));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the budgets are, a plan keeps the ones that reports show, and the nulls of all
    /// masks that it keeps.
    #[test]
    fn plans_keep_budgets_with_their_nulls() {
        let mut all = Vec::new();
        let mut add = |method: &str, unit, budget: Budget, null: Option<(&str, Budget)>| {
            let own = Candidate {
                method: method.into(),
                unit,
                budget,
                trained_on: TrainedOn::All,
                null_of: None,
                mask: Mask::default(),
            };
            let null = null.map(|(method, budget)| Candidate {
                method: method.into(),
                budget,
                null_of: Some(own.id()),
                ..own.clone()
            });
            all.extend([own].into_iter().chain(null));
        };
        let wanda = || Budget::Share(WANDA_SHARE);
        add("wanda-a-b", UnitKind::Weight, wanda(), None);
        add("wanda-common", UnitKind::Weight, wanda(), None);
        let null = ("random", Budget::like("wanda", WANDA_SHARE));
        add("wanda-b-a", UnitKind::Weight, wanda(), Some(null));
        for share in GAP_SHARES {
            let null = ("random", Budget::like("signed gap", share));
            add(
                "signed-gap",
                UnitKind::Weight,
                Budget::Share(share),
                (share == GAP_SHARE).then_some(null),
            );
        }
        let null = ("random", Budget::like("gap pursuit", None));
        add("gap-pursuit", UnitKind::Weight, Budget::AtMost(PURSUIT_SHARE), Some(null));
        add("head-attention", UnitKind::Head, Budget::Heads(1), None);
        add(
            "head-attention",
            UnitKind::Head,
            Budget::Heads(3),
            Some(("random-heads", Budget::Heads(3))),
        );
        // A method of one's own is not one of those, whatever it is called.
        add("random-projection", UnitKind::Weight, wanda(), None);
        let kept = |plan| {
            let mut own = all.clone();
            keep(plan, &mut own);
            own.iter().map(|own| format!("{} {}", own.method, own.budget)).collect::<Vec<_>>()
        };
        let core = [
            "wanda-b-a 15%",
            "random as wanda 15%",
            "signed-gap 0.2%",
            "random as signed gap 0.2%",
            "gap-pursuit ≤ 1%",
            "random as gap pursuit",
            "head-attention 3 heads",
            "random-heads 3 heads",
        ];
        assert_eq!(kept(Plan::Core), core);
        let short = [
            "wanda-a-b 15%",
            "wanda-b-a 15%",
            "random as wanda 15%",
            "signed-gap 0.05%",
            "signed-gap 0.2%",
            "random as signed gap 0.2%",
            "gap-pursuit ≤ 1%",
            "random as gap pursuit",
            "head-attention 1 head",
            "head-attention 3 heads",
            "random-heads 3 heads",
        ];
        assert_eq!(kept(Plan::Short), short);
        assert_eq!(kept(Plan::Full).len(), all.len());
    }
}
