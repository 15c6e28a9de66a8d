//! Which weights, neurons or heads of a language model answer two groups differently.
//!
//! Use it to score the parts of any decoder that implements
//! [`HookedModel`](bias_probe::HookedModel) by how much they matter to one group of prompts and not
//! to another, and to write your own method against the same trait.
//!
//! This crate is not for explaining single predictions, nor for prompts that do not come in two
//! groups.
//!
//! ```no_run
//! use bias_attrib::{Attribution, Contrast, SetDifference, SignedGap, Wanda};
//! use bias_mask::{Mask, top_k};
//! use bias_probe::DifferentiableModel;
//! use burn::backend::{Autodiff, Flex};
//!
//! # type B = Autodiff<Flex>;
//! fn masks(model: &impl DifferentiableModel<B>, contrast: &Contrast) -> Result<[Mask; 2], Box<dyn std::error::Error>> {
//!     // The paper's: important to one group, not to the other.
//!     let norms = Wanda.attribute(model, contrast)?;
//!     let paper = norms.difference(model, 0.15, SetDifference::BWithoutA)?;
//!     // Ours: what carries the gap, to first order.
//!     let scores = SignedGap::default().attribute(model, contrast)?;
//!     Ok([paper, top_k(&scores, 500)?])
//! }
//! ```
//!
//! | method | scores | by |
//! |---|---|---|
//! | [`SignedGap`] | weights | first-order share of the gap, from exact answer distributions |
//! | [`GapPursuit`] → [`Pursuit`](pursuit::Pursuit) | weights or units that close several gaps together | the signed gap iterated, with the level of answers and neutral text held |
//! | [`Wanda`] → [`GroupNorms`](methods::GroupNorms) | weights, per group | weight times norm of its input |
//! | [`Snip`](methods::Snip) → [`GroupScores`](scores::GroupScores) | weights, per group | weight times gradient of the answers' cross-entropy |
//! | [`Magnitude`](methods::Magnitude), [`Random`](methods::Random) | weights | the nulls |
//! | [`ActSvd`](methods::ActSvd) → [`RankDirections`](scores::RankDirections) | directions of each matrix, per group | singular vectors of its output |
//! | [`Knockout`](methods::Knockout) → [`ComponentScores`](scores::ComponentScores) | heads, key/value groups, neurons, sites | the gap without it |
//! | [`ActivationPatching`](methods::ActivationPatching) → [`ComponentScores`](scores::ComponentScores) | the same | the gap with A's activation in B's runs |
//! | [`AttributionPatching`](methods::AttributionPatching) → [`ComponentScores`](scores::ComponentScores) | the same | its first order: all at once |
//! | [`ActivationDifference`](methods::ActivationDifference), [`SignedActivationDifference`](methods::SignedActivationDifference) | neurons | mean activation for A less that for B |
//! | [`IntegratedGap`](methods::IntegratedGap) | heads, key/value groups, neurons | the gap's gradient along a path from a baseline |
//! | [`IntegratedEdges`](methods::IntegratedEdges) → [`EdgeScores`](scores::EdgeScores) | edges between embedding, heads, MLPs and logits | the gap's gradient along the path between two people's embeddings |
//! | [`FairnessBlend`](methods::FairnessBlend) | neurons | activation difference blended with the size of a neuron's weights |
//! | [`HeadAttention`](methods::HeadAttention) | heads | attention from the answer to the name |
//!
//! | room | what for |
//! |---|---|
//! | [`contrast`] | the input of methods: prompts about two groups, possible answers, their value on a scale |
//! | [`methods`] | the trait, and a file for each method |
//! | [`pursuit`] | the signed gap iterated |
//! | [`guard`] | the price of pruning on neutral text, and guards against it |
//! | [`scores`] | components, groups' scores, directions; sums, and weights counted by unit |
//! | [`io`] | scores as safetensors, with their provenance |
//! | [`error`] | [`AttribError`] |
//! | [`prelude`] | the imports of a program with its own model |
//! | [`probe`], [`mask`], [`types`] | the crates whose types appear in signatures; a program depends on bias-attrib and burn alone |
//! | testing | `check_attribution`: checks of any method, for implementors (feature `testing`) |
//!
//! # Features
//!
//! - `testing`, off by default: the module of that name, here and in [`probe`] and [`mask`].
//! - `ndarray-views`, off by default: scores, statistics and captures as arrays of the crate
//!   ndarray.
//!
//! Importance has no sign, so compare the groups' most important weights. Scores of
//! [`Convention::BiasCarried`] have one: positive scores carry the gap.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub mod contrast;
mod engine;
pub mod error;
pub mod guard;
pub mod io;
pub mod methods;
pub mod prelude;
pub mod pursuit;
pub mod scores;
#[cfg(feature = "testing")]
pub mod testing;

pub use bias_mask as mask;
pub use bias_probe as probe;
pub use bias_types as types;

pub use bias_types::{Convention, ParamScores, UnitScores};
pub use contrast::{Contrast, PossibleAnswer, PromptCase};
pub use error::AttribError;
pub use guard::Guard;
pub use methods::{Attribution, SignedGap, Wanda};
pub use pursuit::GapPursuit;
pub use scores::SetDifference;
