use bias_probe::HookedModel;
use bias_probe::device::to_f32;
use bias_types::model::NeuronId;
use bias_types::{BlockSite, Convention, ParamPath, Projection, Site, Unit, UnitScores};
use burn::tensor::backend::Backend;

use super::activation_difference::{PerNeuron, differences, of_layers};
use super::attribution::Attribution;
use crate::contrast::prompt_case::Contrast;
use crate::engine::readback::read;
use crate::error::{AttribError, ValuesOf};

/// How differently a neuron fires for the two groups, blended with how small its weights are:
/// `β · norm(B_i) + (1 − β) · (1 − norm(I_i))` ("Fairness Pruning", arXiv 2607.28319). Neurons with
/// a high score are pruned.
///
/// The formula is that of the published library (OptiPFair 0.4.2,
/// `compute_fairness_pruning_scores`), layer by layer:
///
/// - `B_i` is the mean over pairs of `|mean_t a_i(p_A) − mean_t a_i(p_B)|`, as in
///   [`ActivationDifference`](crate::methods::ActivationDifference), of the *outputs* of `gate_proj`
///   and `up_proj`, and the mean of both.
/// - `I_i = (max_j G_ij + |min_j G_ij|) + (max_j U_ij + |min_j U_ij|)`, with row `i` of `gate_proj`
///   and of `up_proj` (peak-to-peak magnitude, arXiv 2512.22671).
/// - `norm(x) = (x − min) / (max − min)` over the layer's neurons, and 0 if all are alike.
///
/// Ours differs in that names of other lengths are pooled by role, and that models without a gate
/// are scored by `up_proj` alone. The score has no sign: it also prunes neurons that hold the gap
/// down, and with a small `β` neurons that have nothing to do with the groups.
#[derive(Debug, Clone, Copy)]
pub struct FairnessBlend {
    bias: f64,
}

impl Default for FairnessBlend {
    /// `β = 0.8`, as in the library.
    fn default() -> Self {
        Self { bias: 0.8 }
    }
}

impl FairnessBlend {
    /// The weight `β` of the difference between the groups; 0 prunes the smallest neurons, 1 those
    /// that differ most.
    ///
    /// # Errors
    /// [`AttribError::Share`] outside [0, 1].
    pub fn new(bias: f64) -> Result<Self, AttribError> {
        if (0.0..=1.0).contains(&bias) {
            Ok(Self { bias })
        } else {
            Err(AttribError::Share { share: bias })
        }
    }
}

impl<B: Backend, M: HookedModel<B>> Attribution<B, M> for FairnessBlend {
    type Found = UnitScores;

    fn name(&self) -> &'static str {
        "fairness-blend"
    }

    fn attribute(&self, model: &M, contrast: &Contrast) -> Result<UnitScores, AttribError> {
        let dims = *model.dims();
        let read_by: &[(Projection, BlockSite)] = match dims.gated {
            true => &[(Projection::Gate, BlockSite::Gate), (Projection::Up, BlockSite::Up)],
            false => &[(Projection::Up, BlockSite::Up)],
        };
        let sites = read_by.iter().flat_map(|(_, at)| of_layers(model, *at)).collect();
        let differences = differences(model, contrast, &sites, f64::abs)?;
        let mut scores = Vec::with_capacity(dims.layers * dims.d_mlp);
        for layer in 0..dims.layers {
            let mut bias = vec![0.0; dims.d_mlp];
            let mut size = vec![0.0; dims.d_mlp];
            for (projection, at) in read_by {
                add(&mut bias, &differences, Site::Block(layer, *at), read_by.len());
                let path = ParamPath::of(layer, *projection);
                let weight = to_f32(model.weight(&path)?);
                let columns = weight.dims()[1].max(1);
                let weight = read(weight, ValuesOf::Param(path))?;
                for (size, row) in size.iter_mut().zip(weight.chunks_exact(columns)) {
                    *size += peak_to_peak(row);
                }
            }
            for (i, (bias, size)) in stretched(&bias).zip(stretched(&size)).enumerate() {
                let score = self.bias * bias + (1.0 - self.bias) * (1.0 - size);
                scores.push((Unit::Neuron(NeuronId::new(layer, i)), score as f32));
            }
        }
        Ok(UnitScores { convention: Convention::Importance, scores })
    }
}

/// Adds a site's share of the mean over sites.
fn add(sum: &mut [f64], differences: &PerNeuron, site: Site, sites: usize) {
    let own = differences.get(&site).into_iter().flatten();
    sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own / sites as f64);
}

/// `max + |min|`
fn peak_to_peak(row: &[f32]) -> f64 {
    let (low, high) = ends(row.iter().map(|v| f64::from(*v)));
    high + low.abs()
}

/// The smallest and the largest.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}

/// Values stretched to 0..1; 0 if all are alike.
fn stretched(values: &[f64]) -> impl Iterator<Item = f64> {
    let (low, high) = ends(values.iter().copied());
    let width = high - low;
    values.iter().map(move |v| if width > 0.0 { (v - low) / width } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_stretched_over_a_layer() {
        let of = |values: &[f64]| stretched(values).collect::<Vec<_>>();
        assert_eq!(of(&[3.0, 1.0, 2.0]), [1.0, 0.0, 0.5]);
        assert_eq!(of(&[2.0; 3]), [0.0; 3]);
        assert!((peak_to_peak(&[0.25, -2.0, 1.0]) - 3.0).abs() < 1e-12);
        // As published: a row above zero counts its smallest weight too.
        assert!((peak_to_peak(&[1.0, 2.0]) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_blend_is_a_share() {
        assert!(FairnessBlend::new(0.0).is_ok() && FairnessBlend::new(1.0).is_ok());
        for bias in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(FairnessBlend::new(bias), Err(AttribError::Share { .. })));
        }
    }
}
