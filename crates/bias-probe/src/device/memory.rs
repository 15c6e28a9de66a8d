use burn::tensor::backend::Backend;

/// Where a device's tensors are, and whether a view of them is computed with as it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Memory {
    /// In this process's memory, and tensors of any layout are computed with as they lie: burn's
    /// `flex`.
    Strided,
    /// In this process's memory: burn's `ndarray`.
    Own,
    /// On another device.
    Elsewhere,
    /// On a backend that this crate does not know. Nothing may be assumed of it.
    Unknown,
}

impl Memory {
    /// Where this device's tensors are.
    ///
    /// burn tells this by nothing but the backend's name, in which wrappers (gradients, fusion)
    /// stand around the name of the backend that computes.
    #[must_use]
    pub fn of<B: Backend>(device: &B::Device) -> Self {
        Self::of_name(&B::name(device))
    }

    fn of_name(name: &str) -> Self {
        let elsewhere = ["cuda", "hip", "rocm", "wgpu", "vulkan", "metal", "webgpu", "remote"];
        for part in name.split(['<', '>']) {
            match part {
                "flex" => return Self::Strided,
                "ndarray" => return Self::Own,
                // burn names the runtime of a GPU by itself.
                part if elsewhere.iter().any(|known| part.starts_with(known)) => {
                    return Self::Elsewhere;
                }
                _ => {}
            }
        }
        Self::Unknown
    }

    /// Whether it is certain that reading a tensor costs nothing.
    #[must_use]
    pub fn is_own(self) -> bool {
        matches!(self, Self::Strided | Self::Own)
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::{Autodiff, Flex};

    use super::*;

    #[test]
    fn wrappers_do_not_hide_what_computes() {
        for (name, memory) in [
            ("flex", Memory::Strided),
            ("autodiff<flex>", Memory::Strided),
            ("autodiff<autodiff<flex>>", Memory::Strided),
            ("fusion<flex>", Memory::Strided),
            ("ndarray", Memory::Own),
            ("cuda", Memory::Elsewhere),
            ("autodiff<fusion<cubecl<cuda>>>", Memory::Elsewhere),
            ("cubecl<wgpu<wgsl>>", Memory::Elsewhere),
            ("remote-0", Memory::Elsewhere),
            ("cubecl<cpu>", Memory::Unknown),
            ("something new", Memory::Unknown),
        ] {
            assert_eq!(Memory::of_name(name), memory, "{name}");
        }
        assert!(Memory::Own.is_own() && !Memory::Unknown.is_own() && !Memory::Elsewhere.is_own());
    }

    /// burn may call a backend otherwise in its next version.
    #[test]
    fn backends_are_called_what_this_crate_looks_for() {
        assert_eq!(Memory::of::<Flex>(&Default::default()), Memory::Strided);
        assert_eq!(Memory::of::<Autodiff<Flex>>(&Default::default()), Memory::Strided);
    }
}
