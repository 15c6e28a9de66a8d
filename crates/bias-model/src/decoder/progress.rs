use std::fmt;
use std::sync::Arc;

/// A layer that was read from its file and run: see
/// [`Decoder::on_layer`](crate::Decoder::on_layer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerDone {
    /// The number of layers of this pass that are done, including this one.
    pub done: usize,
    /// The number of layers in a pass.
    pub of: usize,
    /// The number of tokens that run together.
    pub tokens: usize,
    /// Whether this is the backward pass, for gradients.
    pub backward: bool,
}

type Call = dyn Fn(&LayerDone) + Send + Sync;

/// The callback.
#[derive(Clone, Default)]
pub(crate) struct Progress(Option<Arc<Call>>);

impl Progress {
    pub(crate) fn new(call: impl Fn(&LayerDone) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(call)))
    }

    pub(crate) fn tell(&self, done: LayerDone) {
        if let Some(call) = &self.0 {
            call(&done);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Progress(told)" } else { "Progress(untold)" })
    }
}
