use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::AskError;

/// How the next token is drawn, as transformers does it: suppressed tokens are out, logits are
/// divided by the temperature, then top-k, top-p and min-p cut off, in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    temperature: f64,
    top_k: Option<usize>,
    top_p: f64,
    #[serde(default, skip_serializing_if = "is_zero")]
    min_p: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    suppressed: Vec<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Default for Sampling {
    /// The model's own distribution: temperature 1, no cut-off.
    fn default() -> Self {
        Self { temperature: 1.0, top_k: None, top_p: 1.0, min_p: 0.0, suppressed: Vec::new() }
    }
}

/// In words, as they would be said of a run: `temperature 0.6, top-k 50, top-p 0.9`.
impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "temperature {}", self.temperature)?;
        if let Some(k) = self.top_k {
            write!(f, ", top-k {k}")?;
        }
        if self.top_p < 1.0 {
            write!(f, ", top-p {}", self.top_p)?;
        }
        if self.min_p > 0.0 {
            write!(f, ", min-p {}", self.min_p)?;
        }
        if !self.suppressed.is_empty() {
            write!(f, ", {} tokens suppressed", self.suppressed.len())?;
        }
        if self.keeps_all() { f.write_str(", nothing cut off") } else { Ok(()) }
    }
}

impl Sampling {
    /// Divides logits by this before the softmax.
    ///
    /// # Errors
    /// [`AskError::Sampling`] unless it is positive and finite. For the most probable answer, use
    /// [`Decoding::Greedy`](super::Decoding::Greedy).
    pub fn with_temperature(self, temperature: f64) -> Result<Self, AskError> {
        if temperature.is_finite() && temperature > 0.0 {
            return Ok(Self { temperature, ..self });
        }
        let value = temperature.to_string();
        Err(AskError::Sampling {
            name: "temperature",
            value,
            must: "above 0 (greedy decoding is separate)",
        })
    }

    /// Keeps the `k` most probable tokens (and those tied with the last of them). `None` and 0 keep
    /// all.
    #[must_use]
    pub fn with_top_k(self, top_k: Option<usize>) -> Self {
        Self { top_k: top_k.filter(|k| *k > 0), ..self }
    }

    /// Keeps the smallest set of most probable tokens that reaches this mass.
    ///
    /// # Errors
    /// [`AskError::Sampling`] outside (0, 1].
    pub fn with_top_p(self, top_p: f64) -> Result<Self, AskError> {
        if top_p > 0.0 && top_p <= 1.0 {
            return Ok(Self { top_p, ..self });
        }
        Err(AskError::Sampling {
            name: "top_p",
            value: top_p.to_string(),
            must: "above 0 and at most 1",
        })
    }

    /// Keeps the tokens that are at least this share as probable as the most probable one; 0 keeps
    /// all.
    ///
    /// # Errors
    /// [`AskError::Sampling`] outside [0, 1].
    pub fn with_min_p(self, min_p: f64) -> Result<Self, AskError> {
        if (0.0..=1.0).contains(&min_p) {
            return Ok(Self { min_p, ..self });
        }
        Err(AskError::Sampling {
            name: "min_p",
            value: min_p.to_string(),
            must: "at least 0 and at most 1",
        })
    }

    /// Never draws these tokens. Ids that a model does not have are passed over.
    #[must_use]
    pub fn with_suppressed(self, mut tokens: Vec<u32>) -> Self {
        tokens.sort_unstable();
        tokens.dedup();
        Self { suppressed: tokens, ..self }
    }

    /// How many of the most probable tokens are kept; `None` is all.
    #[must_use]
    pub fn top_k(&self) -> Option<usize> {
        self.top_k
    }

    /// The mass that the most probable tokens kept reach together; 1 is all.
    #[must_use]
    pub fn top_p(&self) -> f64 {
        self.top_p
    }

    /// How probable a token must be, as a share of the most probable one's probability; 0 is all.
    #[must_use]
    pub fn min_p(&self) -> f64 {
        self.min_p
    }

    /// Tokens that are never drawn, in ascending order.
    #[must_use]
    pub fn suppressed(&self) -> &[u32] {
        &self.suppressed
    }

    fn keeps_all(&self) -> bool {
        self.top_k.is_none() && self.top_p >= 1.0 && self.min_p <= 0.0 && self.suppressed.is_empty()
    }

    /// The temperature.
    #[must_use]
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// The probability of every token to come next, by its id.
    pub(crate) fn probabilities(&self, logits: &[f32]) -> Vec<f64> {
        if !self.keeps_all() {
            let mut all = vec![0.0; logits.len()];
            self.distribution(logits, 0.0).into_iter().for_each(|(id, p)| all[id as usize] = p);
            return all;
        }
        let top = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let mut all: Vec<f64> =
            logits.iter().map(|l| ((f64::from(*l) - top) / self.temperature).exp()).collect();
        let total: f64 = all.iter().sum();
        all.iter_mut().for_each(|p| *p /= total);
        all
    }

    /// Logits, those of suppressed tokens −∞.
    fn unsuppressed<'l>(&self, logits: &'l [f32]) -> Cow<'l, [f32]> {
        if self.suppressed.is_empty() {
            return logits.into();
        }
        let mut logits = logits.to_vec();
        for token in &self.suppressed {
            if let Some(own) = logits.get_mut(*token as usize) {
                *own = f32::NEG_INFINITY;
            }
        }
        logits.into()
    }

    /// The most probable token, the first of equals, as `torch.argmax`.
    pub(crate) fn top(&self, logits: &[f32]) -> Option<u32> {
        let logits = self.unsuppressed(logits);
        let top = (0u32..).zip(&*logits).reduce(|a, b| if b.1 > a.1 { b } else { a });
        top.map(|(token, _)| token)
    }

    /// The next token's probabilities, largest first (ties by lower id). Tokens below
    /// `floor` may be left out; what they hold is one minus the sum.
    #[must_use]
    pub fn distribution(&self, logits: &[f32], floor: f64) -> Vec<(u32, f64)> {
        let logits = &*self.unsuppressed(logits);
        let out = |l: f32| !self.suppressed.is_empty() && l == f32::NEG_INFINITY;
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |l: f32| ((f64::from(l) - f64::from(top)) / self.temperature).exp();
        let kth = self.top_k.filter(|k| *k < logits.len()).map(|k| {
            let mut sorted = logits.to_vec();
            *sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
        });
        let kept = |l: &f32| kth.is_none_or(|kth| *l >= kth);
        let total: f64 = logits.iter().filter(|l| kept(l)).map(|l| weight(*l)).sum();
        // The nucleus must be found among all tokens, and so must the mass of what min-p keeps;
        // without them, only those above the floor matter.
        let cut = if self.top_p < 1.0 || self.min_p > 0.0 { 0.0 } else { floor * total };
        // Half of it, so that rounding keeps what the exact comparison below decides.
        let worth_it = f64::from(top) + self.temperature * (cut / 2.0).ln();
        let mut tokens: Vec<(u32, f64)> = (0u32..)
            .zip(logits)
            .filter(|(_, l)| f64::from(**l) >= worth_it && kept(l) && !out(**l))
            .map(|(id, l)| (id, weight(*l)))
            .filter(|(_, w)| *w >= cut)
            .collect();
        tokens.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut mass = total;
        if self.top_p < 1.0 {
            let mut before = 0.0;
            let inside = tokens.iter().take_while(|(_, w)| {
                let keep = before < self.top_p * total;
                before += w;
                keep
            });
            let inside = inside.count().max(1);
            tokens.truncate(inside);
            mass = tokens.iter().map(|(_, w)| w).sum();
        }
        if self.min_p > 0.0 {
            // The most probable token weighs 1.
            tokens.retain(|(_, w)| *w >= self.min_p);
            mass = tokens.iter().map(|(_, w)| w).sum();
        }
        tokens.retain_mut(|(_, w)| {
            *w /= mass;
            *w >= floor
        });
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [0.0, 2.0, 1.0, 2.0, -3.0];

    fn ids(sampling: Sampling) -> Vec<u32> {
        sampling.distribution(&LOGITS, 0.0).into_iter().map(|t| t.0).collect()
    }

    #[test]
    fn probabilities_sum_to_one_and_fall() {
        let d = Sampling::default().with_temperature(0.6).unwrap().distribution(&LOGITS, 0.0);
        assert!((d.iter().map(|t| t.1).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(d.windows(2).all(|w| w[0].1 >= w[1].1));
        assert_eq!(d[0].0, 1);
    }

    #[test]
    fn top_k_keeps_ties_and_top_p_the_smallest_nucleus() {
        assert_eq!(ids(Sampling::default().with_top_k(Some(1))), [1, 3]);
        assert_eq!(ids(Sampling::default().with_top_p(0.5).unwrap()), [1, 3]);
        assert_eq!(ids(Sampling::default().with_top_p(0.01).unwrap()), [1]);
    }

    #[test]
    fn min_p_is_a_share_of_the_most_probable() {
        let min_p = |p: f64| Sampling::default().with_min_p(p).unwrap();
        assert_eq!(ids(min_p(0.0)), ids(Sampling::default()));
        assert_eq!(ids(min_p(1.0)), [1, 3]);
        // exp(-1) = 0.37, exp(-2) = 0.14
        assert_eq!(ids(min_p(0.36)), [1, 3, 2]);
        assert_eq!(ids(min_p(0.13)), [1, 3, 2, 0]);
        // Behind the temperature: exp(-1 / 0.5) = 0.14.
        assert_eq!(ids(min_p(0.36).with_temperature(0.5).unwrap()), [1, 3]);
        // Behind top-p, which is found among all tokens.
        assert_eq!(ids(min_p(0.13).with_top_p(0.5).unwrap()), [1, 3]);
        let kept = min_p(0.36).distribution(&LOGITS, 0.0);
        assert!((kept.iter().map(|t| t.1).sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(min_p(0.36).distribution(&LOGITS, 0.2), kept[..2]);
    }

    #[test]
    fn suppressed_tokens_are_never_drawn() {
        let own = Sampling::default().with_suppressed(vec![3, 1, 3, 99]);
        assert_eq!(own.suppressed(), [1, 3, 99]);
        assert_eq!((ids(own.clone()), own.top(&LOGITS)), (vec![2, 0, 4], Some(2)));
        // Before top-k: the k most probable of the others.
        assert_eq!(ids(own.clone().with_top_k(Some(2))), [2, 0]);
        assert_eq!(ids(own.clone().with_top_k(Some(4))), [2, 0, 4]);
        let all = own.probabilities(&LOGITS);
        assert!(all[1] == 0.0 && all[3] == 0.0 && (all.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(Sampling::default().top(&LOGITS), Some(1));
    }

    #[test]
    fn settings_are_said_in_words() {
        let own = Sampling::default();
        assert_eq!(own.to_string(), "temperature 1, nothing cut off");
        let own = own.with_temperature(0.6).unwrap().with_top_k(Some(50)).with_top_p(0.9).unwrap();
        assert_eq!(own.to_string(), "temperature 0.6, top-k 50, top-p 0.9");
        let own = Sampling::default().with_min_p(0.1).unwrap().with_suppressed(vec![3, 4]);
        assert_eq!(own.to_string(), "temperature 1, min-p 0.1, 2 tokens suppressed");
        assert_eq!(own.with_top_k(Some(0)).top_k(), None);
    }

    #[test]
    fn the_floor_only_hides_small_tokens() {
        let all = Sampling::default().distribution(&LOGITS, 0.0);
        let some = Sampling::default().distribution(&LOGITS, 0.05);
        assert_eq!(some, all[..some.len()]);
        assert!(all[some.len()..].iter().all(|t| t.1 < 0.05));
    }

    #[test]
    fn impossible_settings_are_refused() {
        assert!(Sampling::default().with_temperature(0.0).is_err());
        assert!(Sampling::default().with_temperature(f64::NAN).is_err());
        assert!(Sampling::default().with_top_p(1.5).is_err());
        assert!(Sampling::default().with_min_p(-0.1).is_err());
        assert!(Sampling::default().with_min_p(f64::NAN).is_err());
    }
}
