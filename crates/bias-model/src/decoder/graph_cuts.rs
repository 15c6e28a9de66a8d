use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{Tensor, backend::Backend};

/// Where a graph is cut at the unembedding of a model that is left in its file: the large table
/// would have to stay in memory until gradients are taken. Instead its logits become the leaf of
/// one graph and its input the end of another, and the gradient is carried across by hand.
///
/// Of any backend's tensors: a module's own fields cannot be. Each handle on a model has its own.
#[derive(Default)]
pub(crate) struct Cuts(Mutex<Option<Open>>);

#[derive(Default)]
struct Open {
    made: Vec<Box<dyn Any + Send>>,
    /// Logits that are known from the time before, in order.
    known: VecDeque<Box<dyn Any + Send>>,
}

impl Clone for Cuts {
    /// Whole graphs.
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What was unembedded, `[cells, d_model]`, and its logits, `[cells, vocab]`, a leaf.
pub(crate) type Cut<B> = (Tensor<B, 2>, Tensor<B, 2>);

impl Cuts {
    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on graphs are cut; logits that are known are not made again.
    pub(crate) fn open<B: Backend>(&self, known: impl IntoIterator<Item = Tensor<B, 2>>) {
        let known = known.into_iter().map(|logits| Box::new(logits) as Box<dyn Any + Send>).collect();
        *self.lock() = Some(Open { made: Vec::new(), known });
    }

    /// The next logits that are known.
    pub(crate) fn known<B: Backend>(&self) -> Option<Tensor<B, 2>> {
        let next = self.lock().as_mut()?.known.pop_front()?;
        next.downcast().ok().map(|logits| *logits)
    }

    pub(crate) fn are_open(&self) -> bool {
        self.lock().is_some()
    }

    pub(crate) fn add<B: Backend>(&self, cut: Cut<B>) {
        if let Some(open) = &mut *self.lock() {
            open.made.push(Box::new(cut));
        }
    }

    /// All cuts since they were opened; from here on graphs are whole.
    pub(crate) fn close<B: Backend>(&self) -> Vec<Cut<B>> {
        let open = self.lock().take().unwrap_or_default();
        open.made.into_iter().filter_map(|cut| cut.downcast::<Cut<B>>().ok()).map(|cut| *cut).collect()
    }
}

impl fmt::Debug for Cuts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.are_open() { "Cuts(open)" } else { "Cuts(closed)" })
    }
}
