use serde::{Deserialize, Serialize};

/// One answer and its share of the probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Its tokens, including the end token if there was one.
    pub tokens: Vec<u32>,
    /// Its text.
    pub text: String,
    /// Its probability (exact), or the number of times it was drawn (sampled, greedy).
    pub weight: f64,
    /// Whether it ended by itself.
    pub finished: bool,
    /// The draw from the unexplored answers that it stems from (only in exact decoding beyond its
    /// budget). Answers of one draw belong together. Draws are numbered in the order of token ids,
    /// so that neighbours begin alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<u32>,
}

/// The answers to one prompt.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Answers {
    /// The distinct answers, heaviest first within each length.
    pub answers: Vec<Answer>,
    /// The probability of the paths that were not followed (exact decoding only).
    pub unexplored: f64,
    /// The number of draws from the rest, including draws that led to nothing (only in exact
    /// decoding beyond its budget).
    #[serde(default)]
    pub draws: u32,
    /// The number of tokens of these answers that were run. A token that several answers share
    /// counts once; end tokens do not count.
    #[serde(default)]
    pub tokens: usize,
}

impl Answers {
    /// The share of all answers that was estimated by drawing. The other answers have their exact
    /// probability.
    #[must_use]
    pub fn estimated(&self) -> f64 {
        self.answers.iter().filter(|own| own.draw.is_some()).map(|own| own.weight).sum()
    }
}
