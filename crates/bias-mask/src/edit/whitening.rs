use crate::error::MaskError;

/// The least share of the covariance that is shrunk to a sphere, so that it can always be inverted.
const LEAST: f64 = 1e-3;
/// The part of a right-hand side that conjugate gradients may leave.
const LEFT: f64 = 1e-10;

/// How activations scatter within groups of people: a covariance that can be inverted, also where
/// there are fewer samples than channels.
///
/// It is `Σ = (1 − λ)·S + λ·(tr S / d)·I`, S the samples' second moment around their groups' means,
/// λ by Ledoit & Wolf 2004 (*A well-conditioned estimator for large-dimensional covariance
/// matrices*), at least 0.001. `Σ` is never formed: products go through the samples, and `Σ⁻¹·b`
/// is found by conjugate gradients. Memory is that of the samples, `[samples, channels]` in f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Whitening {
    samples: Vec<Vec<f64>>,
    shrinkage: f64,
    sphere: f64,
}

impl Whitening {
    /// From samples, each less its group's mean.
    ///
    /// # Shapes
    /// `samples`: at least two of `[channels]`.
    ///
    /// # Errors
    /// [`MaskError::Concept`] for fewer than two samples, samples of unequal length or that are not
    /// finite, and samples that do not scatter at all.
    pub fn of(samples: Vec<Vec<f64>>) -> Result<Self, MaskError> {
        let refused = |reason: String| Err(MaskError::Concept { reason });
        let (n, channels) = (samples.len(), samples.first().map_or(0, Vec::len));
        if n < 2 || channels == 0 {
            return refused(format!("{n} samples of {channels} channels have no covariance"));
        }
        if samples.iter().any(|own| own.len() != channels) {
            return refused("the samples have unequal numbers of channels".into());
        }
        let squares: Vec<f64> = samples.iter().map(|own| dot(own, own)).collect();
        let sum: f64 = squares.iter().sum();
        if !sum.is_finite() {
            return refused("a sample is not finite".into());
        }
        if sum <= 0.0 {
            return refused("the samples of each group are all the same".into());
        }
        // ‖S‖² from the samples' products with each other.
        let mut products = 0.0;
        for (i, own) in samples.iter().enumerate() {
            products += squares[i] * squares[i];
            products += samples[..i].iter().map(|other| 2.0 * dot(own, other).powi(2)).sum::<f64>();
        }
        let (n, d) = (n as f64, channels as f64);
        let (norm, sphere) = (products / (n * n), sum / n / d);
        let far = norm - d * sphere * sphere;
        let noise = (squares.iter().map(|own| own * own).sum::<f64>() - n * norm) / (n * n);
        let shrinkage = if far > 0.0 { (noise / far).clamp(LEAST, 1.0) } else { 1.0 };
        Ok(Self { samples, shrinkage, sphere })
    }

    /// λ, between 0.001 and 1.
    #[must_use]
    pub fn shrinkage(&self) -> f64 {
        self.shrinkage
    }

    /// Number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.samples.first().map_or(0, Vec::len)
    }

    /// `Σ·x`
    fn times(&self, x: &[f64]) -> Vec<f64> {
        let mut out: Vec<f64> = x.iter().map(|x| self.shrinkage * self.sphere * x).collect();
        let share = (1.0 - self.shrinkage) / self.samples.len() as f64;
        for own in &self.samples {
            let along = share * dot(own, x);
            out.iter_mut().zip(own).for_each(|(out, own)| *out += along * own);
        }
        out
    }

    /// `Σ⁻¹·b`, `[channels]`.
    ///
    /// # Errors
    /// [`MaskError::Concept`] for another number of channels, or values that are not finite.
    pub fn solve(&self, b: &[f64]) -> Result<Vec<f64>, MaskError> {
        if b.len() != self.channels() || !b.iter().all(|b| b.is_finite()) {
            let (channels, found) = (self.channels(), b.len());
            let reason =
                format!("{found} values do not fit {channels} channels, or are not finite");
            return Err(MaskError::Concept { reason });
        }
        let mut x = vec![0.0; b.len()];
        let (mut rest, mut step) = (b.to_vec(), b.to_vec());
        let mut left = dot(&rest, &rest);
        let enough = LEFT * LEFT * left;
        // In exact arithmetic, one round for each sample and one for the sphere.
        for _ in 0..10 * (self.samples.len() + 1) {
            if left <= enough {
                break;
            }
            let turned = self.times(&step);
            let length = left / dot(&step, &turned);
            x.iter_mut().zip(&step).for_each(|(x, step)| *x += length * step);
            rest.iter_mut().zip(&turned).for_each(|(rest, turned)| *rest -= length * turned);
            let now = dot(&rest, &rest);
            step.iter_mut().zip(&rest).for_each(|(step, rest)| *step = rest + now / left * *step);
            left = now;
        }
        Ok(x)
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(n: usize, channels: usize) -> Vec<Vec<f64>> {
        let value = |i: usize, j: usize| ((i * 7 + j * 3) as f64 * 0.71).sin() * (1 + j) as f64;
        (0..n).map(|i| (0..channels).map(|j| value(i, j)).collect()).collect()
    }

    #[test]
    fn what_is_solved_gives_what_was_asked() {
        for (n, channels) in [(4, 9), (40, 9), (2, 1)] {
            let own = Whitening::of(samples(n, channels)).unwrap();
            let b: Vec<f64> = (0..channels).map(|j| (j as f64).cos()).collect();
            let back = own.times(&own.solve(&b).unwrap());
            let off = back.iter().zip(&b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            assert!(off < 1e-8, "{n} samples: {off}");
            assert!((LEAST..=1.0).contains(&own.shrinkage()));
        }
        assert_eq!(Whitening::of(samples(4, 9)).unwrap().solve(&[0.0; 9]).unwrap(), [0.0; 9]);
    }

    /// More samples of the same distribution are trusted more.
    #[test]
    fn few_samples_are_shrunk_more() {
        let [few, many] = [8, 200].map(|n| Whitening::of(samples(n, 9)).unwrap().shrinkage());
        assert!(few > many, "{few} and {many}");
    }

    #[test]
    fn what_has_no_covariance_is_refused() {
        let refused = |samples: Vec<Vec<f64>>, word: &str| {
            let error = Whitening::of(samples).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        refused(vec![], "0 samples");
        refused(vec![vec![1.0]], "1 samples");
        refused(vec![vec![1.0], vec![1.0, 2.0]], "unequal");
        refused(vec![vec![0.0]; 3], "all the same");
        refused(vec![vec![f64::NAN]; 3], "finite");
        let own = Whitening::of(samples(4, 3)).unwrap();
        assert!(own.solve(&[1.0]).is_err() && own.solve(&[f64::NAN; 3]).is_err());
    }
}
