//! Lends this machine's processor or GPU to programs elsewhere.

#[cfg(feature = "remote")]
use burn::backend::Flex;

#[cfg(feature = "remote")]
use bias_cli::device::name::Compute;
use bias_cli::device::name::Device;
#[cfg(feature = "remote")]
use bias_cli::device::place::{DeviceArgs, OpenDevice};
#[cfg(feature = "remote")]
use bias_cli::device::server::Server;
use bias_cli::failure::Failure;
#[cfg(feature = "remote")]
use bias_files::say;

/// Serve a device of this machine: other programs compute on it with --device
/// remote:ws://HOST:PORT.
///
/// There is no password and no encryption: anyone who reaches the address can compute here and fill
/// the memory. Listen on this machine only, as is the default, and let others in through a tunnel:
/// ssh -L 3000:127.0.0.1:3000 THIS_MACHINE. The server runs until you stop it. It needs a build
/// with the feature `remote`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address to listen at
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:3000")]
    listen: String,
    /// The device to lend: cpu, or with the feature `cuda` also cuda (or cuda:N)
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Device,
}

#[cfg(feature = "remote")]
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let refused = || format!("--device: {} cannot be served; cpu and cuda can", args.device);
    if !matches!(args.device, Device::Cpu | Device::Cuda(_)) {
        return Err(refused().into());
    }
    let place = DeviceArgs { name: args.device.clone(), compute: Compute::F32 }.place()?;
    let server = Server::bind(&args.listen)?;
    let say = || {
        say!("serving {} at ws://{}", args.device, server.address()?);
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
    let Args { listen, device } = args;
    Err(format!(
        "cannot serve {device} at {listen}: this build lacks the feature remote; build with --features remote"
    )
    .into())
}
