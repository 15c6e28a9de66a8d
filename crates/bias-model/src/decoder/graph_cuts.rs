use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bias_probe::ProbeError;
use burn::tensor::{Tensor, backend::Backend};

/// The cuts of a graph at the unembedding of a model that is left in its file. Without them, the
/// large table would have to stay in memory until gradients are taken. Instead, the logits become
/// the leaf of one graph and the unembedding's input the end of another, and the gradient is
/// carried across by hand.
///
/// It belongs to one evaluation of one loss: only the loss's own handle on the model has it. It
/// contains tensors of any backend, because a module's fields cannot depend on the backend.
#[derive(Clone, Default)]
pub(crate) struct Cuts(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The cuts of the previous evaluation. Their logits are not computed again.
    known: Option<Vec<Box<dyn Any + Send>>>,
    /// The cuts of this evaluation, in the order of `known` if that is given.
    made: Vec<Option<Box<dyn Any + Send>>>,
}

/// An input of the unembedding, `[cells, d_model]`, and its logits, `[cells, vocab]`.
pub(crate) type Cut<B> = (Tensor<B, 2>, Tensor<B, 2>);

const UNLIKE: ProbeError = ProbeError::UnlikeLoss;

impl Cuts {
    /// For the second evaluation of a loss: logits of the same input are taken from `known`.
    pub(crate) fn again<B: Backend>(known: Vec<Cut<B>>) -> Self {
        let made = known.iter().map(|_| None).collect();
        let known = known.into_iter().map(|cut| Box::new(cut) as Box<dyn Any + Send>).collect();
        Self(Arc::new(Mutex::new(State { known: Some(known), made })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The logits of `x`, outside the graph: the first evaluation makes them as a leaf, the second
    /// takes the known ones.
    ///
    /// # Errors
    /// [`ProbeError::UnlikeLoss`] if the second evaluation unembeds an input that the first did
    /// not.
    pub(crate) fn logits<B: Backend>(
        &self,
        x: Tensor<B, 2>,
        make: impl FnOnce(Tensor<B, 2>) -> Result<Tensor<B, 2>, ProbeError>,
    ) -> Result<Tensor<B, 2>, ProbeError> {
        if self.lock().known.is_none() {
            let logits = make(x.clone().detach())?.detach().require_grad();
            self.lock().made.push(Some(Box::new((x, logits.clone()))));
            return Ok(logits);
        }
        let data = x.to_data();
        let mut state = self.lock();
        let State { known: Some(known), made } = &mut *state else { return Err(UNLIKE) };
        for (known, made) in known.iter().zip(made).filter(|(_, made)| made.is_none()) {
            let (input, logits) = known.downcast_ref::<Cut<B>>().ok_or(UNLIKE)?;
            if input.dims() == x.dims() && input.to_data().as_bytes() == data.as_bytes() {
                let logits = logits.clone().detach();
                *made = Some(Box::new((x, logits.clone())));
                return Ok(logits);
            }
        }
        Err(UNLIKE)
    }

    /// All cuts. Those of a second evaluation have the order of the first.
    ///
    /// # Errors
    /// [`ProbeError::UnlikeLoss`] if the second evaluation did not unembed every input of the
    /// first.
    pub(crate) fn take<B: Backend>(&self) -> Result<Vec<Cut<B>>, ProbeError> {
        let made = std::mem::take(&mut self.lock().made).into_iter();
        made.map(|cut| cut.and_then(|cut| cut.downcast().ok()).map(|cut| *cut).ok_or(UNLIKE))
            .collect()
    }
}

impl fmt::Debug for Cuts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cuts({})", self.lock().made.len())
    }
}
