//! The result of a pursuit.

use bias_mask::{HeadAblation, Mask, unit_mask};
use bias_types::{Convention, ModelDims, Unit, UnitScores};

use crate::contrast::gapless::Gapless;
use crate::error::AttribError;

/// The result of a pursuit.
#[derive(Debug, Clone, PartialEq)]
pub struct Pursuit {
    /// The units to prune, in the order in which they were chosen.
    pub chosen: Vec<Unit>,
    /// The state before the first round, which is unpruned, and after every round. The chosen units
    /// are those pruned in the last state that was kept.
    pub rounds: Vec<Round>,
    /// Contrasts without a gap to close, with the reason.
    pub left_out: Vec<Gapless>,
}

impl Pursuit {
    /// The weights to prune.
    ///
    /// # Errors
    /// If the sizes are those of another model.
    pub fn mask(&self, dims: &ModelDims) -> Result<Mask, AttribError> {
        Ok(unit_mask(dims, &self.chosen, HeadAblation::ZeroOutput)?)
    }

    /// Scores that rank the chosen units in the order of their choice. The first has the highest
    /// score and the last 1; other units have none.
    #[must_use]
    pub fn scores(&self) -> UnitScores {
        let ranks = (1..=self.chosen.len()).rev().map(|rank| rank as f32);
        let scores = self.chosen.iter().cloned().zip(ranks).collect();
        UnitScores { convention: Convention::BiasCarried, scores }
    }
}

/// The state of a pursuit after a round.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// Weights pruned so far.
    pub weights: usize,
    /// The standardized gap of each contrast; its sign is that of `A − B`.
    pub gaps: Vec<f64>,
    /// Shift of the middle of both groups, contrast by contrast, in pooled deviations.
    pub levels: Vec<f64>,
    /// Rise of the mean log-loss of neutral text, in nats per token; 0 without neutral text.
    pub neutral: f64,
    /// Present total weight of the answers explored over the first one: the mean over a group's
    /// people, and the least over all groups. If it is far from 1, ask the model again.
    pub explored: f64,
    /// `J`. With [`with_worst_case`](super::GapPursuit::with_worst_case), `|t|` is raised to a power that
    /// is larger by that much.
    pub objective: f64,
    /// Whether the pursuit continued from this state. If not, the units pruned last were restored,
    /// and half of them were tried.
    pub kept: bool,
}

impl Round {
    /// The largest gap of any contrast, without its sign.
    #[must_use]
    pub fn worst(&self) -> f64 {
        self.gaps.iter().fold(0.0, |worst, gap| worst.max(gap.abs()))
    }
}
