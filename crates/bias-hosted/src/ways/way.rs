use std::fmt;

use serde::{Deserialize, Serialize};

/// A way to a distribution of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The text is continued from where the most probability is open, by completions with
    /// log-probabilities, until no more than allowed is left. It needs the text that the model sees.
    Exact,
    /// Answers are drawn, and the log-probabilities along them give the probability of every answer
    /// that was seen, or that was an alternative and ended there. The rest stays unexplored.
    Paths,
    /// Answers are drawn and counted.
    Samples,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact (log-probabilities of continued texts)",
            Self::Paths => "paths (log-probabilities along drawn answers)",
            Self::Samples => "samples (drawn answers, counted)",
        })
    }
}
