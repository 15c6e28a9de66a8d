//! Names of devices: the values of `--device` and `--compute`.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;

/// A value of `--device`.
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

/// The names of devices, and whether this build supports them.
const KNOWN: [(&str, bool); 4] = [
    ("cpu", true),
    ("ndarray", cfg!(feature = "ndarray")),
    ("cuda[:N]", cfg!(feature = "cuda")),
    ("remote:ws://HOST:PORT", cfg!(feature = "remote")),
];

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) =
            text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
        let found = match (name, rest) {
            ("cpu", None) => Self::Cpu,
            ("ndarray", None) => Self::Ndarray,
            ("cuda", rest) => Self::Cuda(rest.map_or(Ok(0), |number| {
                number.parse().map_err(|_| format!("`{text}`: cuda takes a number, as in cuda:0"))
            })?),
            ("remote", Some(address)) if speaks(address) => Self::Remote(address.into()),
            ("remote", _) => {
                return Err(format!(
                    "`{text}`: remote takes an address, as in remote:ws://127.0.0.1:3000"
                ));
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

/// The computing type of a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Compute {
    /// 32 bits: every claim about exactness is for this type
    #[default]
    F32,
    /// 16 bits, not on the processor: faster, half the memory, 3 significant digits
    Bf16,
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
        assert_eq!(
            "cuda".parse::<Device>().ok(),
            cfg!(feature = "cuda").then_some(Device::Cuda(0))
        );
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
}
