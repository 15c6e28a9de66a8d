//! What anybody on the network may say to `bias serve`.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use bias_cli::device::server::{Limits, Server};
use burn::backend::Flex;

/// What its clients know.
const TOKEN: &str = "0123456789abcdef";

/// A server in this process, on a thread of its own.
fn server() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let limits = Limits { clients: 50, memory: 1 << 20, message: 1 << 20, ..Limits::default() };
        let server = Server::bind("127.0.0.1:0", TOKEN.parse().unwrap(), limits).unwrap();
        let address = server.address().unwrap();
        std::thread::spawn(move || server.run::<Flex>(&Default::default()));
        address
    })
}

/// Says these bytes to the server, and hears it out. Messages wait for the handshake's answer, as
/// clients do: without it they would be junk.
pub(crate) fn bytes(bytes: &[u8]) -> bool {
    let end = bytes.windows(4).position(|own| own == b"\r\n\r\n");
    let (head, messages) = bytes.split_at(end.map_or(bytes.len(), |at| at + 4));
    let mut stream = TcpStream::connect(server()).unwrap();
    // An answer, or the line closed, however busy the machine.
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // It may leave before all is said.
    let mut said = stream.write_all(head);
    if messages.is_empty() {
        said = said.and_then(|()| stream.shutdown(Shutdown::Write));
    }
    let mut status = [0; b"HTTP/1.1 101".len()];
    let answered = stream.read_exact(&mut status).is_ok();
    said = said.and_then(|()| stream.write_all(messages));
    said = said.and_then(|()| stream.shutdown(Shutdown::Write));
    // More need not come.
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    drop((said, stream.read_to_end(&mut Vec::new())));
    answered && &status == b"HTTP/1.1 101"
}

const UPGRADE: &str = "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A handshake, and messages behind it, masked with zeros.
pub(crate) fn conversations() -> Vec<Vec<u8>> {
    let hello = |path: &str| format!("GET /{TOKEN}{path} HTTP/1.1\r\n{UPGRADE}").into_bytes();
    let message = |own: &[u8]| [&[0x82, 0x80 | own.len() as u8, 0, 0, 0, 0], own].concat();
    // `Task::Init(SessionId { id: 7 })` and `Task::Compute(ComputeTask::SyncBackend, …)`.
    let init = message(b"\x81\xa4Init\x91\x07");
    let sync = message(b"\x81\xa7Compute\x92\xabSyncBackend\x92\x00\x91\x00");
    vec![
        [hello("/request"), init.clone(), sync].concat(),
        [hello("/response"), init].concat(),
        hello("/else"),
    ]
}
