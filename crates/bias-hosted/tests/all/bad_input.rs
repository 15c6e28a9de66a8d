//! Addresses at which nobody answers, or nobody who can be trusted.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;

use bias_hosted::{Address, Protocol, Setup};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::faults::ask;

fn at(address: &str) -> Setup {
    Setup::new(Address::parse(address).unwrap(), Protocol::Openai, "fake")
}

#[test]
fn nobody_at_an_address_is_said_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let started = std::time::Instant::now();
    let error = ask(at(&format!("http://{free}"))).unwrap_err();
    assert!(error.contains("nobody answers at") && error.contains("check the address"), "{error}");
    let error = ask(at("http://no-such-host.invalid/v1")).unwrap_err();
    assert!(error.contains("nobody answers at"), "{error}");
    assert!(started.elapsed().as_secs() < 30);
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn a_certificate_that_does_not_verify_is_refused() {
    let own = |text: &[u8]| PrivateKeyDer::from_pem_slice(text).unwrap();
    let key = own(include_bytes!("self_signed.key.pem"));
    let certificate = CertificateDer::from_pem_slice(include_bytes!("self_signed.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut tls = rustls::ServerConnection::new(config.clone()).unwrap();
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
        }
    });
    let error = ask(at(&format!("https://localhost:{port}"))).unwrap_err();
    assert!(error.contains("no trusted connection"), "{error}");
    assert!(error.contains("nothing was sent"), "{error}");
}

#[test]
fn a_server_without_tls_is_not_trusted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"));
        }
    });
    let error = ask(at(&format!("https://localhost:{port}"))).unwrap_err();
    assert!(error.contains("no trusted connection"), "{error}");
    assert_eq!(error.lines().count(), 1);
}
