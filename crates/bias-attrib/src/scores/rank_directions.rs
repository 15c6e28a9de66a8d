use std::collections::BTreeMap;
use std::path::Path;

use bias_cube::matmul;
use bias_mask::edit::{Directions, Side};
use bias_types::{ModelDims, ParamPath};
use burn::tensor::{Tensor, TensorData, backend::Backend};
use faer::Mat;

use super::set_difference::SetDifference;
use crate::error::{AttribError, ValuesOf};
use crate::io::provenance::ScoreProvenance;
use crate::io::tensor_file::{Stored, most_bytes, read, write};

const FORMAT: &str = "bias-directions/1";

/// Orthonormal directions of a matrix's output for one group, strongest first.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadingDirections {
    /// `[out, rank]`
    pub shape: [usize; 2],
    /// The vectors as columns, row-major.
    pub vectors: Vec<f32>,
    /// Singular values: the length of the output in each direction.
    pub strengths: Vec<f32>,
}

impl LeadingDirections {
    /// The directions as the columns of an `[out, rank]` array, without a copy.
    ///
    /// # Errors
    /// The vectors do not fill the shape. [`ActSvd`](crate::methods::ActSvd) never returns such
    /// directions.
    #[cfg(feature = "ndarray-views")]
    pub fn view(&self) -> Result<ndarray::ArrayView2<'_, f32>, ndarray::ShapeError> {
        ndarray::ArrayView2::from_shape(self.shape, &self.vectors)
    }

    /// `Π W = U (Uᵀ W)`, without a matrix of size `[out, out]`.
    fn project<B: Backend>(&self, weight: Tensor<B, 2>) -> Tensor<B, 2> {
        if self.shape[1] == 0 {
            return weight.zeros_like();
        }
        let data = TensorData::new(self.vectors.clone(), self.shape);
        let u = Tensor::<B, 2>::from_data(data, &weight.device());
        matmul(u.clone(), matmul(u.transpose(), weight))
    }

    fn matrix(&self) -> Mat<f64> {
        matrix(&self.vectors, self.shape)
    }
}

/// Values in rows, in f64.
pub(crate) fn matrix(values: &[f32], [rows, columns]: [usize; 2]) -> Mat<f64> {
    Mat::from_fn(rows, columns, |i, j| f64::from(values[i * columns + j]))
}

/// The first left singular vectors of a matrix with their singular values; `None` if the
/// decomposition does not converge.
pub(crate) fn leading(
    of: &Mat<f64>,
    keep: impl FnOnce(&[f64]) -> usize,
) -> Option<LeadingDirections> {
    let svd = of.thin_svd().ok()?;
    let strengths: Vec<f64> = svd.S().column_vector().iter().copied().collect();
    let (u, rank) = (svd.U(), keep(&strengths).min(strengths.len()));
    let rows = (0..u.nrows()).flat_map(|i| (0..rank).map(move |j| u[(i, j)] as f32));
    Some(LeadingDirections {
        shape: [u.nrows(), rank],
        vectors: rows.collect(),
        strengths: strengths[..rank].iter().map(|s| *s as f32).collect(),
    })
}

/// The directions of every matrix for both groups: the result of
/// [`ActSvd`](crate::methods::ActSvd).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RankDirections {
    matrices: BTreeMap<ParamPath, [LeadingDirections; 2]>,
}

impl RankDirections {
    pub(crate) fn insert(&mut self, path: ParamPath, both: [LeadingDirections; 2]) {
        self.matrices.insert(path, both);
    }

    /// The matrices, layer by layer, with A's directions and B's.
    pub fn iter(&self) -> impl Iterator<Item = (&ParamPath, &[LeadingDirections; 2])> {
        self.matrices.iter()
    }

    fn of(&self, path: &ParamPath) -> Result<[&LeadingDirections; 2], AttribError> {
        let found = self
            .matrices
            .get(path)
            .ok_or_else(|| AttribError::NotScored { what: path.to_string() });
        found.map(|[a, b]| [a, b])
    }

    /// A matrix without the output that it writes for one group and not for the other, by the
    /// paper's formula: `W − (I − Π_B) Π_A W` for [`SetDifference::AWithoutB`], `[out, in]`.
    ///
    /// `Π` projects on a group's directions. The change lies outside B's directions, but it may
    /// depend on the matrix's output within them: see [`outside`](Self::outside). Put the result
    /// into a model with [`MaskTarget::set_weight`](bias_mask::MaskTarget::set_weight).
    ///
    /// # Errors
    /// [`AttribError::NotScored`]; [`AttribError::Shape`] unless it is the matrix at `path`.
    pub fn removed<B: Backend>(
        &self,
        path: &ParamPath,
        weight: Tensor<B, 2>,
        direction: SetDifference,
    ) -> Result<Tensor<B, 2>, AttribError> {
        let [a, b] = self.of(path)?;
        let [out, inner] = weight.dims();
        if out != a.shape[0] {
            let (expected, found) = (vec![a.shape[0], inner], vec![out, inner]);
            return Err(AttribError::Shape { what: path.to_string(), expected, found });
        }
        let (taken, spared) = direction.order(a, b);
        let written = taken.project(weight.clone());
        let shared = spared.project(written.clone());
        Ok(weight - (written - shared))
    }

    /// Orthonormal directions `Q` of the part of one group's directions that lies outside the
    /// other's. [`Directions::remove`] removes them as `W − Q Qᵀ W`, and its
    /// [`Undo`](bias_mask::edit::Undo) puts them back. This is *ours*; the paper's oblique version
    /// is [`removed`](Self::removed).
    ///
    /// `Q` are the left singular vectors of `(I − Π_B) U_A` whose singular value, the sine of the
    /// angle between A's principal direction and B's, is at least `sine`. They are orthogonal to
    /// B's directions, so the matrix's output within those does not change. `None` if no direction
    /// is that far from them.
    ///
    /// # Errors
    /// [`AttribError::NotScored`], [`AttribError::NoConvergence`], [`AttribError::Share`] for a
    /// sine outside (0, 1].
    pub fn outside(
        &self,
        path: &ParamPath,
        direction: SetDifference,
        sine: f64,
    ) -> Result<Option<Directions>, AttribError> {
        if !(sine > 0.0 && sine <= 1.0) {
            return Err(AttribError::Share { share: sine });
        }
        let [a, b] = self.of(path)?;
        let (taken, spared) = direction.order(a, b);
        let (taken, spared) = (taken.matrix(), spared.matrix());
        let rest = &taken - &spared * (spared.transpose() * &taken);
        let found = leading(&rest, |sines| sines.iter().take_while(|s| **s >= sine).count());
        let found = found
            .ok_or_else(|| AttribError::NoConvergence { what: ValuesOf::Param(path.clone()) })?;
        if found.shape[1] == 0 {
            return Ok(None);
        }
        Ok(Some(Directions::new(path.clone(), Side::Output, found.shape, found.vectors)?))
    }

    /// Writes both groups' directions as safetensors, tensors `a/…`, `b/…` of `[out, rank]`
    /// under the matrices' names and `…/strengths` of `[rank]`, by way of a temporary file.
    ///
    /// # Errors
    /// [`AttribError::NotFinite`], [`AttribError::Io`].
    pub fn save(&self, path: &Path, provenance: &ScoreProvenance) -> Result<(), AttribError> {
        let mut tensors = BTreeMap::new();
        for (matrix, both) in &self.matrices {
            for (group, own) in ["a", "b"].into_iter().zip(both) {
                let name = format!("{group}/{matrix}");
                let strengths = Stored { shape: vec![own.shape[1]], values: &own.strengths };
                tensors.insert(format!("{name}/strengths"), strengths);
                tensors.insert(name, Stored { shape: own.shape.to_vec(), values: &own.vectors });
            }
        }
        write(path, FORMAT, tensors, provenance, &[])
    }

    /// Reads both groups' directions back. They must be those of a model with these sizes and this
    /// fingerprint; `None` accepts those of any weights.
    ///
    /// # Errors
    /// As [`load_scores`](crate::io::load_scores).
    pub fn load(
        path: &Path,
        dims: &ModelDims,
        fingerprint: Option<&str>,
    ) -> Result<(Self, ScoreProvenance), AttribError> {
        let mut contents = read(path, FORMAT, fingerprint, most_bytes(dims, 2))?;
        let mut own = Self::default();
        for (matrix, _, projection) in dims.projections() {
            let [out, inner] = dims.shape(projection);
            let mut take = |group: &str| {
                let name = format!("{group}/{matrix}");
                let (found, vectors) = contents.tensors.remove(&name)?;
                let (count, strengths) = contents.tensors.remove(&format!("{name}/strengths"))?;
                Some((found, vectors, count, strengths))
            };
            let Some(both) = take("a").zip(take("b")) else { continue };
            let checked = |(found, vectors, count, strengths): (Vec<usize>, _, Vec<usize>, _)| {
                let rank = count.first().copied().unwrap_or(0);
                let shape = [out, rank];
                if count.len() != 1 || found != shape || rank > out.min(inner) {
                    return Err(AttribError::Shape {
                        what: matrix.to_string(),
                        expected: shape.to_vec(),
                        found,
                    });
                }
                Ok(LeadingDirections { shape, vectors, strengths })
            };
            let both = [checked(both.0)?, checked(both.1)?];
            own.insert(matrix, both);
        }
        Ok((own, contents.finish(path)?))
    }
}
