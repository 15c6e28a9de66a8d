use serde::{Deserialize, Serialize};

/// An alternative to pruning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Alternative {
    /// Mean ablation: the weights that gap pursuit finds pass on their mean instead of nothing.
    MeanAblation,
    /// Projection: no block writes along the difference of the groups' means any more. The
    /// projection has rank 2 per layer, one direction at name tokens and one where the answer
    /// begins (after Bolukbasi et al. 2016, arXiv 1607.06520).
    Projection,
    /// Steering: half the difference of the groups' means is added to the residual stream in the
    /// middle of the model (after Turner et al. 2023, arXiv 2308.10248).
    Steering,
    /// Fine-tuning: all weights learn to answer everybody as both groups together are answered.
    FineTuning,
    /// The same by a change of rank 4 to every matrix (LoRA; Hu et al. 2021, arXiv 2106.09685).
    LowRank,
    /// The same as LoRA, while an adversary that reads the last hidden state is kept from telling
    /// the groups apart (gradient reversal; Ganin et al. 2016, arXiv 1505.07818).
    Adversarial,
}

impl Alternative {
    /// All alternatives.
    pub const ALL: [Self; 6] = [
        Self::MeanAblation,
        Self::Projection,
        Self::Steering,
        Self::FineTuning,
        Self::LowRank,
        Self::Adversarial,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MeanAblation => "mean-ablation",
            Self::Projection => "projection",
            Self::Steering => "steering",
            Self::FineTuning => "fine-tuning",
            Self::LowRank => "low-rank",
            Self::Adversarial => "adversarial",
        }
    }
}
