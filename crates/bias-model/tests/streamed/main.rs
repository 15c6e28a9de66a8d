//! A model that is left in its file computes what one in memory does, bit for bit.
#![allow(clippy::unwrap_used, clippy::panic)]

mod changes;
mod files;
mod gradients;
mod models;
mod same;
