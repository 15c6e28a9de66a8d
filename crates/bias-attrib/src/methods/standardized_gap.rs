use crate::contrast::prompt_case::Contrast;
use crate::engine::gap::Gap;
use crate::error::AttribError;

/// The gap that methods attribute: `(E[v|A] − E[v|B]) / s`, with the same weight for every person
/// and the pooled deviation `s` of all answers that state a number. It is positive if A is given
/// more.
///
/// # Errors
/// Those of every method that attributes the gap: [`AttribError::EmptyArm`],
/// [`AttribError::BadAnswer`], and if there is no gap to attribute [`AttribError::NoSpread`],
/// [`AttribError::NoValue`] or [`AttribError::Unvarying`]
/// ([`is_without_gap`](AttribError::is_without_gap)).
pub fn standardized_gap(contrast: &Contrast) -> Result<f64, AttribError> {
    Gap::new(contrast).map(|gap| gap.size())
}
