//! Where a model runs: what `--device` and `--compute` take.

use std::fmt;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use crate::cli::Failure;

/// What `--device` names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Device {
    /// This machine's processor, through burn's flex backend
    #[default]
    Cpu,
    /// The processor through burn's ndarray backend, for comparison (feature `ndarray`)
    Ndarray,
    /// An NVIDIA GPU, counted from 0 (feature `cuda`)
    Cuda(usize),
    /// A server's device, by its address `ws://HOST:PORT` (feature `remote`)
    Remote(String),
}

/// Devices by name, and whether this build knows them.
const KNOWN: [(&str, bool); 4] = [
    ("cpu", true),
    ("ndarray", cfg!(feature = "ndarray")),
    ("cuda[:N]", cfg!(feature = "cuda")),
    ("remote:ws://HOST:PORT", cfg!(feature = "remote")),
];

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
        let found = match (name, rest) {
            ("cpu", None) => Self::Cpu,
            ("ndarray", None) => Self::Ndarray,
            ("cuda", rest) => Self::Cuda(rest.map_or(Ok(0), |number| {
                number.parse().map_err(|_| format!("`{text}`: cuda takes a number, as in cuda:0"))
            })?),
            ("remote", Some(address)) if speaks(address) => Self::Remote(address.into()),
            ("remote", _) => {
                return Err(format!("`{text}`: remote takes an address, as in remote:ws://127.0.0.1:3000"));
            }
            _ => {
                let known = KNOWN.iter().filter(|(_, built)| *built).map(|(name, _)| *name);
                let known = known.collect::<Vec<_>>().join(", ");
                return Err(format!("no device `{text}`; this build knows {known}"));
            }
        };
        match KNOWN.iter().find(|(own, _)| own.split(['[', ':']).next() == Some(name)) {
            Some((_, false)) => Err(format!("`{text}`: build with --features {name}")),
            _ => Ok(found),
        }
    }
}

/// Whether an address is `ws://HOST:PORT`.
fn speaks(address: &str) -> bool {
    let parts = address.strip_prefix("ws://").and_then(|rest| rest.rsplit_once(':'));
    parts.is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Ndarray => f.write_str("ndarray"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Remote(address) => write!(f, "remote:{address}"),
        }
    }
}

/// The type that a device computes in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Compute {
    /// 32 bits: what every claim about exactness is for
    #[default]
    F32,
    /// 16 bits, not on the processor: faster and half the memory, with 3 significant digits
    Bf16,
}

/// Where a model runs.
#[derive(Debug, Clone, Args)]
pub struct DeviceArgs {
    /// Where the model runs: cpu; with the feature of that name also ndarray, cuda (or cuda:N for another
    /// GPU than the first), or remote:ws://HOST:PORT, where `serve` listens
    #[arg(id = "device", long, value_name = "DEVICE", default_value_t)]
    pub name: Device,
    /// The type computed in: bf16 is for cuda and remote. Norms, softmax and sums are in f32 all the same
    #[arg(long, value_enum, default_value_t)]
    pub compute: Compute,
}

/// A device that was found to be there, for [`on_device!`](crate::on_device).
#[derive(Debug, Clone)]
pub enum Place {
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

/// Runs `$body` with `$B` the autodiff backend of a [`Place`](crate::device::Place) and `$device` its device.
#[macro_export]
macro_rules! on_device {
    ($place:expr, |$B:ident, $device:ident| $body:expr) => {{
        match $place {
            $crate::device::Place::Cpu => {
                type $B = burn::backend::Autodiff<burn::backend::Flex>;
                let $device = Default::default();
                $body
            }
            #[cfg(feature = "ndarray")]
            $crate::device::Place::Ndarray => {
                type $B = burn::backend::Autodiff<burn::backend::NdArray>;
                let $device = Default::default();
                $body
            }
            #[cfg(feature = "cuda")]
            $crate::device::Place::Cuda($device) => {
                type $B = burn::backend::Autodiff<burn::backend::Cuda>;
                $body
            }
            #[cfg(feature = "remote")]
            $crate::device::Place::Remote($device) => {
                type $B = burn::backend::Autodiff<burn::backend::RemoteBackend>;
                $body
            }
        }
    }};
}

impl DeviceArgs {
    /// The device, if it is there and works. Costs nothing on the processor.
    ///
    /// # Errors
    /// A GPU or server that is not there, or a type that the device is not asked to compute in; in words
    /// for a command line.
    pub fn place(&self) -> Result<Place, Failure> {
        if self.compute == Compute::Bf16 && matches!(self.name, Device::Cpu | Device::Ndarray) {
            return Err(format!(
                "--compute bf16 needs a GPU, as in --device cuda: {} computes in f32",
                self.name
            )
            .into());
        }
        match &self.name {
            Device::Cpu => Ok(Place::Cpu),
            #[cfg(feature = "ndarray")]
            Device::Ndarray => Ok(Place::Ndarray),
            #[cfg(feature = "cuda")]
            Device::Cuda(index) => Ok(Place::Cuda(crate::reach::cuda(*index, self.compute)?)),
            #[cfg(feature = "remote")]
            Device::Remote(address) => Ok(Place::Remote(crate::reach::remote(address, self.compute)?)),
            #[allow(unreachable_patterns)] // with all features
            other => Err(format!("this build does not know {other}").into()),
        }
    }

    /// Prompts per batch: few enough for a processor's caches, many on an accelerator.
    #[must_use]
    pub fn batch_rows(&self) -> usize {
        if matches!(self.name, Device::Cuda(_)) { 128 } else { 8 }
    }

    /// Whether what is computed on is another memory than the program's.
    #[must_use]
    pub fn accelerated(&self) -> bool {
        matches!(self.name, Device::Cuda(_) | Device::Remote(_))
    }

    /// How many batches are worth running side by side.
    #[must_use]
    pub fn threads(&self) -> usize {
        match self.name {
            Device::Cuda(_) | Device::Remote(_) => 1,
            Device::Cpu | Device::Ndarray => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Device>().unwrap_err()
    }

    #[test]
    fn devices_are_read_as_they_are_written() {
        let built = [
            (Device::Cpu, true),
            (Device::Ndarray, cfg!(feature = "ndarray")),
            (Device::Cuda(0), cfg!(feature = "cuda")),
            (Device::Cuda(7), cfg!(feature = "cuda")),
            (Device::Remote("ws://127.0.0.1:3000".into()), cfg!(feature = "remote")),
            (Device::Remote("ws://[::1]:3000".into()), cfg!(feature = "remote")),
        ];
        for (device, built) in built {
            let text = device.to_string();
            match text.parse::<Device>() {
                Ok(found) => assert!(built && found == device, "{text}"),
                Err(error) => assert!(!built && error.contains("build with --features"), "{error}"),
            }
        }
        assert_eq!("cuda".parse::<Device>().ok(), cfg!(feature = "cuda").then_some(Device::Cuda(0)));
    }

    #[test]
    fn errors_say_what_to_do() {
        for unknown in ["gpu", "", "cpu:0", "CPU", "ndarray:", "wgpu"] {
            let error = error(unknown);
            assert!(error.contains("this build knows cpu"), "{error}");
            assert_eq!(error.contains("cuda[:N]"), cfg!(feature = "cuda"), "{error}");
        }
        for number in ["cuda:", "cuda:x", "cuda:-1", "cuda:0:1"] {
            assert!(error(number).contains("as in cuda:0"));
        }
        let addresses = [
            "remote",
            "remote:",
            "remote:ws://",
            "remote:ws://host",
            "remote:ws://:1",
            "remote:http://host:1",
            "remote:wss://host:1",
            "remote:ws://host:0",
            "remote:ws://host:70000",
            "remote:ws://host/path:1",
        ];
        for address in addresses {
            assert!(error(address).contains("as in remote:ws://127.0.0.1:3000"), "{address}");
        }
    }

    #[test]
    fn bf16_is_not_for_the_processor() {
        let place = |name, compute| DeviceArgs { name, compute }.place();
        assert!(matches!(place(Device::Cpu, Compute::F32), Ok(Place::Cpu)));
        let error = place(Device::Cpu, Compute::Bf16).unwrap_err().to_string();
        assert!(error.contains("--device cuda"), "{error}");
    }
}
