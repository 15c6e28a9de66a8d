use std::io;
use std::path::Path;

use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};

use crate::StudyError;
use crate::save;

/// A channel that hardly varies within contexts counts no more than one that varies by this share
/// of the mean deviation.
const LEAST: f64 = 1e-3;

/// Which of several contexts a prompt is like: the one whose mean is nearest, with every channel in
/// deviations within contexts (discriminant analysis with a diagonal covariance).
///
/// ```
/// use bias_study::gate::Gate;
///
/// let [pay, rent] = ["pay".parse()?, "rent".parse()?];
/// let gate = Gate::fit(
///     0,
///     &[(&pay, vec![vec![1.0, 0.0], vec![1.2, 0.1]]), (&rent, vec![vec![-1.0, 0.1], vec![-0.8, 0.0]])],
/// )?;
/// assert_eq!(gate.nearest(&[0.9, 0.05])?, &pay);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    format: String,
    layer: usize,
    contexts: Vec<Context>,
    /// Of each context, `[d_model]`.
    means: Vec<Vec<f64>>,
    /// Within contexts, `[d_model]`.
    deviations: Vec<f64>,
}

impl Gate {
    const FORMAT: &str = "bias-gate/1";

    /// A gate that reads the input of block `layer`, from what was [`read`](super::read()) of
    /// prompts of each context.
    ///
    /// # Errors
    /// [`StudyError::Gate`] without two contexts, or for readings of several lengths.
    pub fn fit(layer: usize, read: &[(&Context, Vec<Vec<f64>>)]) -> Result<Self, StudyError> {
        let channels = read.iter().flat_map(|(_, own)| own).map(Vec::len).next().unwrap_or(0);
        let whole =
            read.iter().all(|(_, own)| !own.is_empty() && own.iter().all(|x| x.len() == channels));
        if read.len() < 2 || channels == 0 || !whole {
            let reason = "it needs prompts of at least two contexts, read at one block";
            return Err(StudyError::Gate { reason: reason.into() });
        }
        let mean =
            |own: &[Vec<f64>], j: usize| own.iter().map(|x| x[j]).sum::<f64>() / own.len() as f64;
        let means: Vec<Vec<f64>> =
            read.iter().map(|(_, own)| (0..channels).map(|j| mean(own, j)).collect()).collect();
        let count = read.iter().map(|(_, own)| own.len()).sum::<usize>();
        let within = |j: usize| {
            let of = |(own, mean): (&Vec<Vec<f64>>, &Vec<f64>)| -> f64 {
                own.iter().map(|x| (x[j] - mean[j]).powi(2)).sum()
            };
            let all = read.iter().map(|(_, own)| own).zip(&means).map(of).sum::<f64>();
            (all / count as f64).sqrt()
        };
        let mut deviations: Vec<f64> = (0..channels).map(within).collect();
        let least = LEAST * deviations.iter().sum::<f64>() / channels as f64;
        // Prompts of a context that are all alike leave plain distances.
        let least = if least > 0.0 { least } else { 1.0 };
        deviations.iter_mut().for_each(|own| *own = own.max(least));
        let contexts = read.iter().map(|(own, _)| (*own).clone()).collect();
        Ok(Self { format: Self::FORMAT.into(), layer, contexts, means, deviations })
    }

    /// The block whose input it reads.
    #[must_use]
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// The contexts that it tells apart.
    #[must_use]
    pub fn contexts(&self) -> &[Context] {
        &self.contexts
    }

    /// The context that a prompt is most like, by what was [`read`](super::read()) of it. Of equal
    /// ones, the first.
    ///
    /// # Errors
    /// [`StudyError::Gate`] for a reading of another model.
    pub fn nearest(&self, read: &[f64]) -> Result<&Context, StudyError> {
        if read.len() != self.deviations.len() {
            let (own, found) = (self.deviations.len(), read.len());
            let reason = format!("it reads {own} channels, and was given {found}");
            return Err(StudyError::Gate { reason });
        }
        let distance = |mean: &[f64]| -> f64 {
            let apart = read.iter().zip(mean).zip(&self.deviations);
            apart.map(|((x, mean), own)| ((x - mean) / own).powi(2)).sum()
        };
        let all = self.contexts.iter().zip(&self.means);
        let found = all.map(|(context, mean)| (context, distance(mean)));
        let found = found.reduce(|best, own| if own.1 < best.1 { own } else { best });
        found
            .map(|(context, _)| context)
            .ok_or_else(|| StudyError::Gate { reason: "it has no contexts".into() })
    }

    /// Writes the file, whole or not at all: JSON with `layer`, `contexts`, `means`
    /// (`[contexts][d_model]`) and `deviations` (`[d_model]`).
    ///
    /// # Errors
    /// [`StudyError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), StudyError> {
        let json = serde_json::to_vec(self)
            .map_err(|e| StudyError::Write { path: path.into(), source: e.into() })?;
        save::write(path, &json)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`StudyError::Read`] for a file that is missing, damaged or of another version.
    pub fn load(path: &Path) -> Result<Self, StudyError> {
        let own: Self = save::read(path, Self::FORMAT, |own: &Self| &own.format)?;
        let channels = own.deviations.len();
        let positive = own.deviations.iter().all(|own| own.is_finite() && *own > 0.0);
        let finite = own.means.iter().flatten().all(|own| own.is_finite());
        let fits = own.means.iter().all(|own| own.len() == channels)
            && own.means.len() == own.contexts.len()
            && own.contexts.len() >= 2;
        if positive && finite && fits {
            return Ok(own);
        }
        let reason = "its means do not fit its contexts and deviations";
        let source = io::Error::new(io::ErrorKind::InvalidData, reason);
        Err(StudyError::Read { path: path.into(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Gate {
        let [pay, rent] = ["pay", "rent"].map(|own| own.parse().unwrap());
        // The first channel tells them apart; the second is large and says nothing.
        let of = |x: f64| vec![vec![x, -50.0], vec![x + 0.1, 50.0], vec![x - 0.1, 0.0]];
        Gate::fit(3, &[(&pay, of(1.0)), (&rent, of(-1.0))]).unwrap()
    }

    #[test]
    fn channels_count_by_how_much_they_vary_within_contexts() {
        let gate = two();
        let of = |read: [f64; 2]| gate.nearest(&read).unwrap().as_str().to_owned();
        assert_eq!([of([0.3, 50.0]), of([-0.3, -50.0])], ["pay", "rent"]);
        assert!(gate.nearest(&[1.0]).is_err());
        let pay = "pay".parse().unwrap();
        assert!(Gate::fit(0, &[(&pay, vec![vec![1.0]])]).is_err());
        // Nothing varies within contexts.
        let rent = "rent".parse().unwrap();
        let plain = Gate::fit(0, &[(&pay, vec![vec![1.0]]), (&rent, vec![vec![-1.0]])]).unwrap();
        assert_eq!(plain.nearest(&[0.2]).unwrap(), &pay);
    }

    #[test]
    fn a_file_is_read_as_it_was_written_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.json");
        let gate = two();
        gate.save(&path).unwrap();
        assert_eq!(Gate::load(&path).unwrap(), gate);
        let text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in [
            ("\"deviations\":[", "\"deviations\":[0.0,"),
            ("\"contexts\":[\"pay\",\"rent\"]", "\"contexts\":[\"pay\"]"),
            ("bias-gate/1", "bias-gate/2"),
        ] {
            assert!(text.contains(from), "{text}");
            std::fs::write(&path, text.replace(from, to)).unwrap();
            assert!(Gate::load(&path).is_err(), "{to}");
        }
    }
}
