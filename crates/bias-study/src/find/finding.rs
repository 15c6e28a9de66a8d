use std::borrow::Cow;

use bias_attrib::AttribError;
use bias_attrib::pursuit::Pursuit;
use bias_attrib::scores::EdgeScores;
use bias_mask::select::{ComparisonGroup, StreamingTopK, select};
use bias_mask::{HeadAblation, Mask, top_k, unit_mask};
use bias_types::{Convention, ModelDims, ParamScores, Unit, UnitScores};

use crate::StudyError;

/// The result of a method, from which a mask of any size can be made.
#[non_exhaustive]
pub enum Finding {
    /// A score for each weight. The highest are pruned, restricted to weights that carry the bias
    /// if the sign of the scores says which do.
    Weights(Vec<ParamScores>),
    /// A score for each unit, used in the same way.
    Units(UnitScores),
    /// A score for each edge between components; those out of a unit add up to its score.
    Edges(EdgeScores),
    /// Units in the order in which to prune them. No others are pruned.
    Order(Vec<Unit>),
    /// The weights or units of a pursuit, with a record of its rounds.
    Pursuit(Pursuit),
    /// The highest scores, where there were too many scores to keep all.
    TopK(StreamingTopK),
    /// A set difference at any share of each matrix, and on request the distance between the scores
    /// of both groups.
    Difference(Box<Differences>, Box<Apart>),
}

/// Makes the set difference at a share of each matrix.
pub type Differences = dyn Fn(f64) -> Result<Mask, AttribError>;
/// Computes the distance between the scores of both groups.
pub type Apart = dyn Fn() -> Result<Vec<ParamScores>, AttribError>;

impl std::fmt::Debug for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Weights(_) => "Weights",
            Self::Units(_) => "Units",
            Self::Edges(_) => "Edges",
            Self::Order(_) => "Order",
            Self::Pursuit(_) => "Pursuit",
            Self::TopK(_) => "StreamingTopK",
            Self::Difference(..) => "Difference",
        })
    }
}

/// How close the size of a set difference must come to the number of weights asked for.
const CLOSE: f64 = 0.02;
/// The most bisections of the share of each matrix to come so close.
const HALVINGS: usize = 12;

impl Finding {
    /// A mask of about `count` weights. For single weights it has exactly that many, if the method
    /// has as many to give. For whole units it has at least one. A set difference gets the share of
    /// each matrix that gives about that size.
    ///
    /// # Errors
    /// Scores that cannot be selected from.
    pub fn mask(&self, dims: &ModelDims, count: usize) -> Result<Mask, StudyError> {
        match self {
            Self::Weights(scores) => {
                let carried =
                    scores.first().is_some_and(|s| s.convention() == Convention::BiasCarried);
                if carried {
                    return Ok(top_k(scores, count)?);
                }
                // In the middle between two counts, so that rounding cannot lose one.
                let all: usize = scores.iter().map(|s| s.values().len()).sum();
                let share = (count as f64 + 0.5) / all.max(1) as f64;
                Ok(select(scores, ComparisonGroup::Global(share.min(1.0)))?)
            }
            Self::Units(scores) => {
                let mut worth = scores.clone();
                if scores.convention == Convention::BiasCarried {
                    worth.scores.retain(|(_, score)| *score > 0.0);
                }
                let ranked: Vec<Unit> = worth.ranked().into_iter().cloned().collect();
                units(dims, &ranked, count)
            }
            Self::Edges(scores) => Self::Units(scores.units()).mask(dims, count),
            Self::Order(order) | Self::Pursuit(Pursuit { chosen: order, .. }) => {
                units(dims, order, count)
            }
            Self::TopK(top) => Ok(top.mask(count)?),
            Self::Difference(at, _) => difference(at, count),
        }
    }

    /// The set difference of the groups' top weights, with this share of each matrix: the paper's
    /// choice. `None` for methods without set differences.
    ///
    /// # Errors
    /// A share outside [0, 1].
    pub fn tops(&self, share: f64) -> Option<Result<Mask, StudyError>> {
        match self {
            Self::Difference(at, _) => Some(at(share).map_err(StudyError::from)),
            _ => None,
        }
    }

    /// A number for every single weight, if the method computed and kept one: higher numbers are
    /// pruned first.
    ///
    /// # Errors
    /// Weights that cannot be read.
    pub fn scores(&self) -> Result<Option<Cow<'_, [ParamScores]>>, StudyError> {
        Ok(match self {
            Self::Weights(scores) => Some(scores.into()),
            Self::Difference(_, apart) => Some(apart()?.into()),
            Self::Units(_) | Self::Edges(_) | Self::Order(_) | Self::Pursuit(_) | Self::TopK(_) => {
                None
            }
        })
    }
}

/// As many of the first units as fit, and at least one.
fn units(dims: &ModelDims, order: &[Unit], count: usize) -> Result<Mask, StudyError> {
    let of = |n: usize| unit_mask(dims, &order[..n], HeadAblation::ZeroOutput);
    let Some(first) = order.first().filter(|_| count > 0) else { return Ok(Mask::default()) };
    let each = of(1)?.count().max(1);
    if matches!(first, Unit::Weight(..)) {
        return Ok(of(count.min(order.len()))?);
    }
    Ok(of((count / each).clamp(1, order.len()))?)
}

/// The set difference with about `count` weights. It grows with the share of each matrix, up to the
/// share at which the top weights of both groups overlap.
fn difference(
    at: &dyn Fn(f64) -> Result<Mask, AttribError>,
    count: usize,
) -> Result<Mask, StudyError> {
    let (mut low, mut high) = (0.0, 0.5);
    let mut best: Option<Mask> = None;
    let off = |mask: &Mask| mask.count().abs_diff(count);
    for _ in 0..HALVINGS {
        let share = f64::midpoint(low, high);
        let mask = at(share)?;
        if mask.count() < count {
            low = share;
        } else {
            high = share;
        }
        let close = off(&mask) as f64 <= CLOSE * count as f64;
        if best.as_ref().is_none_or(|best| off(&mask) < off(best)) {
            best = Some(mask);
        }
        if close {
            break;
        }
    }
    Ok(best.unwrap_or_default())
}
