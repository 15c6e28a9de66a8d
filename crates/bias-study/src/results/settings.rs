use bias_model::Decoding;
use bias_model::generate::Sampling;
use serde::{Deserialize, Serialize};

use super::form::ChoiceValue;

/// The settings that decide the numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Seed of everything random.
    pub seed: u64,
    /// How answers are taken.
    pub decoding: Decoding,
    /// Bootstrap resamples of names per interval.
    pub resamples: usize,
    /// Answers are clamped to these quantiles of their variation first.
    pub winsorise: [f64; 2],
    /// Tukey's multiplier in the inlier ratio.
    pub tukey_k: f64,
    /// What a choice is worth.
    #[serde(default)]
    pub choice: ChoiceValue,
    /// Attribution looks at so many names of each side at most, evenly over those that it may see;
    /// at all of them, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributed_names: Option<usize>,
    /// How the next token is drawn; taken from the model when the study begins.
    #[serde(default)]
    pub sampling: Sampling,
    /// Answers are cut after this many tokens; likewise.
    #[serde(default)]
    pub max_new_tokens: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            decoding: Decoding::exact_within(1e-2),
            resamples: 2000,
            winsorise: [0.01, 0.99],
            tukey_k: 1.5,
            choice: ChoiceValue::default(),
            attributed_names: None,
            sampling: Sampling::default(),
            max_new_tokens: 0,
        }
    }
}
