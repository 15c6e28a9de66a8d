//! `bias serve` lends a device; in a build with the feature `remote`, as that of the whole
//! workspace is.
#![cfg(feature = "remote")]

use crate::bias;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::bias::run;
use bias_cli::device::name::{Compute, Device};
use bias_cli::device::place::{DeviceArgs, OpenDevice};
use burn::backend::RemoteBackend;
use burn::backend::remote::RemoteDevice;
use burn::tensor::Tensor;
use tungstenite::Message;
use tungstenite::stream::MaybeTlsStream;

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
    assert!(
        help.contains("Serve a device of this machine") && help.contains("no password"),
        "{help}"
    );
}

/// A server of the processor, its address, and the device it is for others.
fn serve() -> (Running, String, RemoteDevice) {
    let serve = Command::new(bias::file())
        .args(["serve", "--listen", "127.0.0.1:0", "--device", "cpu"])
        .stdout(Stdio::piped())
        .spawn();
    let mut serve = Running(serve.unwrap());
    let mut said = String::new();
    BufReader::new(serve.0.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let address = said.trim().strip_prefix("serving cpu at ").unwrap().to_owned();
    let name = Device::Remote(address.clone());
    let OpenDevice::Remote(device) = (DeviceArgs { name, compute: Compute::F32 }).place().unwrap()
    else {
        panic!("{said}")
    };
    (serve, address, device)
}

#[test]
fn serve_serves() {
    let (_serve, address, device) = serve();
    let sum =
        Tensor::<RemoteBackend, 1>::from_data([1.0, 2.0], &device).add_scalar(1.0).into_data();
    assert_eq!(sum.to_vec::<f32>().unwrap(), [2.0, 3.0]);
    // Two cannot listen at one address.
    let folder = tempfile::tempdir().unwrap();
    let taken = address.trim_start_matches("ws://");
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
    let host = address.strip_prefix("ws://").unwrap();
    drop(TcpStream::connect(host).unwrap());
    for said in ["no HTTP\r\n\r\n", "GET /request HTTP/1.1\r\nHost: here\r\n"] {
        TcpStream::connect(host).unwrap().write_all(said.as_bytes()).unwrap();
    }
    for path in ["request", "response", "elsewhere"] {
        let connect = || tungstenite::connect(format!("{address}/{path}")).unwrap().0;
        drop(connect());
        connect().send(Message::binary(vec![0xc1; 9])).unwrap();
        // A session is begun, and left.
        let init = BTreeMap::from([("Init", (7u64,))]);
        connect().send(Message::binary(rmp_serde::to_vec(&init).unwrap())).unwrap();
    }
}

#[test]
fn clients_that_leave_do_not_end_the_server() {
    let (_serve, address, device) = serve();
    for _ in 0..3 {
        leave(&address);
    }
    let sum =
        Tensor::<RemoteBackend, 1>::from_data([1.0, 2.0], &device).add_scalar(1.0).into_data();
    assert_eq!(sum.to_vec::<f32>().unwrap(), [2.0, 3.0]);
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
    let sum =
        Tensor::<RemoteBackend, 1>::from_data([1.0, 2.0], &device).add_scalar(1.0).into_data();
    assert_eq!(sum.to_vec::<f32>().unwrap(), [2.0, 3.0]);
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
