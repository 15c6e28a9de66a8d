//! The trait of attribution methods, and a file for each method. The pursuit of the gap has its own
//! module.
//!
//! | file | what for |
//! |---|---|
//! | attribution | [`Attribution`]: the trait |
//! | signed_gap | [`SignedGap`]: first-order share of the gap |
//! | wanda | [`Wanda`] → [`GroupNorms`]: weight times norm of its input |
//! | snip | [`Snip`]: weight times gradient of the answers' cross-entropy |
//! | magnitude, random | [`Magnitude`], [`Random`]: the nulls |
//! | act_svd | [`ActSvd`]: singular vectors of a matrix's output |
//! | knockout | [`Knockout`]: the gap without a head, key/value group, neuron or site |
//! | activation_patching | [`ActivationPatching`]: the gap with A's activation in B's runs |
//! | attribution_patching | [`AttributionPatching`]: its first order, all at once |
//! | activation_difference | [`ActivationDifference`], [`SignedActivationDifference`]: mean activation for A less that for B |
//! | integrated_gap | [`IntegratedGap`], [`Baseline`]: the gap's gradient along a path from a baseline |
//! | integrated_edges | [`IntegratedEdges`]: the gap's gradient along the path between two people's embeddings, edge by edge |
//! | residual_edges | the places of the residual stream that edges join, and what is written and read there |
//! | fairness_blend | [`FairnessBlend`]: activation difference blended with the size of a neuron's weights |
//! | head_attention | [`HeadAttention`]: attention from the answer to the name |
//! | standardized_gap | [`standardized_gap`]: the number that most of these attribute |
//! | answer_log_probs | [`answer_log_probs`], [`shared_log_probs`]: log-probabilities of answers on the graph of a pass, to train on |
//! | components | the components that knockout and patching look at |

mod act_svd;
mod activation_difference;
mod activation_patching;
mod answer_log_probs;
pub(crate) mod attribution;
mod attribution_patching;
mod components;
mod fairness_blend;
mod head_attention;
mod integrated_edges;
mod integrated_gap;
mod knockout;
mod magnitude;
mod random;
mod residual_edges;
mod signed_gap;
mod snip;
mod standardized_gap;
mod wanda;

pub use self::act_svd::ActSvd;
pub use self::activation_difference::{ActivationDifference, SignedActivationDifference};
pub use self::activation_patching::ActivationPatching;
pub use self::answer_log_probs::{answer_log_probs, shared_log_probs};
pub use self::attribution::Attribution;
pub use self::attribution_patching::AttributionPatching;
pub use self::fairness_blend::FairnessBlend;
pub use self::head_attention::HeadAttention;
pub use self::integrated_edges::IntegratedEdges;
pub use self::integrated_gap::{Baseline, IntegratedGap};
pub use self::knockout::Knockout;
pub use self::magnitude::Magnitude;
pub use self::random::Random;
pub use self::signed_gap::SignedGap;
pub use self::snip::Snip;
pub use self::standardized_gap::standardized_gap;
pub use self::wanda::{GroupNorms, Wanda};
