use bias_metrics::effect::{drawn_error, sampling_errors};
use bias_metrics::{NameAnswers, Weighting};

/// Answers as numbers, and the meaning of their weights.
pub(crate) struct Said {
    pub weighting: Weighting,
    pub names: Vec<NameAnswers>,
    /// For each name, the weight of the answers without the requested form, and of all answers.
    pub unanswered: Vec<(f64, f64)>,
    /// For each name, the share of answers that was estimated by drawing.
    pub estimated: Vec<f64>,
    /// How the values were obtained, for the errors of their means.
    pub drawn: Drawn,
}

/// How values were obtained.
pub(crate) enum Drawn {
    /// Each by an independent draw.
    Sampled,
    /// By exploring answers; an entry for each name.
    Explored(Vec<Explored>),
}

/// How the values of one name were obtained.
pub(crate) struct Explored {
    /// The number of draws from the unexplored answers.
    pub draws: u32,
    /// For each value its draw, unless it is exact.
    pub of: Vec<Option<u32>>,
}

impl Drawn {
    /// The standard error of each name's mean; `None` if it cannot be estimated.
    pub(crate) fn errors(&self, names: &[NameAnswers]) -> Vec<Option<f64>> {
        match self {
            Self::Sampled => sampling_errors(names),
            Self::Explored(own) => {
                let error = |(name, Explored { draws, of }): (&NameAnswers, &Explored)| {
                    let values = name.values.iter().zip(of);
                    let values = values.map(|((value, weight), draw)| (*value, *weight, *draw));
                    Some(drawn_error(&values.collect::<Vec<_>>(), *draws))
                };
                names.iter().zip(own).map(error).collect()
            }
        }
    }
}
