use burn::tensor::backend::Backend;

use super::apply::Intervention;
use super::concept::EditedInput;
use super::directions::Directions;
use super::target::MaskTarget;
use super::undo::Undo;
use crate::error::MaskError;
use crate::mask::set::{Mask, same_model};

/// One change of a model's weights.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Chosen weights are zeroed, scaled or replaced by their mean contribution.
    Weights(Mask, Intervention),
    /// Directions are removed.
    Directions(Directions),
    /// A concept is taken off what a matrix reads.
    Input(EditedInput),
}

/// Identifies a change until it is taken off. The same [`Changes`] never uses an identifier twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChangeId(u64);

/// Changes of one model that can be taken off in any order.
///
/// At any time the model equals, bit for bit, the original with the present changes applied in
/// their order; without changes it is the original. To take a change off, those after it are taken
/// off too and made again. Give every call the same model, and let nothing else change its weights
/// meanwhile.
///
/// It holds each change and the values that it overwrote (see [`Undo`]).
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
    /// SHA-256 of the weights the change was made for, if known.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        match self {
            Self::Weights(mask, _) => mask.fingerprint(),
            Self::Directions(directions) => directions.fingerprint(),
            Self::Input(edited) => edited.fingerprint(),
        }
    }

    /// Makes the change, as a whole or not at all.
    ///
    /// # Errors
    /// As [`Mask::apply`], [`Directions::remove`] and [`EditedInput::apply`].
    pub fn apply<B: Backend>(&self, model: &mut impl MaskTarget<B>) -> Result<Undo, MaskError> {
        match self {
            Self::Weights(mask, intervention) => mask.apply_ref(model, intervention),
            Self::Directions(directions) => directions.remove(model),
            Self::Input(edited) => edited.apply(model),
        }
    }
}

impl Changes {
    /// Makes a change on top of the present ones.
    ///
    /// # Errors
    /// As [`Change::apply`]; [`MaskError::OtherModel`] also if it was made for other weights than a
    /// present change. The model is then unchanged.
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

    /// Takes any of the changes off and returns it.
    ///
    /// # Errors
    /// [`MaskError::NoSuchChange`]. As [`push`](Self::push) if a later change cannot be made again,
    /// which happens with another model or when a device fails; then that change and those after it
    /// are off too.
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

    /// Takes all changes off. Every weight and bias is then what it was before the first change.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn clear<B: Backend>(&mut self, model: &mut impl MaskTarget<B>) -> Result<(), MaskError> {
        while let Some((.., undo)) = self.made.pop() {
            undo.revert(model)?;
        }
        Ok(())
    }

    /// The present changes, in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = (ChangeId, &Change)> {
        self.made.iter().map(|(id, change, _)| (*id, change))
    }

    /// Bytes held to take the changes off.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.made.iter().map(|(.., undo)| undo.bytes()).sum()
    }
}
