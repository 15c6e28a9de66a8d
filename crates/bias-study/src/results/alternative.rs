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
    /// Affine concept editing: the difference of the groups' means is taken off what every block
    /// reads, and the middle of the means is put there (Karvonen & Marks 2025, arXiv 2506.10922).
    AffineConcept,
    /// A subspace that is trained so that exchanging it between two people exchanges their answers
    /// is held at its mean (Nguyen & Tan 2025, arXiv 2504.06303).
    Interchange,
    /// Neurons that answer questions about bias are amplified (Pan et al. 2026, arXiv 2601.21864).
    KnowledgeNeurons,
    /// A change of rank 4 that makes the answers about two people alike, by symmetric
    /// Kullback–Leibler divergence, and keeps neutral text (Xu et al. 2025, arXiv 2503.08588).
    SymmetricKl,
}

impl Alternative {
    /// All alternatives.
    pub const ALL: [Self; 10] = [
        Self::MeanAblation,
        Self::Projection,
        Self::Steering,
        Self::FineTuning,
        Self::LowRank,
        Self::Adversarial,
        Self::AffineConcept,
        Self::Interchange,
        Self::KnowledgeNeurons,
        Self::SymmetricKl,
    ];

    /// Those that a study tries. The others are asked for by name
    /// ([`Study::treat`](crate::Study::treat)).
    pub const STUDIED: [Self; 6] = [
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
            Self::AffineConcept => "affine-concept",
            Self::Interchange => "interchange",
            Self::KnowledgeNeurons => "knowledge-neurons",
            Self::SymmetricKl => "symmetric-kl",
        }
    }

    /// The alternative with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names are in files, ids and seeds, and stay as they are.
    #[test]
    fn names_are_those_of_files_and_find_their_alternative() {
        let names = [
            "mean-ablation",
            "projection",
            "steering",
            "fine-tuning",
            "low-rank",
            "adversarial",
            "affine-concept",
            "interchange",
            "knowledge-neurons",
            "symmetric-kl",
        ];
        assert_eq!(Alternative::ALL.map(Alternative::name), names);
        for own in Alternative::ALL {
            assert_eq!(Alternative::named(own.name()), Some(own));
            assert_eq!(serde_json::to_value(own).unwrap(), own.name());
        }
        // Results of studies that were published depend on it.
        assert_eq!(Alternative::STUDIED[..], Alternative::ALL[..6]);
        assert_eq!(Alternative::named("all"), None);
    }
}
