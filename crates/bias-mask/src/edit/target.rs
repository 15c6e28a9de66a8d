use bias_probe::Weights;
use bias_types::ParamPath;
use burn::tensor::{Tensor, backend::Backend};

use crate::error::MaskError;
use crate::mask::bits::BitMatrix;

/// A model whose weight matrices can be read and set: what a mask is applied to.
///
/// Biases are optional. A model that does not say how to reach them can be zeroed and
/// scaled, and refuses what would change a bias. Run `testing::check_target` on your own
/// (feature `testing`).
pub trait MaskTarget<B: Backend>: Weights<B> {
    /// Replaces a weight matrix, `[out, in]`.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`], [`MaskError::ShapeMismatch`].
    fn set_weight(&mut self, path: &ParamPath, value: Tensor<B, 2>) -> Result<(), MaskError>;

    /// Zeroes the chosen weights of a matrix without reading or keeping any: for a target
    /// that can get them back by itself, because they still lie in a file. Where it cannot,
    /// as by default, it does nothing and gives `false`; the matrix is then read and set as a
    /// whole.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`], [`MaskError::ShapeMismatch`].
    fn zero_in_place(&mut self, path: &ParamPath, bits: &BitMatrix) -> Result<bool, MaskError> {
        let _ = (path, bits);
        Ok(false)
    }

    /// Takes back what [`zero_in_place`](Self::zero_in_place) did with the same bits.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`] when it did nothing with them.
    fn restore_zeroed(&mut self, path: &ParamPath, bits: &BitMatrix) -> Result<(), MaskError> {
        let _ = bits;
        Err(MaskError::NoSuchParam { path: path.clone() })
    }

    /// What is added to the output of the matrix at `path`, `[out]`; `None` where nothing is.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`]; [`MaskError::BiasOutOfReach`] unless implemented.
    fn bias(&self, path: &ParamPath) -> Result<Option<Tensor<B, 1>>, MaskError> {
        Err(MaskError::BiasOutOfReach { path: path.clone() })
    }

    /// Replaces, adds or takes away what is added to the output of the matrix at `path`, `[out]`.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`], [`MaskError::Channels`]; [`MaskError::BiasOutOfReach`]
    /// unless implemented.
    fn set_bias(&mut self, path: &ParamPath, value: Option<Tensor<B, 1>>) -> Result<(), MaskError> {
        drop(value);
        Err(MaskError::BiasOutOfReach { path: path.clone() })
    }
}
