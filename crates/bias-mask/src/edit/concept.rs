use bias_cube::matmul;
use bias_types::ParamPath;
use burn::tensor::{Element as _, Tensor, TensorData, backend::Backend};

use super::apply::raised;
use super::target::MaskTarget;
use super::undo::Undo;
use super::whitening::{Whitening, dot};
use crate::error::MaskError;
use crate::mask::set::same_model;

/// A direction with less than this part of its length outside those before it adds nothing.
const NEW: f64 = 1e-6;
/// Largest distance of `Rᵀ·D` from the identity.
const PROJECTS: f64 = 1e-3;

/// The lengths by which a concept's component is told from the rest of an activation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Metric {
    /// As they are: the projector is orthogonal.
    Plain,
    /// In standard deviations within groups: the projector is oblique, and takes off the least
    /// that makes the groups' means equal (LEACE; Belrose et al. 2023, arXiv 2306.03819).
    Whitened(Whitening),
}

/// An affine edit of activations: `x' = x − s·P·(x − c)`. P is the projector onto the differences
/// between groups' means, c the point in the middle of the means, and s the strength.
///
/// `P = D·Rᵀ`. D holds directions as columns, R what reads the component along each, and
/// `Rᵀ·D = I`, so that `P·P = P`. With the [metric](Metric) M, `R = M·D`. At s = 1 all groups' means
/// become the same; at any s, their differences become `1 − s` of what they were. Everything is in
/// f64.
#[derive(Debug, Clone, PartialEq)]
pub struct ConceptEdit {
    channels: usize,
    /// Of `[channels]` each.
    directions: Vec<Vec<f64>>,
    readers: Vec<Vec<f64>>,
    /// `Rᵀ·c`
    levels: Vec<f64>,
}

impl ConceptEdit {
    /// The edit that makes the means of two or more groups equal. `None` if they are equal already.
    ///
    /// # Shapes
    /// `means`: `[channels]` each.
    ///
    /// # Errors
    /// As [`of_differences`](Self::of_differences).
    pub fn between(means: &[Vec<f64>], metric: &Metric) -> Result<Option<Self>, MaskError> {
        let Some((first, others)) = means.split_first().filter(|(_, others)| !others.is_empty())
        else {
            let reason = format!("{} groups do not differ from each other", means.len());
            return Err(MaskError::Concept { reason });
        };
        if others.iter().any(|own| own.len() != first.len()) {
            let reason = "the groups' means have unequal numbers of channels".into();
            return Err(MaskError::Concept { reason });
        }
        let differences: Vec<Vec<f64>> =
            others.iter().map(|own| own.iter().zip(first).map(|(a, b)| a - b).collect()).collect();
        let centre: Vec<f64> = (0..first.len())
            .map(|j| means.iter().map(|own| own[j]).sum::<f64>() / means.len() as f64)
            .collect();
        Self::of_differences(&differences, &centre, metric)
    }

    /// The edit that takes off the span of these differences and puts the centre's component there.
    /// `None` if they span nothing.
    ///
    /// # Shapes
    /// `differences` and `centre`: `[channels]` each.
    ///
    /// # Errors
    /// [`MaskError::Concept`] for unequal numbers of channels, or values that are not finite.
    pub fn of_differences(
        differences: &[Vec<f64>],
        centre: &[f64],
        metric: &Metric,
    ) -> Result<Option<Self>, MaskError> {
        let channels = centre.len();
        let refused = |reason: &str| Err(MaskError::Concept { reason: reason.into() });
        let fits = match metric {
            Metric::Plain => true,
            Metric::Whitened(own) => own.channels() == channels,
        };
        if !fits || differences.iter().any(|own| own.len() != channels) {
            return refused("differences, centre and samples have unequal numbers of channels");
        }
        if !differences.iter().flatten().chain(centre).all(|value| value.is_finite()) {
            return refused("a group's mean is not finite");
        }
        let measured = |vector: &[f64]| match metric {
            Metric::Plain => Ok(vector.to_vec()),
            Metric::Whitened(own) => own.solve(vector),
        };
        let (mut directions, mut readers) = (Vec::<Vec<f64>>::new(), Vec::<Vec<f64>>::new());
        for difference in differences {
            let whole = dot(difference, &measured(difference)?).sqrt();
            let mut rest = difference.clone();
            // Twice: once leaves rounding.
            for _ in 0..2 {
                for (direction, reader) in directions.iter().zip(&readers) {
                    let along = dot(reader, &rest);
                    rest.iter_mut().zip(direction).for_each(|(rest, own)| *rest -= along * own);
                }
            }
            let read = measured(&rest)?;
            let left = dot(&rest, &read).sqrt();
            if left > NEW * whole && left.is_finite() {
                directions.push(rest.iter().map(|own| own / left).collect());
                readers.push(read.iter().map(|own| own / left).collect());
            }
        }
        if directions.is_empty() {
            return Ok(None);
        }
        let levels = readers.iter().map(|own| dot(own, centre)).collect();
        Ok(Some(Self { channels, directions, readers, levels }))
    }

    /// The edit with these directions, what reads the component along each, and what every
    /// activation reads at strength 1.
    ///
    /// # Shapes
    /// `directions` and `readers`: `[channels]` each; `levels`: one for each direction.
    ///
    /// # Errors
    /// [`MaskError::Concept`] for shapes that do not fit, values that are not finite, and
    /// `Rᵀ·D` further than 1e-3 from the identity, which is then no projector.
    pub fn from_parts(
        directions: Vec<Vec<f64>>,
        readers: Vec<Vec<f64>>,
        levels: Vec<f64>,
    ) -> Result<Self, MaskError> {
        let refused = |reason: &str| Err(MaskError::Concept { reason: reason.into() });
        let (channels, rank) = (directions.first().map_or(0, Vec::len), directions.len());
        let fits = |own: &[Vec<f64>]| own.iter().all(|own| own.len() == channels);
        let counted = readers.len() == rank && levels.len() == rank;
        if channels == 0 || !counted || !fits(&directions) || !fits(&readers) {
            return refused("directions, readers and levels do not fit each other");
        }
        let all = directions.iter().chain(&readers).flatten().chain(&levels);
        if !all.copied().all(f64::is_finite) {
            return refused("a direction, a reader or a level is not finite");
        }
        for (i, reader) in readers.iter().enumerate() {
            for (j, direction) in directions.iter().enumerate() {
                if (dot(reader, direction) - f64::from(u8::from(i == j))).abs() > PROJECTS {
                    return refused("what is read along a direction is not its length");
                }
            }
        }
        Ok(Self { channels, directions, readers, levels })
    }

    /// Number of channels that it edits.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Number of directions.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.directions.len()
    }

    /// D, a direction of `[channels]` each.
    #[must_use]
    pub fn directions(&self) -> &[Vec<f64>] {
        &self.directions
    }

    /// R, what reads the component along each direction, of `[channels]` each.
    #[must_use]
    pub fn readers(&self) -> &[Vec<f64>] {
        &self.readers
    }

    /// `Rᵀ·c`, what every activation reads along each direction at strength 1.
    #[must_use]
    pub fn levels(&self) -> &[f64] {
        &self.levels
    }

    /// `P·x`
    ///
    /// # Shapes
    /// `x`: `[channels]`; what is beyond is left out.
    #[must_use]
    pub fn project(&self, x: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.channels];
        for (direction, reader) in self.directions.iter().zip(&self.readers) {
            let along = dot(reader, x);
            out.iter_mut().zip(direction).for_each(|(out, own)| *out += along * own);
        }
        out
    }

    /// The edited activations, in the type they have.
    ///
    /// # Shapes
    /// `x`: `[cells, channels]`.
    #[must_use]
    pub fn edit<B: Backend>(&self, x: Tensor<B, 2>, strength: f64) -> Tensor<B, 2> {
        let device = x.device();
        let levels: Vec<f32> = self.levels.iter().map(|own| *own as f32).collect();
        let levels = TensorData::new(levels, [1, self.rank()]);
        let along = matmul(x.clone(), columns(&self.readers, self.channels, &x))
            - Tensor::from_data(levels, (&device, x.dtype()));
        let back = columns(&self.directions, self.channels, &x).transpose();
        x - matmul(along, back).mul_scalar(strength)
    }
}

/// Vectors as columns, `[channels, rank]`, in another tensor's type.
fn columns<B: Backend, const D: usize>(
    vectors: &[Vec<f64>],
    channels: usize,
    like: &Tensor<B, D>,
) -> Tensor<B, 2> {
    let values = (0..channels).flat_map(|j| vectors.iter().map(move |own| own[j] as f32));
    let data = TensorData::new(values.collect::<Vec<f32>>(), [channels, vectors.len()]);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}

/// A [`ConceptEdit`] of what a matrix reads, written into its weights and bias:
/// `W' = W·(I − s·P)` and `b' = b + s·W·P·c`.
///
/// It is exact for every token. An output without a bias gets one. At strength 0 nothing changes,
/// to the last bit.
#[derive(Debug, Clone, PartialEq)]
pub struct EditedInput {
    path: ParamPath,
    edit: ConceptEdit,
    strength: f64,
    fingerprint: Option<String>,
}

impl EditedInput {
    /// The edit of what the matrix at `path` reads.
    ///
    /// # Errors
    /// [`MaskError::Strength`] for a strength outside 0..=1.
    pub fn new(path: ParamPath, edit: ConceptEdit, strength: f64) -> Result<Self, MaskError> {
        check_strength(strength)?;
        Ok(Self { path, edit, strength, fingerprint: None })
    }

    /// Ties the edit to a model's weights.
    #[must_use]
    pub fn for_model(mut self, fingerprint: Option<&str>) -> Self {
        self.fingerprint = fingerprint.map(Into::into);
        self
    }

    /// SHA-256 of the weights that the edit was found for, if known.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// The matrix.
    #[must_use]
    pub fn path(&self) -> &ParamPath {
        &self.path
    }

    /// Makes the change, as a whole or not at all, computing in the backend's own float type.
    ///
    /// # Errors
    /// [`MaskError::OtherModel`], [`MaskError::NoSuchParam`], [`MaskError::Channels`] when the
    /// matrix has another number of inputs, and [`MaskError::BiasOutOfReach`] when the model does
    /// not say how to set a bias.
    pub fn apply<B: Backend>(&self, model: &mut impl MaskTarget<B>) -> Result<Undo, MaskError> {
        same_model(self.fingerprint(), model.fingerprint()?)?;
        let path = &self.path;
        let weight = model.weight(path)?;
        let ([_, expected], found) = (weight.dims(), self.edit.channels);
        if expected != found {
            return Err(MaskError::Channels { path: path.clone(), expected, found });
        }
        if self.strength <= 0.0 {
            return Ok(Undo::default());
        }
        let own = weight.dtype();
        let wide = weight.cast(B::FloatElem::dtype());
        // What each output writes for a unit along each direction, `[out, rank]`.
        let along = matmul(wide.clone(), columns(&self.edit.directions, found, &wide));
        let readers = columns(&self.edit.readers, found, &wide).transpose();
        let after = wide.clone() - matmul(along.clone(), readers).mul_scalar(self.strength);
        let along: Vec<f64> = along.into_data().iter().collect();
        let held = along.chunks_exact(self.edit.rank());
        let held = held.map(|row| self.strength * dot(row, &self.edit.levels)).collect();
        Undo::of(model, |model, undo| {
            let bias = raised(path, model.bias(path)?, held, &wide.device())?;
            undo.set_weight(model, path, after.cast(own))?;
            undo.set_bias(model, path, bias)
        })
    }
}

/// Refuses a strength that is not a share of the whole change.
///
/// # Errors
/// [`MaskError::Strength`] for a strength outside 0..=1.
pub fn check_strength(strength: f64) -> Result<(), MaskError> {
    if (0.0..=1.0).contains(&strength) { Ok(()) } else { Err(MaskError::Strength { strength }) }
}
