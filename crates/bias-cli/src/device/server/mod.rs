//! Lends a device of this machine to programs on others, in the protocol of burn 0.21's remote
//! backend.
//!
//! burn has a server of its own, which this code does not use. That server listens on every address
//! of a machine and keeps the tensors of all clients under the same numbers (they all count from
//! 0), until it ends. It keeps the order of operations only within each of a client's threads. Here
//! every client knows a token and has its own tensors, which are dropped when it leaves, and its
//! operations run in the order in which they arrive.
//!
//! | file | what for |
//! |---|---|
//! | `protocol` | what burn's client sends |
//! | `lobby` | connections: how many, and what they ask for in their handshake |
//! | `session` | one client's operations, and their answers |
//! | `account` | the memory that clients take |
//! | `limits` | [`Limits`]: how much a server lends |

mod account;
mod limits;
mod lobby;
mod protocol;
mod session;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bias_files::note;
use burn::backend::ir::BackendIr;

use self::account::Pool;
pub use self::limits::Limits;
use self::lobby::Lobby;
use self::session::connection;
use crate::device::token::Token;
use crate::failure::Failure;

/// Waits for clients at one address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    token: Token,
    limits: Limits,
}

impl Server {
    /// Listens at `HOST:PORT` for clients that know the token. Port 0 means any free port.
    ///
    /// # Errors
    /// An address of another machine, or one that is in use.
    pub fn bind(address: &str, token: Token, limits: Limits) -> Result<Self, Failure> {
        let listener = TcpListener::bind(address)
            .map_err(|error| format!("cannot listen at {address}: {error}"))?;
        Ok(Self { listener, token, limits })
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves a device to every client, each on threads of its own, until the program ends. A client
    /// that leaves, breaks the protocol or exceeds a limit ends its own session. What an operation
    /// makes is counted as the client says it, so one that lies can fill the memory.
    pub fn run<B: BackendIr>(&self, device: &B::Device) {
        let lobby = Lobby::new(self.token.clone(), self.limits.clone());
        let pool = Pool::new(self.limits.memory);
        begin_each(self.listener.incoming(), PAUSE, |stream| {
            // One that is too many is closed.
            let Some(handshake) = lobby.handshake() else { return Ok(()) };
            let (lobby, pool, device) = (Arc::clone(&lobby), Arc::clone(&pool), device.clone());
            let begun = std::thread::Builder::new()
                .spawn(move || connection::<B>(stream, handshake, &lobby, pool, &device));
            begun.map(drop)
        });
    }
}

/// Begins the work for each connection.
///
/// A connection that broke before it was accepted concerns only its client. If the system refuses
/// to accept one or to start a thread, as when a process has too many open files, the next attempt
/// would fail at once as well. So the server reports it once, and waits for a moment before each
/// new attempt.
fn begin_each<T>(
    connections: impl Iterator<Item = io::Result<T>>,
    pause: Duration,
    mut begin: impl FnMut(T) -> io::Result<()>,
) {
    let mut refused = false;
    for connection in connections {
        match connection.and_then(&mut begin) {
            Ok(()) => refused = false,
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                if !refused {
                    note!("cannot take a connection: {error}; still listening");
                }
                refused = true;
                std::thread::sleep(pause);
            }
        }
    }
}

/// Whether the error concerns only one connection.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// The time between two attempts to take a connection, after the system refused one.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn no_error_ends_the_server_or_makes_it_spin() {
        // Too many open files, as Linux says it.
        let refused = || Err(io::Error::from_raw_os_error(24));
        let broken = Err(io::ErrorKind::ConnectionAborted.into());
        let connections = [Ok(1), refused(), refused(), broken, Ok(2), refused(), Ok(3)];
        let (pause, started, mut begun) = (Duration::from_millis(40), Instant::now(), Vec::new());
        begin_each(connections.into_iter(), pause, |connection| {
            begun.push(connection);
            // No thread for the second.
            if connection == 2 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        assert_eq!(begun, [1, 2, 3]);
        assert!(started.elapsed() >= 4 * pause, "{:?}", started.elapsed());
    }
}
