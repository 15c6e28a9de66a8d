use bias_cube::matmul;
use bias_types::ParamPath;
use burn::tensor::{Element as _, Tensor, TensorData, backend::Backend};
use serde::{Deserialize, Serialize};

use super::target::MaskTarget;
use super::undo::Undo;
use crate::error::MaskError;
use crate::mask::set::same_model;

/// Largest distance of the products of directions from 0 or 1.
const TOLERANCE: f64 = 1e-4;

/// The space of a matrix that directions lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Its outputs: `W' = W − U·Uᵀ·W`.
    Output,
    /// Its inputs: `W' = W − W·V·Vᵀ`.
    Input,
}

/// Directions of a matrix's outputs or inputs that can be removed from the matrix: the *rank* unit
/// (Wei et al. 2024, arXiv 2402.05162).
///
/// Afterwards the matrix writes nothing along these directions, or reads nothing along them. A bias
/// is not changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Directions {
    path: ParamPath,
    side: Side,
    shape: [usize; 2],
    basis: Vec<f32>,
    fingerprint: Option<String>,
}

impl Directions {
    /// Directions of the matrix at `path`.
    ///
    /// # Shapes
    /// `basis`: `[out, rank]` or `[in, rank]` as the side says, row-major: one direction
    /// per column.
    ///
    /// # Errors
    /// [`MaskError::Basis`] if the values do not fill the shape or there is no direction;
    /// [`MaskError::NotOrthonormal`] if a direction's product with itself is further than 1e-4 from
    /// 1, or its product with another direction further than that from 0.
    pub fn new(
        path: ParamPath,
        side: Side,
        shape: [usize; 2],
        basis: Vec<f32>,
    ) -> Result<Self, MaskError> {
        let [_, rank] = shape;
        if rank == 0 || shape[0].checked_mul(rank) != Some(basis.len()) {
            return Err(MaskError::Basis { path, shape, found: basis.len() });
        }
        for i in 0..rank {
            for j in i..rank {
                let products =
                    basis.chunks_exact(rank).map(|row| f64::from(row[i]) * f64::from(row[j]));
                let product: f64 = products.sum();
                // Written so that NaN is refused.
                let close = (product - f64::from(u8::from(i == j))).abs() <= TOLERANCE;
                if !close {
                    return Err(MaskError::NotOrthonormal { path, pair: [i, j], product });
                }
            }
        }
        Ok(Self { path, side, shape, basis, fingerprint: None })
    }

    /// Ties the directions to a model's weights.
    #[must_use]
    pub fn for_model(mut self, fingerprint: Option<&str>) -> Self {
        self.fingerprint = fingerprint.map(Into::into);
        self
    }

    /// SHA-256 of the weights the directions were found for, if known.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// The matrix they are removed from.
    #[must_use]
    pub fn path(&self) -> &ParamPath {
        &self.path
    }

    /// Number of directions.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.shape[1]
    }

    /// Removes the directions from a model, computing in the backend's own float type.
    ///
    /// # Errors
    /// [`MaskError::OtherModel`], [`MaskError::NoSuchParam`], and [`MaskError::Channels`]
    /// when the matrix has another number of outputs or inputs.
    pub fn remove<B: Backend>(&self, model: &mut impl MaskTarget<B>) -> Result<Undo, MaskError> {
        same_model(self.fingerprint(), model.fingerprint()?)?;
        let path = &self.path;
        let weight = model.weight(path)?;
        let [out, inner] = weight.dims();
        let channels = if self.side == Side::Output { out } else { inner };
        if channels != self.shape[0] {
            return Err(MaskError::Channels {
                path: path.clone(),
                expected: channels,
                found: self.shape[0],
            });
        }
        let own = weight.dtype();
        let wide = weight.clone().cast(B::FloatElem::dtype());
        let basis = TensorData::new(self.basis.clone(), self.shape);
        let basis = Tensor::<B, 2>::from_data(basis, (&weight.device(), wide.dtype()));
        let along = match self.side {
            Side::Output => matmul(basis.clone(), matmul(basis.transpose(), wide.clone())),
            Side::Input => matmul(matmul(wide.clone(), basis.clone()), basis.transpose()),
        };
        Undo::of(model, |model, undo| undo.set_weight(model, path, (wide - along).cast(own)))
    }
}
