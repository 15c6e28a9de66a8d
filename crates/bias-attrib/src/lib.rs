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
//! | module | what for |
//! |---|---|
//! | attribution | [`Attribution`]: the trait |
//! | contrast | [`Contrast`], [`Respondent`], [`PossibleAnswer`]: what methods look at |
//! | wanda | [`Wanda`], [`GroupNorms`], [`Direction`]: importance, and the paper's set difference |
//! | signed_gap | [`SignedGap`]: first-order share of the gap, from exact answer distributions |
//! | head_attention | [`HeadAttention`]: attention from the answer to the name |
//! | random | [`Random`]: the null |
//! | sum | [`sum_scores`]: several prompts' scores as one |

mod attribution;
mod contrast;
mod error;
mod head_attention;
mod random;
mod signed_gap;
mod sum;
mod wanda;

pub use attribution::Attribution;
pub use bias_core::{Convention, ParamScores, UnitScores};
pub use contrast::{Contrast, PossibleAnswer, Respondent};
pub use error::AttribError;
pub use head_attention::HeadAttention;
pub use random::Random;
pub use signed_gap::SignedGap;
pub use sum::sum_scores;
pub use wanda::{Direction, GroupNorms, Wanda};
