//! Gradients of matrices as products of two factors, the matrix's input and the gradient of its
//! output, for any model that runs with an observer.
//!
//! | file | what for |
//! |---|---|
//! | model | [`DifferentiableModel`], [`Loss`], [`TakeFactors`]: what such a model may do better than one batch after the other |
//! | factors | [`FactorTrace`], [`Factors`], [`factors()`]: gradients of matrices from what went in and what came back; [`waves`], [`tokens_at_a_time`]: how much of it is held |

mod factors;
mod model;

pub use self::factors::{
    FactorTrace, Factors, OfMatrices, by_matrix, factors, tokens_at_a_time, tracked_zero, waves,
};
pub use self::model::{DifferentiableModel, Loss, TakeFactors};
