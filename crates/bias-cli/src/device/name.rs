//! Names of devices: the values of `--device` and `--compute`.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;

use super::token::Token;

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
    /// A server's device (feature `remote`)
    Remote(Address),
}

/// Where `bias serve` listens: `ws://HOST:PORT/TOKEN`, as it says when it starts. `Display` leaves
/// the token out. An address without a token takes it from the environment variable
/// [`TOKEN_VARIABLE`](super::token::TOKEN_VARIABLE).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `HOST:PORT`.
    pub place: String,
    /// What it asks for.
    pub token: Option<Token>,
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const USAGE: &str = "remote takes an address, as in remote:ws://127.0.0.1:3000/TOKEN";
        let rest = text.strip_prefix("ws://").ok_or(USAGE)?;
        let (place, token) =
            rest.split_once('/').map_or((rest, None), |(place, token)| (place, Some(token)));
        let (host, port) = place.rsplit_once(':').ok_or(USAGE)?;
        if host.is_empty() || !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(USAGE);
        }
        let token = token.filter(|own| !own.is_empty()).map(str::parse).transpose();
        let token = token.map_err(|_: String| "the token is not one of `bias serve`")?;
        Ok(Self { place: place.to_owned(), token })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ws://{}", self.place)
    }
}

/// The names of devices, and whether this build supports them.
const KNOWN: [(&str, bool); 4] = [
    ("cpu", true),
    ("ndarray", cfg!(feature = "ndarray")),
    ("cuda[:N]", cfg!(feature = "cuda")),
    ("remote:ws://HOST:PORT/TOKEN", cfg!(feature = "remote")),
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
            ("remote", rest) => {
                let address = rest.unwrap_or_default().parse();
                Self::Remote(address.map_err(|why| format!("`{text}`: {why}"))?)
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
            (Device::Remote("ws://127.0.0.1:3000".parse().unwrap()), cfg!(feature = "remote")),
            (Device::Remote("ws://[::1]:3000".parse().unwrap()), cfg!(feature = "remote")),
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
        let told = error("remote:ws://host:1/too-short");
        assert!(told.contains("the token is not one of"), "{told}");
        let token = "0123456789abcdef";
        let known: Address = format!("ws://host:1/{token}").parse().unwrap();
        assert_eq!(known.token, Some(token.parse().unwrap()));
        assert!(!format!("{known} {known:?}").contains(token), "a token is not shown");
    }
}
