//! Alternatives to zeroing weights.

mod alternatives;
mod finetune;

pub(crate) use self::alternatives::treat;
