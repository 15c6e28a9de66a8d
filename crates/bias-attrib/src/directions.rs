use std::collections::BTreeMap;

use bias_core::ParamPath;
use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::{AttribError, Direction};

/// Orthonormal directions of a matrix's output, strongest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Directions {
    /// `[out, rank]`
    pub shape: [usize; 2],
    /// The vectors as columns, row-major.
    pub vectors: Vec<f32>,
    /// Singular values: the length of what is written in each direction.
    pub strengths: Vec<f64>,
}

impl Directions {
    /// `Π W = U (Uᵀ W)`, without a matrix of size `[out, out]`.
    fn project<B: Backend>(&self, weight: Tensor<B, 2>) -> Tensor<B, 2> {
        if self.shape[1] == 0 {
            return weight.zeros_like();
        }
        let data = TensorData::new(self.vectors.clone(), self.shape);
        let u = Tensor::<B, 2>::from_data(data, &weight.device());
        u.clone().matmul(u.transpose().matmul(weight))
    }
}

/// The directions of every matrix for both groups: what [`ActSvd`](crate::ActSvd) finds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RankDirections {
    matrices: BTreeMap<ParamPath, [Directions; 2]>,
}

impl RankDirections {
    pub(crate) fn insert(&mut self, path: ParamPath, both: [Directions; 2]) {
        self.matrices.insert(path, both);
    }

    /// The matrices, layer by layer, with A's directions and B's.
    pub fn iter(&self) -> impl Iterator<Item = (&ParamPath, &[Directions; 2])> {
        self.matrices.iter()
    }

    /// A matrix without what it writes for one group and not for the other:
    /// `W − (I − Π_B) Π_A W` for [`Direction::AWithoutB`], `[out, in]`.
    ///
    /// `Π` projects on a group's directions. A matrix loses at most as many ranks as
    /// the group has directions, and nothing of what it writes within the other's.
    /// Put it back into a model by [`MaskTarget::set_weight`](bias_mask::MaskTarget::set_weight).
    ///
    /// # Errors
    /// [`AttribError::Shape`] unless it is the matrix at `path`.
    pub fn removed<B: Backend>(
        &self,
        path: &ParamPath,
        weight: Tensor<B, 2>,
        direction: Direction,
    ) -> Result<Tensor<B, 2>, AttribError> {
        let found = weight.dims();
        let both = self.matrices.get(path).filter(|[a, _]| a.shape[0] == found[0]);
        let Some([a, b]) = both else {
            let expected = self.matrices.get(path).map_or([0, 0], |[a, _]| [a.shape[0], found[1]]);
            return Err(AttribError::Shape { path: path.clone(), expected, found });
        };
        let (taken, spared) = direction.order(a, b);
        let written = taken.project(weight.clone());
        let shared = spared.project(written.clone());
        Ok(weight - (written - shared))
    }
}
