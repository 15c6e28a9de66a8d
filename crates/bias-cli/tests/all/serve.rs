//! `bias serve` lends a device; in a build with the feature `remote`, as that of the whole
//! workspace is.
#![cfg(feature = "remote")]

use crate::bias;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::panic::catch_unwind;
use std::process::{Child, Command, Stdio};

use crate::bias::run;
use bias_cli::device::name::{Compute, Device};
use bias_cli::device::place::{DeviceArgs, OpenDevice};
use burn::backend::RemoteBackend;
use burn::backend::remote::RemoteDevice;
use burn::tensor::{Tensor, TensorData};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn serve_says_what_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let help = run("serve", folder.path(), "--help").done();
    for said in ["Serve a device of this machine", "no encryption", "BIAS_SERVE_TOKEN", "ssh -L"] {
        assert!(help.contains(said), "no `{said}` in\n{help}");
    }
}

/// A server of the processor, its address with its token, and the device it is for others.
fn serve() -> (Running, String, RemoteDevice) {
    let (running, address) = serve_with(&[]);
    let device = device(&address).unwrap();
    (running, address, device)
}

fn serve_with(args: &[&str]) -> (Running, String) {
    let serve = Command::new(bias::file())
        .args(["serve", "--listen", "127.0.0.1:0", "--device", "cpu"])
        .args(args)
        .stdout(Stdio::piped())
        .spawn();
    let mut serve = Running(serve.unwrap());
    let mut said = String::new();
    BufReader::new(serve.0.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let address = said.trim().strip_prefix("serving cpu at ").unwrap().to_owned();
    (serve, address)
}

fn device(address: &str) -> Result<RemoteDevice, String> {
    let name = Device::Remote(address.parse().unwrap());
    match (DeviceArgs { name, compute: Compute::F32 }).place() {
        Ok(OpenDevice::Remote(device)) => Ok(device),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

/// `HOST:PORT` of an address.
fn host(address: &str) -> &str {
    address.strip_prefix("ws://").unwrap().split_once('/').unwrap().0
}

fn computes(device: &RemoteDevice) {
    let sum = Tensor::<RemoteBackend, 1>::from_data([1.0, 2.0], device).add_scalar(1.0).into_data();
    assert_eq!(sum.to_vec::<f32>().unwrap(), [2.0, 3.0]);
}

#[test]
fn who_does_not_know_the_token_computes_nothing() {
    let (_serve, address, known) = serve();
    let token = address.rsplit_once('/').unwrap().1;
    assert!(token.len() == 32 && token.bytes().all(|own| own.is_ascii_hexdigit()), "{address}");
    let place = format!("ws://{}", host(&address));
    let error = device(&place).unwrap_err();
    assert!(error.contains("asks for a token") && error.contains("BIAS_SERVE_TOKEN"), "{error}");
    let error = device(&format!("{place}/{}", "0".repeat(32))).unwrap_err();
    assert!(error.contains("knows another token"), "{error}");
    let wrong = ["/request", "/response", "/", "", "//request", "/%2e/request"];
    let longer = [format!("/{token}"), format!("/{token}0/request"), format!("/{token}/else")];
    for path in wrong.map(str::to_owned).iter().chain(&longer) {
        let refused = tungstenite::connect(format!("{place}{path}"));
        assert!(
            matches!(&refused, Err(tungstenite::Error::Http(own)) if own.status() == 401),
            "{path}: {refused:?}"
        );
    }
    computes(&known);
    // A token of one's own.
    let serve = |token: &str| {
        let mut serve = Command::new(bias::file());
        serve.args(["serve", "--listen", "127.0.0.1:0"]).env("BIAS_SERVE_TOKEN", token);
        serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut own = Running(serve("my-own-token-of-1"));
    let mut said = String::new();
    BufReader::new(own.0.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.trim().ends_with("/my-own-token-of-1"), "{said}");
    let refused = serve("short").wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("16 to 128"), "{said}");
}

/// A connection that begins a session in burn's protocol.
fn begin(address: &str, route: &str, session: u64) -> WebSocket<MaybeTlsStream<TcpStream>> {
    let (mut client, _) = tungstenite::connect(format!("{address}/{route}")).unwrap();
    let init = BTreeMap::from([("Init", (session,))]);
    client.send(Message::binary(rmp_serde::to_vec(&init).unwrap())).unwrap();
    client
}

#[test]
fn clients_get_what_there_is_and_no_more() {
    let (_serve, address) = serve_with(&["--clients", "1", "--memory", "0.001", "--idle", "1"]);
    let own = device(&address).unwrap();
    computes(&own);
    // The only place is taken.
    let error = device(&address).unwrap_err();
    assert!(
        error.contains("no room for one more client") && error.contains("--clients"),
        "{error}"
    );
    let refused = tungstenite::connect(format!("{address}/request"));
    assert!(matches!(&refused, Err(tungstenite::Error::Http(own)) if own.status() == 503));
    // More connections than there are places for, none of which says a word.
    let silent: Vec<_> = (0..60).filter_map(|_| TcpStream::connect(host(&address)).ok()).collect();
    computes(&own);
    drop(silent);
    // A tensor that fits has room, and one that does not has none.
    let ones = TensorData::new(vec![1.0f32; 100_000], [100_000]);
    let sum = Tensor::<RemoteBackend, 1>::from_data(ones, &own).sum().into_data();
    assert_eq!(sum.to_vec::<f32>().unwrap(), [100_000.0]);
    let failed = catch_unwind(|| {
        let ones = TensorData::new(vec![1.0f32; 1_000_000], [1_000_000]);
        Tensor::<RemoteBackend, 1>::from_data(ones, &own).into_data()
    });
    assert!(failed.is_err());
}

#[test]
fn a_tensor_that_is_made_has_no_more_room_than_one_that_is_sent() {
    let (_serve, address) = serve_with(&["--memory", "0.001"]);
    let own = device(&address).unwrap();
    let failed = catch_unwind(|| {
        let wide = Tensor::<RemoteBackend, 2>::ones([2000, 1], &own);
        wide.repeat_dim(1, 2000).into_data()
    });
    assert!(failed.is_err());
}

#[test]
fn a_server_goes_on_after_a_tensor_that_no_memory_has() {
    let (_serve, address, own) = serve();
    let failed =
        catch_unwind(|| Tensor::<RemoteBackend, 2>::ones([1 << 30, 1 << 20], &own).into_data());
    assert!(failed.is_err());
    // A client of its own: burn has one for each spelling of an address.
    computes(&device(&address.replace("127.0.0.1", "localhost")).unwrap());
}

#[test]
fn serve_serves() {
    let (_serve, address, device) = serve();
    computes(&device);
    // Two cannot listen at one address.
    let folder = tempfile::tempdir().unwrap();
    let taken = host(&address);
    run("serve", folder.path(), &format!("--listen {taken}")).refused(taken, &["cannot listen"]);
}

/// Nobody has to read where it listens.
#[test]
fn serve_goes_on_behind_a_closed_pipe() {
    let serve = Command::new(bias::file())
        .args(["serve", "--listen", "127.0.0.1:0", "--device", "cpu"])
        .stdout(Stdio::piped())
        .spawn();
    let mut serve = Running(serve.unwrap());
    drop(serve.0.stdout.take());
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(serve.0.try_wait().unwrap().is_none());
}

/// Clients that leave in the middle of something, each in another way.
fn leave(address: &str) {
    let host = host(address);
    drop(TcpStream::connect(host).unwrap());
    for said in ["no HTTP\r\n\r\n", "GET /request HTTP/1.1\r\nHost: here\r\n"] {
        TcpStream::connect(host).unwrap().write_all(said.as_bytes()).unwrap();
    }
    for path in ["request", "response"] {
        let connect = || tungstenite::connect(format!("{address}/{path}")).unwrap().0;
        drop(connect());
        connect().send(Message::binary(vec![0xc1; 9])).unwrap();
        // A session is begun, and left.
        drop(begin(address, path, 7));
    }
}

#[test]
fn clients_that_leave_do_not_end_the_server() {
    let (_serve, address) = serve_with(&["--clients", "40"]);
    for _ in 0..3 {
        leave(&address);
    }
    // Nobody takes over a session that another one computes for.
    let [_first, mut second] = [(); 2].map(|()| {
        let own = begin(&address, "request", 9);
        std::thread::sleep(std::time::Duration::from_millis(100));
        own
    });
    assert!(!second.read().is_ok_and(|own| own.is_binary()));
    computes(&device(&address).unwrap());
}

/// Room is made for a message when its length is named. One that no memory has would end the server
/// and everybody's work with it.
#[test]
fn a_length_that_no_memory_has_ends_one_connection() {
    let (_serve, address, device) = serve();
    for length in [u64::MAX, 1 << 62, 1 << 45] {
        let (mut client, _) = tungstenite::connect(format!("{address}/request")).unwrap();
        let MaybeTlsStream::Plain(stream) = client.get_mut() else { panic!("{address}") };
        // A binary message that is masked with zeros.
        let head = [&[0x82, 0xff], &length.to_be_bytes()[..], &[0; 4]].concat();
        stream.write_all(&head).unwrap();
        assert!(!client.read().is_ok_and(|own| own.is_binary()), "{length}");
    }
    computes(&device);
}

#[test]
fn wrong_arguments_are_named() {
    let folder = tempfile::tempdir().unwrap();
    run("serve", folder.path(), "--listen nowhere").refused("nowhere", &["cannot listen"]);
    run("serve", folder.path(), "--device gpu").refused("--device", &["this build knows cpu"]);
    let address = "remote:ws://127.0.0.1:1";
    run("serve", folder.path(), &format!("--device {address}"))
        .refused("--device", &["cpu and cuda can"]);
    run("serve", folder.path(), "--guess").refused("--guess", &["--help"]);
}
