use std::collections::BTreeMap;
use std::sync::Arc;

use bias_types::ParamPath;
use burn::tensor::{Bool, Tensor, TensorData, backend::Backend, get_device_settings};

use super::target::MaskTarget;
use super::undo::{Undo, stored};
use crate::error::MaskError;
use crate::mask::bits::BitMatrix;
use crate::mask::set::Mask;

/// A change of the chosen weights.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Intervention {
    /// They become 0.
    Zero,
    /// They are multiplied by a factor.
    Scale(f32),
    /// Their contributions become means over a data set (mean ablation): `W_ij · x_j` becomes
    /// `W_ij · mean_j`. The weights become 0 and the output's bias grows by `Σ_j W_ij · mean_j`
    /// over the chosen `j`. An output without a bias gets one.
    Mean(Means),
}

/// The mean input of each channel of some matrices, over a data set. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Means(Arc<BTreeMap<ParamPath, Vec<f64>>>);

impl FromIterator<(ParamPath, Vec<f64>)> for Means {
    /// Takes each matrix with its means, `[in]`.
    fn from_iter<I: IntoIterator<Item = (ParamPath, Vec<f64>)>>(means: I) -> Self {
        Self(Arc::new(means.into_iter().collect()))
    }
}

impl Means {
    /// The means for a matrix of so many input channels.
    pub(crate) fn of(&self, path: &ParamPath, expected: usize) -> Result<&[f64], MaskError> {
        let means =
            self.0.get(path).ok_or_else(|| MaskError::MissingMeans { path: path.clone() })?;
        if means.len() != expected {
            return Err(MaskError::Channels { path: path.clone(), expected, found: means.len() });
        }
        match means.iter().position(|mean| !mean.is_finite()) {
            Some(channel) => {
                Err(MaskError::Mean { path: path.clone(), channel, mean: means[channel] })
            }
            None => Ok(means),
        }
    }
}

impl Mask {
    /// Changes the chosen weights of a model. The change is made as a whole or not at all.
    ///
    /// # Errors
    /// [`MaskError::OtherModel`] when the mask belongs to other weights;
    /// [`MaskError::NoSuchParam`], [`MaskError::ShapeMismatch`], [`MaskError::Factor`].
    /// For means also [`MaskError::MissingMeans`], [`MaskError::Channels`],
    /// [`MaskError::Mean`], and [`MaskError::BiasOutOfReach`] when the model does not say
    /// how to set a bias.
    pub fn apply<B: Backend>(
        &self,
        model: &mut impl MaskTarget<B>,
        intervention: Intervention,
    ) -> Result<Undo, MaskError> {
        self.apply_ref(model, &intervention)
    }

    pub(crate) fn apply_ref<B: Backend>(
        &self,
        model: &mut impl MaskTarget<B>,
        intervention: &Intervention,
    ) -> Result<Undo, MaskError> {
        self.check_fingerprint(model.fingerprint()?)?;
        if let Intervention::Scale(factor) = *intervention
            && !factor.is_finite()
        {
            return Err(MaskError::Factor { factor });
        }
        Undo::of(model, |model, undo| {
            for (path, bits) in self.iter().filter(|(_, bits)| !bits.is_empty()) {
                if *intervention == Intervention::Zero && undo.zero_in_place(model, path, bits)? {
                    continue;
                }
                let weight = model.weight(path)?;
                let (expected, found) = (bits.shape(), weight.dims());
                if found != expected {
                    return Err(MaskError::ShapeMismatch { path: path.clone(), expected, found });
                }
                let before = weight.to_data();
                if let Intervention::Mean(means) = intervention {
                    let passed = passed_on(bits, &before, means.of(path, bits.cols())?);
                    let bias = raised(path, model.bias(path)?, passed, &weight.device())?;
                    undo.set_bias(model, path, bias)?;
                }
                let chosen = chosen::<B>(bits, &weight.device());
                let after = match intervention {
                    Intervention::Zero | Intervention::Mean(_) => weight.mask_fill(chosen, 0.0),
                    Intervention::Scale(factor) => {
                        weight.clone().mask_where(chosen, weight.mul_scalar(*factor))
                    }
                };
                undo.set_values(model, path, bits, (&before, after))?;
            }
            Ok(())
        })
    }
}

/// `Σ_j W_ij · mean_j` over the chosen `j`, for every output `i`.
pub(crate) fn passed_on(bits: &BitMatrix, weight: &TensorData, means: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; bits.rows()];
    let mut chosen = bits.iter().peekable();
    let own = weight.iter::<f64>().enumerate().filter(|(i, _)| chosen.next_if_eq(i).is_some());
    for (i, weight) in own {
        sums[i / bits.cols()] += weight * means[i % bits.cols()];
    }
    sums
}

/// The bias with a sum added, in the bias's type. A new bias has the type that the device computes
/// in.
pub(super) fn raised<B: Backend>(
    path: &ParamPath,
    bias: Option<Tensor<B, 1>>,
    mut by: Vec<f64>,
    device: &B::Device,
) -> Result<Tensor<B, 1>, MaskError> {
    let mut dtype = get_device_settings::<B>(device).float_dtype.into();
    if let Some(bias) = bias.map(Tensor::into_data) {
        if bias.num_elements() != by.len() {
            let (expected, found) = (by.len(), bias.num_elements());
            return Err(MaskError::Channels { path: path.clone(), expected, found });
        }
        by.iter_mut().zip(bias.iter::<f64>()).for_each(|(by, bias)| *by += bias);
        dtype = bias.dtype;
    }
    let shape = [by.len()];
    Ok(stored(TensorData::new(by, shape).convert_dtype(dtype), device))
}

fn chosen<B: Backend>(bits: &BitMatrix, device: &B::Device) -> Tensor<B, 2, Bool> {
    let mut flags = vec![false; bits.len()];
    bits.iter().for_each(|i| flags[i] = true);
    Tensor::from_data(TensorData::new(flags, bits.shape()), device)
}
