//! A model that is left in its file computes what one in memory does, bit for bit.

mod changes;
mod files;
mod gradients;
mod models;
mod same;
