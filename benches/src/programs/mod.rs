//! The programs of src/bin. They are compiled here, together: each by itself would compile the model
//! and all of its arithmetic once more.

pub mod accelerator;
pub mod cost_curves;
pub mod experts;
pub mod hosted;
pub mod large;
pub mod load_memory;
pub mod price;
pub mod questions;
pub mod random_model;
pub mod selection;
pub mod speed;
pub mod stats_cost;
