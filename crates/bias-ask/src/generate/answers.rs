use serde::{Deserialize, Serialize};

/// One answer, or the share of the probability that gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Its tokens, the ending one included if it came.
    pub tokens: Vec<u32>,
    /// Its text.
    pub text: String,
    /// Probability (exact) or how often it was drawn (sampled, greedy).
    pub weight: f64,
    /// Whether it ended by itself.
    pub finished: bool,
    /// Which draw from the unexplored it stems from (exact decoding beyond its budget only): those
    /// of one draw stand and fall together, and numbers follow the order of token ids, so that
    /// neighbours begin alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<u32>,
}

/// The answers to one prompt.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Answers {
    /// Different answers, heaviest first within their length.
    pub answers: Vec<Answer>,
    /// Probability of paths that were not followed (exact decoding only).
    pub unexplored: f64,
    /// How often the rest was drawn from, draws that came to nothing included (exact decoding
    /// beyond its budget only).
    #[serde(default)]
    pub draws: u32,
    /// Tokens of these answers that were run: one that several share counts once, and the ending
    /// ones are none.
    #[serde(default)]
    pub tokens: usize,
}

impl Answers {
    /// Share of all answers that was estimated by drawing; the others have their exact probability.
    #[must_use]
    pub fn estimated(&self) -> f64 {
        self.answers.iter().filter(|own| own.draw.is_some()).map(|own| own.weight).sum()
    }
}
