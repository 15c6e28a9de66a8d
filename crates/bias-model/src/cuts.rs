use std::any::Any;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{Tensor, backend::Backend};

/// Where a graph is cut at the unembedding of a model that is left in its file: the large table
/// would have to stay in memory until gradients are taken. Instead its logits become the leaf of
/// one graph and its input the end of another, and the gradient is carried across by hand.
///
/// Of any backend's tensors: a module's own fields cannot be. Each handle on a model has its own.
#[derive(Default)]
pub(crate) struct Cuts(Mutex<Option<Vec<Box<dyn Any + Send>>>>);

impl Clone for Cuts {
    /// Whole graphs.
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What was unembedded, `[cells, d_model]`, and its logits, `[cells, vocab]`, a leaf.
pub(crate) type Cut<B> = (Tensor<B, 2>, Tensor<B, 2>);

impl Cuts {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<Box<dyn Any + Send>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on graphs are cut.
    pub(crate) fn open(&self) {
        *self.lock() = Some(Vec::new());
    }

    pub(crate) fn are_open(&self) -> bool {
        self.lock().is_some()
    }

    pub(crate) fn add<B: Backend>(&self, cut: Cut<B>) {
        if let Some(cuts) = &mut *self.lock() {
            cuts.push(Box::new(cut));
        }
    }

    /// All cuts since they were opened; from here on graphs are whole.
    pub(crate) fn close<B: Backend>(&self) -> Vec<Cut<B>> {
        let cuts = self.lock().take().unwrap_or_default();
        cuts.into_iter().filter_map(|cut| cut.downcast::<Cut<B>>().ok()).map(|cut| *cut).collect()
    }
}

impl fmt::Debug for Cuts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.are_open() { "Cuts(open)" } else { "Cuts(closed)" })
    }
}
