use bias_metrics::robust::Bounds;
use bias_metrics::{Arm, NameMoments, Weighting};
use serde::{Deserialize, Serialize};

/// One variation reduced to what every statistic needs: moments and inlier shares per name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub moments: Vec<NameMoments>,
    /// How they count.
    pub weighting: Weighting,
    /// Weight within the fences, and all of it, per name.
    pub shares: Vec<(f64, f64)>,
    /// Weight of answers that do not say what was asked, and of all, per name.
    pub unanswered: Vec<(f64, f64)>,
    /// Mean probability of answers that were not followed.
    pub unexplored: f64,
    /// Mean share of answers that was estimated by drawing.
    pub estimated: f64,
    /// Between what the effect must lie, whatever those answers say.
    pub bounds: Option<Bounds>,
}

impl Measured {
    /// Whether these are numbers of people of these groups, in this order.
    pub(crate) fn is_of(&self, people: &[Arm]) -> bool {
        self.moments.iter().map(|own| &own.arm).eq(people)
            && self.shares.len() == people.len()
            && self.unanswered.len() == people.len()
    }
}
