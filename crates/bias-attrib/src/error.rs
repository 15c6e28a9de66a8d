//! Errors of methods and their files, and names of values for messages.

use std::fmt;
use std::path::PathBuf;

use bias_mask::MaskError;
use bias_probe::ProbeError;
use bias_types::{Convention, ParamPath, Site, TypesError};
use thiserror::Error;

/// An error of a method.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttribError {
    /// A group without prompts.
    #[error("group {arm} has no prompts; two groups are needed to compare")]
    EmptyArm {
        /// The group.
        arm: char,
    },
    /// An answer that no method can work with.
    #[error(
        "person {index} of group {arm} has an answer without tokens, or whose weight or value is not a number of its kind (weights are finite and at least 0)"
    )]
    BadAnswer {
        /// The group.
        arm: char,
        /// The number of the prompt in the group.
        index: usize,
    },
    /// A prompt without answers, for a method that looks at them.
    #[error("person {index} of group {arm} has no answer of any weight")]
    NoAnswer {
        /// The group.
        arm: char,
        /// The number of the prompt in the group.
        index: usize,
    },
    /// No answer of some prompt states a number.
    #[error(
        "no answer about person {index} of group {arm} states a number, so it has no expected value"
    )]
    NoValue {
        /// The group.
        arm: char,
        /// The number of the prompt in the group.
        index: usize,
    },
    /// A prompt's answers that state a number all lost their probability under an intervention.
    #[error(
        "under the intervention no answer about person {index} of group {arm} that states a number \
         has any probability left, so the group has no expected value; intervene on less at a time"
    )]
    ValueLost {
        /// The group.
        arm: char,
        /// The number of the prompt in the group.
        index: usize,
    },
    /// All answers are alike, so a difference has no scale.
    #[error("all answers of both groups are alike; there is no gap to attribute")]
    NoSpread,
    /// No answer varies: each person has one possible value, which no probability moves.
    #[error(
        "each person of {} has one possible answer, so no score can say what moves the gap; decode exactly, \
         draw more samples, or ask what is answered in more than one way",
        groups(*arm)
    )]
    Unvarying {
        /// Whose answers; `None` for both groups'.
        arm: Option<char>,
    },
    /// A neutral text of fewer than two tokens. Nothing is predicted in it, so it could hold
    /// nothing back.
    #[error(
        "neutral text {index} has {tokens} token(s), and nothing in it is predicted; give texts of two or more"
    )]
    ShortNeutral {
        /// The number of the text among those given.
        index: usize,
        /// Tokens it has.
        tokens: usize,
    },
    /// A guard without neutral text to measure on.
    #[error("there is no neutral text to guard; give some texts that pruning should not spoil")]
    NoNeutral,
    /// An impossible factor of a cost.
    #[error("the cost of a weight cannot count {factor} times; give a finite number of at least 0")]
    GuardFactor {
        /// The factor given.
        factor: f64,
    },
    /// An impossible number of steps of a path.
    #[error("a path of {steps} steps cannot be integrated; give 1 to {most}")]
    Steps {
        /// The steps asked for.
        steps: usize,
        /// The most that are possible.
        most: usize,
    },
    /// An impossible radius of a trust region.
    #[error("a trust region of {nats} nats is impossible; give a finite number above 0")]
    Radius {
        /// The radius given.
        nats: f64,
    },
    /// Groups of different sizes, for a method that compares person with person.
    #[error(
        "{a} people of group A cannot be paired with {b} of group B; give both as many, in the same order"
    )]
    Unpaired {
        /// People of group A.
        a: usize,
        /// People of group B.
        b: usize,
    },
    /// Two prompts whose tokens cannot be paired.
    #[error(
        "the prompts of person {index} of both groups differ in their parts (prompt and name tokens in turn); use the same template for both"
    )]
    Unaligned {
        /// The number of the pair.
        index: usize,
    },
    /// A temperature at which nothing can be sampled.
    #[error("temperature {temperature} is impossible; it must be positive and finite")]
    Temperature {
        /// The temperature given.
        temperature: f64,
    },
    /// A share outside [0, 1].
    #[error("the share {share} is outside 0..=1")]
    Share {
        /// The share asked for.
        share: f64,
    },
    /// A component without channels of its own in the forward pass.
    #[error(
        "{component} cannot be intervened on: it is no [batch, seq, channels] activation that this model's blocks reach; choose such a site, a head, a key/value group or a neuron"
    )]
    NotAComponent {
        /// The component, or the kind of unit.
        component: String,
    },
    /// Experts were asked for in a model that has none.
    #[error("the model is no mixture of experts; choose another unit, such as neurons or heads")]
    NoExperts,
    /// A component or matrix that was asked for and not scored.
    #[error("{what} was not scored")]
    NotScored {
        /// The component or matrix.
        what: String,
    },
    /// Scores that cannot be added.
    #[error("scores of different matrices, shapes or conventions cannot be added")]
    Unlike,
    /// Scores with another convention than is needed.
    #[error("{path}: scores of convention {expected:?} are needed, found {found:?}")]
    Convention {
        /// The matrix.
        path: ParamPath,
        /// The convention needed.
        expected: Convention,
        /// The convention given.
        found: Convention,
    },
    /// A value that is NaN or infinite, which would make every score meaningless.
    #[error(
        "{what}: a value is NaN or infinite; check the checkpoint's weights and the prompts' answers"
    )]
    NotFinite {
        /// Where.
        what: ValuesOf,
    },
    /// A method that keeps the graph of a whole pass, on a model that reads its weights from a
    /// file.
    #[error(
        "{method} needs the model in memory, and this one reads its weights from their file as it runs: load it without streaming"
    )]
    Streamed {
        /// The method's name.
        method: &'static str,
    },
    /// No gradient reached an activation.
    #[error("{site}: no gradient reached this activation; does the model detach it?")]
    NoGradient {
        /// Where.
        site: Site,
    },
    /// Heads whose writes do not add up to what attention adds to the residual stream.
    #[error(
        "{site}: what attention adds to the residual stream is not the sum of what its heads write, as behind a norm after attention, so heads have no edges; score layers instead, whose attention writes as a whole (`IntegratedEdges::by_layer`)"
    )]
    HeadsNotAdded {
        /// What attention adds.
        site: Site,
    },
    /// Edges that do not account for the gradient.
    #[error(
        "the edges out of the embedding add up to {found}, and the gap's derivative along the embedding is {expected}: the model's components read the residual stream in another way than its sites say, so its edges are not known"
    )]
    EdgesIncomplete {
        /// The sum of the edges.
        found: f64,
        /// The derivative.
        expected: f64,
    },
    /// A decomposition that did not converge.
    #[error(
        "{what}: its singular directions could not be computed, the decomposition did not converge"
    )]
    NoConvergence {
        /// The matrix, or the site of the activations.
        what: ValuesOf,
    },
    /// Values that could not be read back from the device.
    #[error("{what}: reading it back from the device failed: {reason}")]
    Readback {
        /// The values.
        what: ValuesOf,
        /// burn's message.
        reason: String,
    },
    /// A file that could not be read or written.
    #[error("cannot access {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that does not hold scores or statistics.
    #[error("{} is not a file of this model's scores: {reason}", path.display())]
    NotScores {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Scores of other weights.
    #[error("the scores are of weights {expected} and cannot be used with weights {found}")]
    OtherModel {
        /// SHA-256 of the weights that were scored.
        expected: String,
        /// SHA-256 of the others.
        found: String,
    },
    /// A file that does not say which weights it is for, although a model was named.
    #[error(
        "{} does not say of which weights it is; name no fingerprint to take it all the same, or \
         save it again with `ScoreProvenance::for_model`",
        path.display()
    )]
    NoModel {
        /// The file.
        path: PathBuf,
    },
    /// Something of another shape than the model's.
    #[error("{what}: the model's shape is {expected:?}, found {found:?}")]
    Shape {
        /// The matrix or site.
        what: String,
        /// The model's shape.
        expected: Vec<usize>,
        /// The shape found.
        found: Vec<usize>,
    },
    /// An error of a method that is implemented outside these crates.
    #[error("a method from outside these crates failed")]
    Outside {
        /// Its own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A forward pass failed.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// A selection failed.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// A name or size of the shared vocabulary was wrong.
    #[error(transparent)]
    Core(#[from] TypesError),
}

impl AttribError {
    /// An outside method's own error, as the source of this one.
    ///
    /// ```
    /// use bias_attrib::AttribError;
    ///
    /// let error = AttribError::outside("the weights' server does not answer");
    /// assert!(std::error::Error::source(&error).is_some());
    /// ```
    #[must_use]
    pub fn outside(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Outside { source: source.into() }
    }

    /// Whether the error says that a contrast has no gap to attribute: all answers are alike, none
    /// states a number, or each person has one possible answer. Of several contrasts, such a
    /// contrast can be left out.
    #[must_use]
    pub fn is_without_gap(&self) -> bool {
        matches!(self, Self::NoSpread | Self::NoValue { .. } | Self::Unvarying { .. })
    }
}

fn groups(arm: Option<char>) -> String {
    arm.map_or_else(|| "both groups".into(), |arm| format!("group {arm}"))
}

/// The origin of values, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValuesOf {
    /// A matrix's weights or scores.
    Param(ParamPath),
    /// Activations of a site, or values computed from them.
    Site(Site),
    /// Probabilities of answers.
    Answers,
    /// A tensor of a file.
    Tensor(String),
}

impl fmt::Display for ValuesOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Param(path) => path.fmt(f),
            Self::Site(site) => site.fmt(f),
            Self::Tensor(name) => f.write_str(name),
            Self::Answers => f.write_str("the answers' probabilities"),
        }
    }
}
