use bias_metrics::effect::{drawn_error, sampling_error};
use bias_metrics::{NameAnswers, Weighting};

/// Answers as numbers, and the meaning of their weights.
pub(crate) struct Said {
    pub weighting: Weighting,
    pub names: Vec<NameAnswers>,
    /// For each name, the weight of the answers without the requested form, and of all answers.
    pub unanswered: Vec<(f64, f64)>,
    /// For each name, the share of answers that was estimated by drawing.
    pub estimated: Vec<f64>,
    /// For each name, how its values were obtained, for the error of their mean.
    pub drawn: Vec<Drawn>,
}

/// How one name's values were obtained.
pub(crate) enum Drawn {
    /// Each by an independent draw.
    Sampled,
    /// By this many draws from the unexplored answers; for each value its draw, unless it is exact.
    Explored(u32, Vec<Option<u32>>),
}

impl Drawn {
    /// The standard error of these values' mean.
    pub(crate) fn error(&self, values: &[(f64, f64)]) -> f64 {
        match self {
            Self::Sampled => sampling_error(values),
            Self::Explored(draws, of) => {
                let values =
                    values.iter().zip(of).map(|((value, weight), draw)| (*value, *weight, *draw));
                drawn_error(&values.collect::<Vec<_>>(), *draws)
            }
        }
    }
}
