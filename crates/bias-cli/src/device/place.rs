//! The device that was asked for, and code that runs on it.

use std::fmt;

use clap::Args;

use crate::device::name::{Compute, Device};
#[cfg(any(feature = "cuda", feature = "remote"))]
use crate::device::reach;
use crate::failure::Failure;

/// The device that a model runs on.
#[derive(Debug, Clone, Args)]
pub struct DeviceArgs {
    /// Where the model runs: cpu, or with the feature of the same name ndarray, cuda (cuda:N for a
    /// GPU other than the first), or remote:ws://HOST:PORT/TOKEN, as `bias serve` says it
    #[arg(id = "device", long, value_name = "DEVICE", default_value_t)]
    pub name: Device,
    /// The type to compute in: bf16 is for cuda and remote. Norms, softmax and sums stay in f32
    #[arg(long, value_enum, default_value_t)]
    pub compute: Compute,
}

/// A device that is present, for [`on_device!`](crate::on_device). Its `Debug` names the kind alone:
/// a server's address holds a token.
#[derive(Clone)]
pub enum OpenDevice {
    /// [`Device::Cpu`]
    Cpu,
    /// [`Device::Ndarray`]
    #[cfg(feature = "ndarray")]
    Ndarray,
    /// [`Device::Cuda`]
    #[cfg(feature = "cuda")]
    Cuda(burn::backend::cuda::CudaDevice),
    /// [`Device::Remote`]
    #[cfg(feature = "remote")]
    Remote(burn::backend::remote::RemoteDevice),
}

impl fmt::Debug for OpenDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "Cpu",
            #[cfg(feature = "ndarray")]
            Self::Ndarray => "Ndarray",
            #[cfg(feature = "cuda")]
            Self::Cuda(_) => "Cuda",
            #[cfg(feature = "remote")]
            Self::Remote(_) => "Remote",
        })
    }
}

/// Runs `$body` with `$B` as the autodiff backend of a
/// [`OpenDevice`](crate::device::place::OpenDevice) and `$device` as its device, in a function
/// whose errors a [`Failure`](crate::failure::Failure) can be made from. The features `ndarray`,
/// `cuda` and `remote` of the calling package decide which devices are supported.
#[macro_export]
macro_rules! on_device {
    ($place:expr, |$B:ident, $device:ident| $body:expr) => {{
        match $place {
            $crate::device::place::OpenDevice::Cpu => {
                type $B = burn::backend::Autodiff<burn::backend::Flex>;
                let $device = Default::default();
                $body
            }
            #[cfg(feature = "ndarray")]
            $crate::device::place::OpenDevice::Ndarray => {
                type $B = burn::backend::Autodiff<burn::backend::NdArray>;
                let $device = Default::default();
                $body
            }
            #[cfg(feature = "cuda")]
            $crate::device::place::OpenDevice::Cuda($device) => {
                type $B = burn::backend::Autodiff<burn::backend::Cuda>;
                $body
            }
            #[cfg(feature = "remote")]
            $crate::device::place::OpenDevice::Remote($device) => {
                type $B = burn::backend::Autodiff<burn::backend::RemoteBackend>;
                $body
            }
            #[allow(unreachable_patterns)]
            other => Err::<_, $crate::failure::Failure>(
                format!("this program cannot use {other:?}").into(),
            )?,
        }
    }};
}

impl DeviceArgs {
    /// The device, if it is present and works. This costs nothing on the processor.
    ///
    /// # Errors
    /// A GPU or server that is missing, or a type that the device does not compute in. The message
    /// is for a command line.
    pub fn place(&self) -> Result<OpenDevice, Failure> {
        if self.compute == Compute::Bf16 && matches!(self.name, Device::Cpu | Device::Ndarray) {
            return Err(format!(
                "--compute bf16 needs a GPU, as in --device cuda: {} computes in f32",
                self.name
            )
            .into());
        }
        match &self.name {
            Device::Cpu => Ok(OpenDevice::Cpu),
            #[cfg(feature = "ndarray")]
            Device::Ndarray => Ok(OpenDevice::Ndarray),
            #[cfg(feature = "cuda")]
            Device::Cuda(index) => Ok(OpenDevice::Cuda(reach::cuda(*index, self.compute)?)),
            #[cfg(feature = "remote")]
            Device::Remote(address) => {
                Ok(OpenDevice::Remote(reach::remote(address, self.compute)?))
            }
            #[allow(unreachable_patterns)] // with all features
            other => Err(format!("this build does not support {other}").into()),
        }
    }

    /// The number of prompts per batch: few enough for a processor's caches, many on an
    /// accelerator.
    #[must_use]
    pub fn batch_rows(&self) -> usize {
        if matches!(self.name, Device::Cuda(_)) { 128 } else { 8 }
    }

    /// Whether computations use another memory than the program's.
    #[must_use]
    pub fn accelerated(&self) -> bool {
        matches!(self.name, Device::Cuda(_) | Device::Remote(_))
    }

    /// The number of batches that are worth running side by side.
    #[must_use]
    pub fn threads(&self) -> usize {
        match self.name {
            Device::Cuda(_) | Device::Remote(_) => 1,
            Device::Cpu | Device::Ndarray => {
                std::thread::available_parallelism().map_or(1, usize::from)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bf16_is_not_for_the_processor() {
        let place = |name, compute| DeviceArgs { name, compute }.place();
        assert!(matches!(place(Device::Cpu, Compute::F32), Ok(OpenDevice::Cpu)));
        let error = place(Device::Cpu, Compute::Bf16).unwrap_err().to_string();
        assert!(error.contains("--device cuda"), "{error}");
    }
}
