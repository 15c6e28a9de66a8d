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

    /// One variation in which each person was answered by another model: the first one's answers
    /// about the first person, and so on. `None` without people, or where a model was asked about
    /// fewer. Bounds are of one model and have no part in it.
    pub(crate) fn by_person(models: &[&Self]) -> Option<Self> {
        let first = models.first()?;
        let mean = |of: fn(&Self) -> f64| {
            models.iter().map(|own| of(own)).sum::<f64>() / models.len() as f64
        };
        let people = || models.iter().enumerate();
        Some(Self {
            moments: people().map(|(i, own)| own.moments.get(i).copied()).collect::<Option<_>>()?,
            shares: people().map(|(i, own)| own.shares.get(i).copied()).collect::<Option<_>>()?,
            unanswered: people()
                .map(|(i, own)| own.unanswered.get(i).copied())
                .collect::<Option<_>>()?,
            weighting: first.weighting,
            unexplored: mean(|own| own.unexplored),
            estimated: mean(|own| own.estimated),
            bounds: None,
        })
    }
}
