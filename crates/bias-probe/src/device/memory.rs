use burn::tensor::backend::Backend;

/// Where a device's tensors are, and what becomes of a view of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Memory {
    /// This process's own, where tensors of any layout are computed with as they lie: burn's `flex`
    Strided,
    /// This process's own: burn's `ndarray`
    Own,
    /// Another device's
    Elsewhere,
    /// A backend that this crate does not know: nothing may be assumed of it
    Unknown,
}

impl Memory {
    /// Where a device's are. burn has no other sign of it than the backend's name, in which
    /// wrappers (gradients, fusion) stand around the backend that computes.
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

    /// Whether reading a tensor costs nothing, for certain.
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
