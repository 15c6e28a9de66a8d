use bias_core::CoreError;
use bias_mask::MaskError;
use bias_probe::ProbeError;
use thiserror::Error;

/// What keeps a method from scoring.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttribError {
    /// A group without prompts.
    #[error("group {arm} has no prompts; two groups are needed to compare")]
    EmptyArm {
        /// Which group.
        arm: char,
    },
    /// No answer of some prompt states a number.
    #[error("no answer about person {index} of group {arm} states a number, so it has no expected value")]
    NoValue {
        /// Which group.
        arm: char,
        /// Which of its prompts.
        index: usize,
    },
    /// All answers are alike, so a difference has no scale.
    #[error("all answers of both groups are alike; there is no gap to attribute")]
    NoSpread,
    /// A temperature at which nothing is sampled.
    #[error("temperature {temperature} is impossible; it must be positive and finite")]
    Temperature {
        /// The temperature given.
        temperature: f64,
    },
    /// Scores that cannot be added.
    #[error("scores of different matrices, shapes or conventions cannot be added")]
    Unlike,
    /// Weights or gradients could not be read back from the device.
    #[error("reading {what} back from the device failed: {reason}")]
    Readback {
        /// What was read.
        what: &'static str,
        /// What burn said.
        reason: String,
    },
    /// A forward pass failed.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// A selection failed.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// A name or size of the shared vocabulary was wrong.
    #[error(transparent)]
    Core(#[from] CoreError),
}
