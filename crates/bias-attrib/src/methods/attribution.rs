use bias_probe::HookedModel;
use burn::tensor::backend::Backend;

use crate::contrast::prompt_case::Contrast;
use crate::error::AttribError;

/// A method that finds the parts of a model that answer two groups differently.
///
/// Implement it for your own method: read the model through
/// [`HookedModel`](bias_probe::HookedModel) (its weights, and an observer in its forward pass), and
/// return scores. Methods that score weights return `Vec<ParamScores>`, those that score heads or
/// neurons [`UnitScores`](bias_types::UnitScores). Begin with [`Contrast::check`], and test your
/// method with `testing::check_attribution` (feature `testing`).
pub trait Attribution<B: Backend, M: HookedModel<B>> {
    /// The method's result.
    type Found;

    /// A short name for tables and file names, such as `wanda`.
    fn name(&self) -> &'static str;

    /// Examines how the model answers about both groups.
    ///
    /// # Errors
    /// Nothing to compare, or a forward pass that fails.
    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<Self::Found, AttribError>;
}
