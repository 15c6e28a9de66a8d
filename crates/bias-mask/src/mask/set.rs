use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bias_types::{ModelDims, ParamPath};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::bits::BitMatrix;
use crate::error::MaskError;

/// The chosen weights of a model: a bitset per matrix, under Hugging Face names.
///
/// A matrix without an entry has no weight chosen. A mask that holds the
/// [fingerprint](Self::fingerprint) of the weights it was made for refuses other weights.
///
/// ```
/// use bias_mask::{BitMatrix, Mask};
///
/// let mut mask = Mask::default();
/// let mut bits = BitMatrix::new([2, 3])?;
/// bits.insert(4)?;
/// mask.insert("model.layers.0.mlp.up_proj.weight".parse()?, bits)?;
/// assert_eq!(mask.union(&mask)?.difference(&mask)?.count(), 0);
/// # Ok::<(), bias_mask::MaskError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask {
    matrices: BTreeMap<ParamPath, BitMatrix>,
    fingerprint: Option<String>,
    provenance: BTreeMap<String, String>,
}

/// The overlap of two masks in one matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meeting {
    /// Weights of the matrix.
    pub total: usize,
    /// Chosen by the first.
    pub left: usize,
    /// Chosen by the second.
    pub right: usize,
    /// Chosen by both.
    pub both: usize,
}

impl Mask {
    /// Every weight of every decoder block.
    ///
    /// # Errors
    /// [`MaskError::TooLarge`].
    pub fn full(dims: &ModelDims) -> Result<Self, MaskError> {
        let full = |shape| Ok::<_, MaskError>(BitMatrix::new(shape)?.complement());
        let matrices = dims.projections().map(|(path, _, p)| Ok((path, full(dims.shape(p))?)));
        Ok(Self { matrices: matrices.collect::<Result<_, MaskError>>()?, ..Self::default() })
    }

    /// Sets the bits of a matrix, replacing earlier ones.
    ///
    /// # Errors
    /// [`MaskError::ShapeMismatch`] if the mask has the matrix with another shape.
    pub fn insert(&mut self, path: ParamPath, bits: BitMatrix) -> Result<(), MaskError> {
        if let Some(own) = self.matrices.get(&path) {
            same_shape(&path, own, &bits)?;
        }
        self.matrices.insert(path, bits);
        Ok(())
    }

    /// The bits of a matrix, which is added with no bit set if the mask does not have it.
    pub(crate) fn bits_mut(
        &mut self,
        path: ParamPath,
        shape: [usize; 2],
    ) -> Result<&mut BitMatrix, MaskError> {
        Ok(match self.matrices.entry(path) {
            Entry::Occupied(own) => own.into_mut(),
            Entry::Vacant(place) => place.insert(BitMatrix::new(shape)?),
        })
    }

    /// The bits of a matrix; `None` if no weight of it is chosen.
    #[must_use]
    pub fn get(&self, path: &ParamPath) -> Option<&BitMatrix> {
        self.matrices.get(path)
    }

    /// Every matrix, layer by layer.
    pub fn iter(&self) -> impl Iterator<Item = (&ParamPath, &BitMatrix)> {
        self.matrices.iter()
    }

    /// Number of chosen weights.
    #[must_use]
    pub fn count(&self) -> usize {
        self.matrices.values().map(BitMatrix::count).sum()
    }

    /// SHA-256 of the weights the mask was made for, if known.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Ties the mask to a model's weights.
    #[must_use]
    pub fn for_model(mut self, fingerprint: Option<&str>) -> Self {
        self.fingerprint = fingerprint.map(Into::into);
        self
    }

    /// Notes on how the mask was made (method, context, budget, …), kept in its file.
    #[must_use]
    pub fn provenance(&self) -> &BTreeMap<String, String> {
        &self.provenance
    }

    /// Adds a note.
    #[must_use]
    pub fn with_note(mut self, key: &str, value: impl ToString) -> Self {
        self.provenance.insert(key.into(), value.to_string());
        self
    }

    pub(crate) fn with_provenance(mut self, provenance: BTreeMap<String, String>) -> Self {
        self.provenance = provenance;
        self
    }

    /// Refuses weights that the mask was not made for.
    ///
    /// # Errors
    /// [`MaskError::OtherModel`] if both fingerprints are known and differ.
    pub fn check_fingerprint(&self, other: Option<&str>) -> Result<(), MaskError> {
        same_model(self.fingerprint(), other)
    }

    /// Refuses a mask that was not made for these weights, or that does not say for which.
    /// [`load`](Self::load) and whatever changes a model's files check this.
    ///
    /// # Errors
    /// [`MaskError::OtherModel`], [`MaskError::NoModel`].
    pub fn check_made_for(&self, fingerprint: &str) -> Result<(), MaskError> {
        if self.fingerprint.is_none() {
            return Err(MaskError::NoModel { model: fingerprint.into() });
        }
        self.check_fingerprint(Some(fingerprint))
    }

    /// Weights chosen by either mask.
    ///
    /// # Errors
    /// [`MaskError::OtherModel`], [`MaskError::ShapeMismatch`].
    pub fn union(&self, other: &Self) -> Result<Self, MaskError> {
        let mut out = self.clone_for(other)?;
        for (path, bits) in &other.matrices {
            out.bits_mut(path.clone(), bits.shape())?.union_with(bits);
        }
        Ok(out)
    }

    /// Weights chosen by both masks.
    ///
    /// # Errors
    /// [`MaskError::OtherModel`], [`MaskError::ShapeMismatch`].
    pub fn intersection(&self, other: &Self) -> Result<Self, MaskError> {
        let mut out = self.clone_for(other)?;
        out.matrices.retain(|path, own| match other.matrices.get(path) {
            Some(bits) => {
                own.intersect_with(bits);
                true
            }
            None => false,
        });
        Ok(out)
    }

    /// Weights chosen by this one and not by the other.
    ///
    /// # Errors
    /// [`MaskError::OtherModel`], [`MaskError::ShapeMismatch`].
    pub fn difference(&self, other: &Self) -> Result<Self, MaskError> {
        let mut out = self.clone_for(other)?;
        for (path, own) in &mut out.matrices {
            if let Some(bits) = other.matrices.get(path) {
                own.difference_with(bits);
            }
        }
        Ok(out)
    }

    /// Weights chosen by one of the two and not by the other.
    ///
    /// # Errors
    /// [`MaskError::OtherModel`], [`MaskError::ShapeMismatch`].
    pub fn symmetric_difference(&self, other: &Self) -> Result<Self, MaskError> {
        let mut out = self.clone_for(other)?;
        for (path, bits) in &other.matrices {
            out.bits_mut(path.clone(), bits.shape())?.symmetric_difference_with(bits);
        }
        Ok(out)
    }

    /// Weights of the model's blocks that are not chosen.
    ///
    /// # Errors
    /// [`MaskError::NoSuchParam`] and [`MaskError::ShapeMismatch`] if the mask has a matrix that is
    /// not in the model's blocks.
    pub fn complement(&self, dims: &ModelDims) -> Result<Self, MaskError> {
        let all = Self::full(dims)?;
        if let Some(path) = self.matrices.keys().find(|path| all.get(path).is_none()) {
            return Err(MaskError::NoSuchParam { path: path.clone() });
        }
        all.difference(self)
    }

    /// Weights chosen by every mask: the paper's *common* strategy over variations.
    ///
    /// # Errors
    /// [`MaskError::NoMasks`], [`MaskError::OtherModel`], [`MaskError::ShapeMismatch`].
    pub fn common<'a>(masks: impl IntoIterator<Item = &'a Self>) -> Result<Self, MaskError> {
        let mut masks = masks.into_iter();
        let first = masks.next().ok_or(MaskError::NoMasks)?.clone();
        masks.try_fold(first, |common, mask| common.intersection(mask))
    }

    /// The overlap of the masks, matrix by matrix.
    ///
    /// # Errors
    /// [`MaskError::OtherModel`], [`MaskError::ShapeMismatch`].
    pub fn meetings(&self, other: &Self) -> Result<Vec<Meeting>, MaskError> {
        self.check_with(other)?;
        let here = self.matrices.iter().map(|(path, own)| {
            let theirs = other.matrices.get(path);
            Meeting {
                total: own.len(),
                left: own.count(),
                right: theirs.map_or(0, BitMatrix::count),
                both: theirs.map_or(0, |bits| own.intersection_count(bits)),
            }
        });
        let there = other.matrices.iter().filter(|(path, _)| !self.matrices.contains_key(path));
        let there = there.map(|(_, bits)| Meeting {
            total: bits.len(),
            left: 0,
            right: bits.count(),
            both: 0,
        });
        Ok(here.chain(there).collect())
    }

    /// Random weights, as many in each matrix as in this mask: the null model that claims about
    /// this mask are compared with.
    ///
    /// # Errors
    /// None for masks that were built by this crate.
    pub fn matched_random(&self, seed: u64) -> Result<Self, MaskError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut out = Self { fingerprint: self.fingerprint.clone(), ..Self::default() };
        for (path, bits) in &self.matrices {
            let mut drawn = BitMatrix::new(bits.shape())?;
            for index in rand::seq::index::sample(&mut rng, bits.len(), bits.count()) {
                drawn.insert(index)?;
            }
            out.matrices.insert(path.clone(), drawn);
        }
        Ok(out)
    }

    fn check_with(&self, other: &Self) -> Result<(), MaskError> {
        self.check_fingerprint(other.fingerprint())?;
        for (path, bits) in &other.matrices {
            if let Some(own) = self.matrices.get(path) {
                same_shape(path, own, bits)?;
            }
        }
        Ok(())
    }

    /// A copy to combine with `other`, without notes, which would not describe the result.
    fn clone_for(&self, other: &Self) -> Result<Self, MaskError> {
        self.check_with(other)?;
        let fingerprint = self.fingerprint.clone().or_else(|| other.fingerprint.clone());
        Ok(Self { matrices: self.matrices.clone(), fingerprint, provenance: BTreeMap::new() })
    }
}

/// Refuses fingerprints that are both known and differ.
pub(crate) fn same_model(expected: Option<&str>, found: Option<&str>) -> Result<(), MaskError> {
    match (expected, found) {
        (Some(expected), Some(found)) if expected != found => {
            Err(MaskError::OtherModel { expected: expected.into(), found: found.into() })
        }
        _ => Ok(()),
    }
}

fn same_shape(path: &ParamPath, own: &BitMatrix, other: &BitMatrix) -> Result<(), MaskError> {
    if own.shape() == other.shape() {
        return Ok(());
    }
    Err(MaskError::ShapeMismatch {
        path: path.clone(),
        expected: own.shape(),
        found: other.shape(),
    })
}
