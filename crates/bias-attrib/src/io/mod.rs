//! Scores as safetensors, with their provenance. Other results have methods to save themselves.
//!
//! | file | what for |
//! |---|---|
//! | score_file | [`save_scores`], [`load_scores`]: scores of weights |
//! | provenance | [`ScoreProvenance`]: the method, the contrast and the weights that scores are of |
//! | tensor_file | files of f32 tensors, hashed and named |

pub(crate) mod provenance;
pub(crate) mod score_file;
pub(crate) mod tensor_file;

pub use self::provenance::ScoreProvenance;
pub use self::score_file::{load_scores, save_scores};
