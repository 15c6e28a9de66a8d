use serde::{Deserialize, Serialize};

use crate::error::AskError;

/// How the next token is drawn: temperature, then top-k, then top-p, as in transformers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    temperature: f64,
    top_k: Option<usize>,
    top_p: f64,
}

impl Default for Sampling {
    /// The model's own distribution: temperature 1, no cut-off.
    fn default() -> Self {
        Self { temperature: 1.0, top_k: None, top_p: 1.0 }
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

    /// Keeps the `k` most probable tokens (and those tied with the last of them).
    #[must_use]
    pub fn with_top_k(self, top_k: Option<usize>) -> Self {
        Self { top_k, ..self }
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

    /// The temperature.
    #[must_use]
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// The probability of every token to come next, by its id.
    pub(crate) fn probabilities(&self, logits: &[f32]) -> Vec<f64> {
        if self.top_k.is_some() || self.top_p < 1.0 {
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

    /// The probabilities of the next token, largest first (ties by lower id). Tokens below `floor`
    /// may be left out; their total is one minus the sum.
    #[must_use]
    pub fn distribution(&self, logits: &[f32], floor: f64) -> Vec<(u32, f64)> {
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |l: f32| ((f64::from(l) - f64::from(top)) / self.temperature).exp();
        let kth = self.top_k.filter(|k| *k < logits.len()).map(|k| {
            let mut sorted = logits.to_vec();
            *sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
        });
        let kept = |l: &f32| kth.is_none_or(|kth| *l >= kth);
        let total: f64 = logits.iter().filter(|l| kept(l)).map(|l| weight(*l)).sum();
        // The nucleus must be found among all tokens; without one, only those above the floor
        // matter.
        let cut = if self.top_p < 1.0 { 0.0 } else { floor * total };
        // Half of it, so that rounding keeps what the exact comparison below decides.
        let worth_it = f64::from(top) + self.temperature * (cut / 2.0).ln();
        let mut tokens: Vec<(u32, f64)> = (0u32..)
            .zip(logits)
            .filter(|(_, l)| f64::from(**l) >= worth_it && kept(l))
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
    }
}
