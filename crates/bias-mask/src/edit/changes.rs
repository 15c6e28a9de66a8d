use burn::tensor::backend::Backend;

use super::apply::Intervention;
use super::directions::Directions;
use super::target::MaskTarget;
use super::undo::Undo;
use crate::error::MaskError;
use crate::mask::set::{Mask, same_model};

/// One thing that is done to a model's weights.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Chosen weights are zeroed, scaled or replaced by what they pass on on average.
    Weights(Mask, Intervention),
    /// Directions are removed.
    Directions(Directions),
}

/// The name of a change while it is in place. Never given twice by the same [`Changes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChangeId(u64);

/// Changes made to one model, which can be taken off in any order.
///
/// The model is at all times what the changes in place, applied in their order to the
/// original, make of it, bit for bit; with none left it is the original. To take one off,
/// those after it are taken off too, and made again. Every call must be given the same
/// model, and nothing else may change the weights meanwhile.
///
/// It holds what each change overwrote (see [`Undo`]) beside the change itself.
///
/// ```
/// # use bias_mask::edit::{Change, Changes};
/// # use bias_mask::{Intervention, Mask, MaskError, MaskTarget};
/// # use burn::tensor::backend::Backend;
/// # fn compare<B: Backend>(model: &mut impl MaskTarget<B>, heads: Mask, neurons: Mask) -> Result<(), MaskError> {
/// let mut changes = Changes::default();
/// let heads = changes.push(model, Change::Weights(heads, Intervention::Zero))?;
/// changes.push(model, Change::Weights(neurons, Intervention::Scale(0.5)))?;
/// // … with both; then with the neurons alone:
/// changes.remove(model, heads)?;
/// changes.clear(model)
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "without it the model cannot be restored"]
pub struct Changes {
    made: Vec<(ChangeId, Change, Undo)>,
    next: u64,
}

impl Change {
    /// SHA-256 of the weights the change was made for, if it knows.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        match self {
            Self::Weights(mask, _) => mask.fingerprint(),
            Self::Directions(directions) => directions.fingerprint(),
        }
    }

    /// Makes the change. As a whole or not at all.
    ///
    /// # Errors
    /// As [`Mask::apply`] and [`Directions::remove`].
    pub fn apply<B: Backend>(&self, model: &mut impl MaskTarget<B>) -> Result<Undo, MaskError> {
        match self {
            Self::Weights(mask, intervention) => mask.apply_ref(model, intervention),
            Self::Directions(directions) => directions.remove(model),
        }
    }
}

impl Changes {
    /// Makes a change on top of those in place.
    ///
    /// # Errors
    /// As [`Change::apply`]; [`MaskError::OtherModel`] also when it was made for other
    /// weights than a change in place. The model is then as it was.
    pub fn push<B: Backend>(
        &mut self,
        model: &mut impl MaskTarget<B>,
        change: Change,
    ) -> Result<ChangeId, MaskError> {
        for (_, other, _) in &self.made {
            same_model(other.fingerprint(), change.fingerprint())?;
        }
        let undo = change.apply(model)?;
        let id = ChangeId(self.next);
        self.next += 1;
        self.made.push((id, change, undo));
        Ok(id)
    }

    /// Takes a change off, wherever it stands, and gives it back.
    ///
    /// # Errors
    /// [`MaskError::NoSuchChange`]. As [`push`](Self::push) when a later change cannot be
    /// made again, which happens to another model or when a device fails: then that one
    /// and those after it are off too.
    pub fn remove<B: Backend>(
        &mut self,
        model: &mut impl MaskTarget<B>,
        id: ChangeId,
    ) -> Result<Change, MaskError> {
        let at =
            self.made.iter().position(|(own, ..)| *own == id).ok_or(MaskError::NoSuchChange)?;
        let mut off = Vec::new();
        while self.made.len() > at
            && let Some((own, change, undo)) = self.made.pop()
        {
            undo.revert(model)?;
            off.push((own, change));
        }
        let (_, removed) = off.pop().ok_or(MaskError::NoSuchChange)?;
        for (own, change) in off.into_iter().rev() {
            let undo = change.apply(model)?;
            self.made.push((own, change, undo));
        }
        Ok(removed)
    }

    /// Takes all changes off: every weight and bias is what it was before the first.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn clear<B: Backend>(&mut self, model: &mut impl MaskTarget<B>) -> Result<(), MaskError> {
        while let Some((.., undo)) = self.made.pop() {
            undo.revert(model)?;
        }
        Ok(())
    }

    /// The changes in place, first one first.
    pub fn iter(&self) -> impl Iterator<Item = (ChangeId, &Change)> {
        self.made.iter().map(|(id, change, _)| (*id, change))
    }

    /// Bytes held to take them off again.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.made.iter().map(|(.., undo)| undo.bytes()).sum()
    }
}
