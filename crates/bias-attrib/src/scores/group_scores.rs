use std::path::Path;

use bias_mask::{Mask, top_difference};
use bias_types::{Convention, ModelDims, ParamScores};

use super::set_difference::SetDifference;
use super::sum::sum_scores;
use crate::error::AttribError;
use crate::io::provenance::ScoreProvenance;

/// The importance of each weight to both groups, for methods that need a score per weight: see
/// [`Snip`](crate::methods::Snip).
#[derive(Debug, Clone, PartialEq)]
pub struct GroupScores {
    a: Vec<ParamScores>,
    b: Vec<ParamScores>,
}

impl GroupScores {
    /// Takes scores of the same matrices for both groups.
    ///
    /// # Errors
    /// [`AttribError::Unlike`] if they are of different matrices or shapes,
    /// [`AttribError::Convention`] unless all are importance.
    pub fn new(a: Vec<ParamScores>, b: Vec<ParamScores>) -> Result<Self, AttribError> {
        if let Some(other) = a.iter().chain(&b).find(|s| s.convention() != Convention::Importance) {
            return Err(AttribError::Convention {
                path: other.path().clone(),
                expected: Convention::Importance,
                found: other.convention(),
            });
        }
        let alike =
            |(a, b): (&ParamScores, &ParamScores)| a.path() == b.path() && a.shape() == b.shape();
        if a.len() != b.len() || !a.iter().zip(&b).all(alike) {
            return Err(AttribError::Unlike);
        }
        Ok(Self { a, b })
    }

    /// Importance to group A.
    #[must_use]
    pub fn a(&self) -> &[ParamScores] {
        &self.a
    }

    /// Importance to group B.
    #[must_use]
    pub fn b(&self) -> &[ParamScores] {
        &self.b
    }

    /// Per matrix, the top `fraction` of one group without the other's, as
    /// [`GroupNorms::difference`](crate::methods::GroupNorms::difference).
    ///
    /// # Errors
    /// As [`top_difference`].
    pub fn difference(&self, fraction: f64, direction: SetDifference) -> Result<Mask, AttribError> {
        let (taken, spared) = direction.order(&self.a, &self.b);
        Ok(top_difference(taken, spared, fraction)?)
    }

    /// Adds scores measured on other prompts.
    ///
    /// # Errors
    /// [`AttribError::Unlike`] for scores of another model.
    pub fn merge(&self, other: &Self) -> Result<Self, AttribError> {
        let sum = |own: &[ParamScores], other: &[ParamScores]| sum_scores([own, other]);
        Ok(Self { a: sum(&self.a, &other.a)?, b: sum(&self.b, &other.b)? })
    }

    /// Writes both groups' scores as safetensors, tensors `a/…` and `b/…` under the
    /// matrices' names, by way of a temporary file.
    ///
    /// # Errors
    /// [`AttribError::NotFinite`], [`AttribError::Io`].
    pub fn save(&self, path: &Path, provenance: &ScoreProvenance) -> Result<(), AttribError> {
        crate::io::score_file::save(path, &[("a/", &self.a), ("b/", &self.b)], provenance)
    }

    /// Reads both groups' scores back. They must be those of a model with these sizes and this
    /// fingerprint; `None` accepts those of any weights.
    ///
    /// # Errors
    /// As [`load_scores`](crate::io::load_scores), and as [`new`](Self::new).
    pub fn load(
        path: &Path,
        dims: &ModelDims,
        fingerprint: Option<&str>,
    ) -> Result<(Self, ScoreProvenance), AttribError> {
        let ([a, b], provenance) =
            crate::io::score_file::load(path, ["a/", "b/"], dims, fingerprint)?;
        Ok((Self::new(a, b)?, provenance))
    }
}
