//! Lends this machine's processor or GPU to programs elsewhere.

#[cfg(feature = "remote")]
use std::time::Duration;

#[cfg(feature = "remote")]
use burn::backend::Flex;

use bias_cli::args::values::positive;
#[cfg(feature = "remote")]
use bias_cli::device::name::Compute;
use bias_cli::device::name::Device;
#[cfg(feature = "remote")]
use bias_cli::device::place::{DeviceArgs, OpenDevice};
#[cfg(feature = "remote")]
use bias_cli::device::server::{Limits, Server};
#[cfg(feature = "remote")]
use bias_cli::device::token::Token;
use bias_cli::failure::Failure;
#[cfg(feature = "remote")]
use bias_files::say;

/// Serve a device of this machine: other programs compute on it with --device
/// remote:ws://HOST:PORT/TOKEN.
///
/// It prints the address with a token, which is new each time it starts; to choose one, put it into
/// the environment variable BIAS_SERVE_TOKEN. Where the client runs, put the token into that
/// variable too and leave it out of the address: others on a machine may see the arguments of
/// programs. Whoever knows the token can compute here, within the limits below. There is no
/// encryption: listen on this machine only, as is the default, and let others in through a tunnel:
/// ssh -L 3000:127.0.0.1:3000 THIS_MACHINE. The server runs until you stop it. It needs a build with
/// the feature `remote`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address to listen at
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:3000")]
    listen: String,
    /// The device to lend: cpu, or with the feature `cuda` also cuda (or cuda:N)
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Device,
    /// Clients that may compute at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    clients: u16,
    /// GiB that the tensors of all clients may take together [default: half of this machine's memory;
    /// on a GPU what there is]
    #[arg(long, value_name = "GIB", value_parser = positive)]
    memory: Option<f64>,
    /// Minutes after which a client that does nothing is sent away
    #[arg(long, value_name = "MINUTES", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    idle: u32,
}

#[cfg(feature = "remote")]
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let refused = || format!("--device: {} cannot be served; cpu and cuda can", args.device);
    if !matches!(args.device, Device::Cpu | Device::Cuda(_)) {
        return Err(refused().into());
    }
    let place = DeviceArgs { name: args.device.clone(), compute: Compute::F32 }.place()?;
    let usual = Limits::default();
    // A GPU's memory is not this machine's: its driver refuses what does not fit.
    let lent = if args.device == Device::Cpu { usual.memory } else { u64::MAX };
    let limits = Limits {
        clients: args.clients.into(),
        memory: args.memory.map_or(lent, |own| (own * f64::from(1 << 30)) as u64),
        idle: Duration::from_secs(60 * u64::from(args.idle)),
        ..usual
    };
    let token = Token::from_environment()?.map_or_else(Token::random, Ok)?;
    let server = Server::bind(&args.listen, token.clone(), limits)?;
    let say = || {
        say!("serving {} at ws://{}/{}", args.device, server.address()?, token.reveal());
        Ok::<_, Failure>(())
    };
    match place {
        OpenDevice::Cpu => {
            say()?;
            server.run::<Flex>(&Default::default());
        }
        #[cfg(feature = "cuda")]
        OpenDevice::Cuda(device) => {
            say()?;
            server.run::<burn::backend::Cuda>(&device);
        }
        _ => return Err(refused().into()),
    }
    Ok(())
}

/// Says which feature is missing.
#[cfg(not(feature = "remote"))]
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let Args { listen, device, .. } = args;
    Err(format!(
        "cannot serve {device} at {listen}: this build lacks the feature remote; build with --features remote"
    )
    .into())
}
