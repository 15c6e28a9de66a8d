use bias_metrics::robust::Bounds;
use bias_metrics::{Arm, NameMoments, Weighting};
use serde::{Deserialize, Serialize};

/// One variation reduced to the input of all statistics: moments and inlier shares per name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub moments: Vec<NameMoments>,
    /// The meaning of the weights.
    pub weighting: Weighting,
    /// The weight within the fences, and of all answers, per name.
    pub shares: Vec<(f64, f64)>,
    /// The weight of the answers without the requested form, and of all answers, per name.
    pub unanswered: Vec<(f64, f64)>,
    /// Mean probability of answers that were not explored.
    pub unexplored: f64,
    /// Mean share of answers that was estimated by drawing.
    pub estimated: f64,
    /// The bounds of the effect over all possible contents of the unexplored answers.
    pub bounds: Option<Bounds>,
}

impl Measured {
    /// Whether these are the numbers of people of these groups, in this order.
    pub(crate) fn is_of(&self, people: &[Arm]) -> bool {
        self.moments.iter().map(|own| &own.arm).eq(people)
            && self.shares.len() == people.len()
            && self.unanswered.len() == people.len()
    }
}
