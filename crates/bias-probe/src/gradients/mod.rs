//! Gradients of matrices as products of two factors, the matrix's input and the gradient of its
//! output, for any model that runs with an observer.
//!
//! | file | what for |
//! |---|---|
//! | model | [`DifferentiableModel`], [`Loss`], [`TakeFactors`]: a model whose gradients can be computed, possibly better than one batch after the other |
//! | factors | [`FactorTrace`], [`Factors`], [`factors()`]: gradients of matrices from their inputs and the gradients of their outputs; [`waves`], [`tokens_at_a_time`]: how many tokens' factors are held |

mod factors;
mod model;

pub use self::factors::{
    FactorTrace, Factors, OfMatrices, by_matrix, factors, tokens_at_a_time, tracked_zero, waves,
};
pub use self::model::{DifferentiableModel, Loss, TakeFactors};
