use burn::tensor::backend::Backend;

/// Where a device's tensors are, and what becomes of a view of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Memory {
    /// This process's own, where tensors of any layout are computed with as they lie: burn's `flex`
    Strided,
    /// This process's own: burn's `ndarray`
    Own,
    /// Another device's, or unknown
    Elsewhere,
}

impl Memory {
    /// Where a device's are, by its backend's name, gradients or not.
    #[must_use]
    pub fn of<B: Backend>(device: &B::Device) -> Self {
        let name = B::name(device);
        match name.strip_prefix("autodiff<").and_then(|name| name.strip_suffix('>')).unwrap_or(&name) {
            "flex" => Self::Strided,
            "ndarray" => Self::Own,
            _ => Self::Elsewhere,
        }
    }

    /// Whether reading a tensor costs nothing.
    #[must_use]
    pub fn is_own(self) -> bool {
        self != Self::Elsewhere
    }
}
