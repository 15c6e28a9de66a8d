//! The results of attribution: scores of weights and of units, and the meaning of a large score.

use serde::{Deserialize, Serialize};

use crate::error::TypesError;
use crate::model::param_path::ParamPath;
use crate::model::unit::Unit;

/// The meaning of a large score. Scores of different conventions are never mixed: selection refuses
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convention {
    /// Larger means more important to the inputs that were scored. Such scores are never negative.
    /// The top scores of two groups are compared (set difference).
    Importance,
    /// The first-order fall of the absolute gap between groups when the unit is set to zero.
    /// Positive units carry the bias, negative ones oppose it.
    BiasCarried,
}

/// The scores of one matrix, row-major in Hugging Face `[out, in]` order.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamScores {
    path: ParamPath,
    shape: [usize; 2],
    convention: Convention,
    values: Vec<f32>,
}

impl ParamScores {
    /// Scores for the matrix at `path`.
    ///
    /// # Errors
    /// [`TypesError::ScoreCount`] when `values` does not fill `shape`.
    pub fn new(
        path: ParamPath,
        shape: [usize; 2],
        convention: Convention,
        values: Vec<f32>,
    ) -> Result<Self, TypesError> {
        if shape[0].checked_mul(shape[1]) != Some(values.len()) {
            return Err(TypesError::ScoreCount {
                path: path.to_string(),
                shape,
                found: values.len(),
            });
        }
        Ok(Self { path, shape, convention, values })
    }

    /// The matrix scored.
    #[must_use]
    pub fn path(&self) -> &ParamPath {
        &self.path
    }

    /// Its `[out, in]` shape.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// The meaning of a large value.
    #[must_use]
    pub fn convention(&self) -> Convention {
        self.convention
    }

    /// The scores, `shape[0] · shape[1]` of them.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Scores of whole units (heads, neurons), in no particular order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitScores {
    /// The meaning of a large value.
    pub convention: Convention,
    /// Each unit with its score.
    pub scores: Vec<(Unit, f32)>,
}

impl UnitScores {
    /// Units in descending order of score. Equal scores keep the order of their units, and NaN
    /// comes last.
    #[must_use]
    pub fn ranked(&self) -> Vec<&Unit> {
        let mut order: Vec<_> = self.scores.iter().collect();
        let key = |s: f32| if s.is_nan() { f32::NEG_INFINITY } else { s };
        order.sort_by(|a, b| key(b.1).total_cmp(&key(a.1)).then_with(|| a.0.cmp(&b.0)));
        order.into_iter().map(|(unit, _)| unit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HeadId, Projection};

    #[test]
    fn values_must_fill_the_shape() {
        let path = ParamPath::of(0, Projection::Q);
        assert!(
            ParamScores::new(path.clone(), [2, 3], Convention::Importance, vec![0.0; 6]).is_ok()
        );
        assert!(
            ParamScores::new(path.clone(), [2, 3], Convention::Importance, vec![0.0; 5]).is_err()
        );
        assert!(ParamScores::new(path, [usize::MAX, 2], Convention::Importance, vec![]).is_err());
    }

    #[test]
    fn ranking_breaks_ties_by_unit() {
        let unit = |h| Unit::Head(HeadId::new(0, h));
        let scores = UnitScores {
            convention: Convention::Importance,
            scores: vec![(unit(2), 1.0), (unit(0), f32::NAN), (unit(3), 2.0), (unit(1), 1.0)],
        };
        assert_eq!(scores.ranked(), [&unit(3), &unit(1), &unit(2), &unit(0)]);
    }
}
