//! What one may do about a bias instead of zeroing weights.

mod alternatives;
mod finetune;

pub(crate) use self::alternatives::treat;
