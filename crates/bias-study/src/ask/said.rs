use bias_metrics::effect::{drawn_error, sampling_error};
use bias_metrics::{NameAnswers, Weighting};

/// Answers as numbers, and how those count.
pub(crate) struct Said {
    pub weighting: Weighting,
    pub names: Vec<NameAnswers>,
    /// Of each name, the weight of answers that do not say what was asked, and of all.
    pub unanswered: Vec<(f64, f64)>,
    /// Of each name, the share of answers that was estimated by drawing.
    pub estimated: Vec<f64>,
    /// How each name's values came about, for the error of their mean.
    pub drawn: Vec<Drawn>,
}

/// How one name's values came about.
pub(crate) enum Drawn {
    /// Each by itself.
    Sampled,
    /// By draws from what was not explored, so many; of each value which, if it is not exact.
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
