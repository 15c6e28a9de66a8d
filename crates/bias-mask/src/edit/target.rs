use bias_probe::Weights;
use bias_types::ParamPath;
use burn::tensor::{Tensor, backend::Backend};

use crate::error::MaskError;
use crate::mask::bits::BitMatrix;

/// A model whose weight matrices can be read and set, so that masks can be applied to it.
///
/// Biases are optional. In a model that gives no access to them, weights can be zeroed and scaled,
/// and changes of a bias are refused. Run `testing::check_target` on your own model (feature
/// `testing`).
pub trait MaskTarget<B: Backend>: Weights<B> {
    /// Replaces a weight matrix, `[out, in]`.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`], [`MaskError::ShapeMismatch`].
    fn set_weight(&mut self, path: &ParamPath, value: Tensor<B, 2>) -> Result<(), MaskError>;

    /// Zeroes the chosen weights of a matrix without reading or keeping them, for a target that can
    /// restore them by itself because they are still in a file. A target that cannot does nothing
    /// and returns `false`, as the default does. The matrix is then read and set as a whole.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`], [`MaskError::ShapeMismatch`].
    fn zero_in_place(&mut self, path: &ParamPath, bits: &BitMatrix) -> Result<bool, MaskError> {
        let _ = (path, bits);
        Ok(false)
    }

    /// Restores the weights that [`zero_in_place`](Self::zero_in_place) zeroed with the same bits.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`] if it did nothing with these bits.
    fn restore_zeroed(&mut self, path: &ParamPath, bits: &BitMatrix) -> Result<(), MaskError> {
        let _ = bits;
        Err(MaskError::NoSuchParam { path: path.clone() })
    }

    /// The bias of the matrix at `path`, `[out]`; `None` if it has none.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`]; [`MaskError::BiasOutOfReach`] unless implemented.
    fn bias(&self, path: &ParamPath) -> Result<Option<Tensor<B, 1>>, MaskError> {
        Err(MaskError::BiasOutOfReach { path: path.clone() })
    }

    /// Replaces, adds or removes the bias of the matrix at `path`, `[out]`.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`], [`MaskError::Channels`]; [`MaskError::BiasOutOfReach`]
    /// unless implemented.
    fn set_bias(&mut self, path: &ParamPath, value: Option<Tensor<B, 1>>) -> Result<(), MaskError> {
        drop(value);
        Err(MaskError::BiasOutOfReach { path: path.clone() })
    }
}
