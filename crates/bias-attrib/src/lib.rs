//! Which weights, neurons or heads of a language model answer two groups differently.
//!
//! Use it to score the parts of any decoder that implements
//! [`HookedModel`](bias_probe::HookedModel) by how much they matter to one group of
//! prompts and not to another, and to write your own method against the same trait.
//! Not for explaining single predictions, nor for models without a notion of groups.
//!
//! ```no_run
//! use bias_attrib::{Attribution, Contrast, Direction, SignedGap, Wanda};
//! use bias_mask::{Mask, top_carriers};
//! use bias_probe::DifferentiableModel;
//! use burn::backend::{Autodiff, Flex};
//!
//! # type B = Autodiff<Flex>;
//! fn masks(model: &impl DifferentiableModel<B>, contrast: &Contrast) -> Result<[Mask; 2], Box<dyn std::error::Error>> {
//!     // The paper's: important to one group, not to the other.
//!     let norms = Wanda.attribute(model, contrast)?;
//!     let paper = norms.difference(model, 0.15, Direction::BWithoutA)?;
//!     // Ours: what carries the gap, to first order.
//!     let scores = SignedGap::default().attribute(model, contrast)?;
//!     Ok([paper, top_carriers(&scores, 500)?])
//! }
//! ```
//!
//! | method | scores | by |
//! |---|---|---|
//! | [`SignedGap`] | weights | first-order share of the gap, from exact answer distributions |
//! | [`GapPursuit`] → [`Pursuit`] | weights or units that close several gaps together | the signed gap iterated, with the level of answers and neutral text held |
//! | [`Wanda`] → [`GroupNorms`] | weights, per group | weight times norm of its input |
//! | [`Snip`] → [`GroupScores`] | weights, per group | weight times gradient of the answers' cross-entropy |
//! | [`Magnitude`], [`Random`] | weights | the nulls |
//! | [`ActSvd`] → [`RankDirections`] | directions of each matrix, per group | singular vectors of its output |
//! | [`Knockout`] → [`PlaceScores`] | heads, key/value groups, neurons, sites | the gap without it |
//! | [`ActivationPatching`] → [`PlaceScores`] | the same | the gap with A's activation in B's runs |
//! | [`AttributionPatching`] → [`PlaceScores`] | the same | its first order: all at once |
//! | [`ActivationDifference`], [`SignedActivationDifference`] | neurons | mean activation for A less that for B |
//! | [`HeadAttention`] | heads | attention from the answer to the name |
//!
//! | module | what for |
//! |---|---|
//! | attribution | [`Attribution`]: the trait |
//! | contrast | [`Contrast`], [`Respondent`], [`PossibleAnswer`]: what methods look at |
//! | place | [`Place`]: where a forward pass is intervened on |
//! | expected | [`summed_up`]: what answers come to on a [`Scale`] |
//! | direction | [`Direction`]: which group's set difference |
//! | sum | [`sum_scores`]: several prompts' scores as one |
//! | in_units | [`in_units()`]: weights count by what they are part of |
//! | testing | `check_attribution`: what any method must do, for implementors (feature `testing`) |
//! | file, provenance | [`save_scores`], [`load_scores`], [`Provenance`]: scores as safetensors; what is not scores saves itself |
//!
//! Importance cannot say for or against: compare the groups' tops. Scores of
//! [`Convention::BiasCarried`] can: positive ones carry the gap.

mod act_svd;
mod activation_difference;
mod activation_patching;
mod align;
mod artefact;
mod attribution;
mod attribution_patching;
mod contrast;
mod direction;
mod directions;
mod effects;
mod error;
mod expected;
mod file;
mod forest;
mod gap;
mod gap_pursuit;
mod group_scores;
mod head_attention;
mod in_units;
mod knockout;
mod likelihood;
mod magnitude;
mod pieces;
mod place;
mod provenance;
mod random;
mod readback;
mod signed_gap;
mod snip;
mod sum;
#[cfg(feature = "testing")]
pub mod testing;
mod tree;
mod wanda;
mod watch;

pub use act_svd::ActSvd;
pub use activation_difference::{ActivationDifference, SignedActivationDifference};
pub use activation_patching::ActivationPatching;
pub use attribution::Attribution;
pub use attribution_patching::AttributionPatching;
pub use bias_core::{Convention, ParamScores, Scale, TokenSet, UnitScores};
pub use contrast::{Contrast, PossibleAnswer, Respondent};
pub use direction::Direction;
pub use directions::{LeadingDirections, RankDirections};
pub use error::AttribError;
pub use expected::summed_up;
pub use file::{load_scores, save_scores};
pub use gap_pursuit::{GapPursuit, Pursuit, Round};
pub use group_scores::GroupScores;
pub use head_attention::HeadAttention;
pub use in_units::in_units;
pub use knockout::Knockout;
pub use magnitude::Magnitude;
pub use place::{Place, PlaceScores};
pub use provenance::Provenance;
pub use random::Random;
pub use readback::ValuesOf;
pub use signed_gap::SignedGap;
pub use snip::Snip;
pub use sum::sum_scores;
pub use wanda::{GroupNorms, Wanda};
