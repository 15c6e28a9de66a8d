use bias_model::Decoding;
use bias_model::generate::Sampling;
use serde::{Deserialize, Serialize};

use super::form::ChoiceValue;

/// The settings that decide the numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Seed of everything random.
    pub seed: u64,
    /// How answers are taken from the model.
    pub decoding: Decoding,
    /// Bootstrap resamples of names per interval.
    pub resamples: usize,
    /// Answers are first clamped to these quantiles of their variation.
    pub winsorise: [f64; 2],
    /// The multiplier of Tukey's fences in the inlier ratio.
    pub tukey_k: f64,
    /// The value of a choice.
    #[serde(default)]
    pub choice: ChoiceValue,
    /// The most names per side that attribution sees, evenly spread over those that it may see; all
    /// of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributed_names: Option<usize>,
    /// How the next token is drawn. Taken from the model when the study begins.
    #[serde(default)]
    pub sampling: Sampling,
    /// Answers are cut off after this many tokens. Taken from the model when the study begins.
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
