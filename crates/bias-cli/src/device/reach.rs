//! Checks whether an accelerator is present and works, without a panic on the screen: burn panics
//! on first use if a driver or server is missing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, get_device_settings, set_default_dtypes};

#[cfg(feature = "remote")]
use crate::device::name::Address;
use crate::device::name::Compute;
#[cfg(feature = "remote")]
use crate::device::token::{TOKEN_VARIABLE, Token};

/// Does some work. If it panics, returns the messages of its panics, on any thread, the first one
/// first.
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // The hook is the process's: one at a time.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let said = Arc::new(Mutex::new(Vec::new()));
    let (before, hears) = (std::panic::take_hook(), Arc::clone(&said));
    std::panic::set_hook(Box::new(move |panic| {
        let line = panic.payload_as_str().and_then(|text| text.lines().next()).unwrap_or("a panic");
        hears.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }));
    let result = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(before);
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    result.map_err(|_| said.first().cloned().unwrap_or_else(|| "a panic".into()))
}

/// Computes one small sum and reads it back, to check that the device answers.
fn answers<B: Backend>(device: &B::Device, compute: Compute) -> Result<(), String> {
    if compute == Compute::Bf16 {
        // Once a process, before anything else is done there.
        let set = quietly(|| set_default_dtypes::<B>(device, DType::BF16, DType::I32))?;
        let kept = || DType::from(get_device_settings::<B>(device).float_dtype) == DType::BF16;
        set.or_else(|error| if kept() { Ok(()) } else { Err(error.to_string()) })?;
    }
    let sum =
        quietly(|| Tensor::<B, 1>::from_data([1.0, 2.0], device).add_scalar(1.0).into_data())?;
    let found: Vec<f32> = sum.iter().collect();
    if found == [2.0, 3.0] {
        Ok(())
    } else {
        Err(format!("1 + 1 and 2 + 1 came back as {found:?}"))
    }
}

/// A GPU that is present.
#[cfg(feature = "cuda")]
pub(crate) fn cuda(
    index: usize,
    compute: Compute,
) -> Result<burn::backend::cuda::CudaDevice, String> {
    // Panics where the driver's library cannot be loaded; the driver's own errors are returned.
    let counted = quietly(cudarc::driver::CudaContext::device_count).map_err(|_| {
        "no CUDA on this machine: the NVIDIA driver's library (libcuda) cannot be loaded".to_owned()
    })?;
    let count =
        counted.map_err(|error| format!("no CUDA on this machine: the driver says {error:?}"))?;
    let count = usize::try_from(count).unwrap_or(0);
    if index >= count {
        let there = match count {
            0 => "no CUDA device".to_owned(),
            1 => "one CUDA device, cuda:0".to_owned(),
            _ => format!("{count} CUDA devices, cuda:0 to cuda:{}", count - 1),
        };
        return Err(format!("there is no cuda:{index}: the driver reports {there}"));
    }
    let device = burn::backend::cuda::CudaDevice::new(index);
    answers::<burn::backend::Cuda>(&device, compute).map_err(|said| {
        format!(
            "cuda:{index} exists but does not compute ({said}). Kernels are compiled when first used: are NVRTC \
             and CUDA's headers installed, and does CUDA_PATH point to them?"
        )
    })?;
    Ok(device)
}

/// A server that listens, knows the token, has room and speaks burn's protocol.
#[cfg(feature = "remote")]
pub(crate) fn remote(
    address: &Address,
    compute: Compute,
) -> Result<burn::backend::remote::RemoteDevice, String> {
    use std::net::{TcpStream, ToSocketAddrs as _};
    use std::time::Duration;

    use tungstenite::http::StatusCode;
    use tungstenite::{Error, HandshakeError};

    const PATIENCE: Duration = Duration::from_secs(5);
    let nobody = |why: String| {
        format!("nobody answers at {address} ({why}); is `bias serve` running there?")
    };
    let stranger =
        |said: String| format!("{address} answers, but not as `bias serve` does ({said})");
    let token = address.token.clone().map_or_else(Token::from_environment, |own| Ok(Some(own)))?;
    let token = token.ok_or_else(|| {
        format!(
            "{address} asks for a token: put it into {TOKEN_VARIABLE}, or write the address as \
             `bias serve` says it when it starts"
        )
    })?;
    let places: Vec<_> =
        address.place.to_socket_addrs().map_err(|error| nobody(error.to_string()))?.collect();
    let mut refused = "no such host".to_owned();
    let mut connected = places.iter().filter_map(|place| {
        TcpStream::connect_timeout(place, PATIENCE)
            .map_err(|error| refused = error.to_string())
            .ok()
    });
    let Some(stream) = connected.next() else { return Err(nobody(refused)) };
    stream.set_read_timeout(Some(PATIENCE)).map_err(|error| stranger(error.to_string()))?;
    let known = format!("{address}/{}", token.reveal());
    let said = |error: HandshakeError<_>| match error {
        HandshakeError::Failure(Error::Http(response)) => match response.status() {
            StatusCode::UNAUTHORIZED => {
                format!("{address} knows another token; `bias serve` says its own when it starts")
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                format!(
                    "{address} has no room for one more client; wait, or see `bias serve --clients`"
                )
            }
            status => stranger(status.to_string()),
        },
        other => stranger(other.to_string()),
    };
    let (mut socket, _) = tungstenite::client(format!("{known}/room"), stream).map_err(said)?;
    let _ = socket.close(None);
    let device = burn::backend::remote::RemoteDevice::new(&known);
    // On a thread of its own: burn waits without end for a server that says nothing.
    let (says, hears) = std::sync::mpsc::channel();
    let own = device.clone();
    std::thread::Builder::new()
        .spawn(move || says.send(answers::<burn::backend::RemoteBackend>(&own, compute)))
        .map_err(|error| format!("the system has no thread to reach {address} with ({error})"))?;
    let silent = format!("no answer in {} s", PATIENCE.as_secs());
    hears.recv_timeout(PATIENCE).unwrap_or(Err(silent)).map_err(stranger)?;
    Ok(device)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_first_panic_is_told_and_nothing_else_is() {
        assert_eq!(quietly(|| 3), Ok(3));
        let fails = || {
            let below = std::thread::spawn(|| panic!("the cause\nand its details")).join();
            below.unwrap()
        };
        assert_eq!(quietly::<()>(fails), Err("the cause".into()));
    }

    #[test]
    fn the_processor_answers() {
        answers::<burn::backend::Flex>(&Default::default(), Compute::F32).unwrap();
    }

    #[cfg(feature = "remote")]
    #[test]
    fn nobody_and_strangers_are_told_apart_from_servers() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("ws://{}/0123456789abcdef", listener.local_addr().unwrap());
        let address: Address = address.parse().unwrap();
        let stranger = std::thread::spawn(move || {
            for stream in listener.incoming().take(1) {
                std::io::Write::write_all(&mut stream.unwrap(), b"HTTP/1.1 404 Not Found\r\n\r\n")
                    .unwrap();
            }
        });
        let error = remote(&address, Compute::F32).unwrap_err();
        assert!(error.contains("not as `bias serve`"), "{error}");
        stranger.join().unwrap();
        let error = remote(&address, Compute::F32).unwrap_err();
        assert!(error.contains("nobody answers"), "{error}");
        let error = remote(&Address { token: None, ..address }, Compute::F32).unwrap_err();
        assert!(error.contains("asks for a token") && error.contains(TOKEN_VARIABLE), "{error}");
    }
}
