//! Alternatives to zeroing weights, each with a strength and, where it can have one, a placebo.
//!
//! | file | what for |
//! |---|---|
//! | alternatives | every [`Alternative`](crate::results::Alternative), made from the same variations and names |
//! | treatment | [`Treatment`], [`Placebo`], [`Treated`], [`weakened`]: how much of it, and with whose names |
//! | affine | [`AffineConcept`]: what blocks read, without the difference of the groups' means |
//! | interchange | [`Interchange`]: a subspace that carries answers from one person to another |
//! | gains | what norms do after they have normalized, seen from outside |
//! | knowledge | neurons that answer questions about bias, amplified |
//! | symmetric_kl | answers about two people made alike |
//! | finetune | fine-tuning on counterfactual data, whole, of low rank, and with an adversary |

mod affine;
mod alternatives;
mod finetune;
mod gains;
mod interchange;
mod knowledge;
mod symmetric_kl;
mod treatment;

pub use self::affine::{AffineConcept, Told};
pub(crate) use self::alternatives::treat;
pub use self::interchange::Interchange;
pub(crate) use self::knowledge::questions;
pub use self::treatment::{Placebo, Treated, Treatment, weakened};
