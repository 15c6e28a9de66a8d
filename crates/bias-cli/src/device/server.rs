//! Lends a device of this machine to programs on others, in the protocol of burn 0.21's remote
//! backend.
//!
//! burn has a server of its own, which this code does not use. That server listens on every address
//! of a machine and keeps the tensors of all clients under the same numbers (they all count from
//! 0), until it ends. It keeps the order of operations only within each of a client's threads. Here
//! every client has its own tensors, which are dropped when it leaves, and its operations run in
//! the order in which they arrive.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bias_files::note;
use burn::backend::ir::{BackendIr, OperationIr, TensorId, TensorIr};
use burn::backend::router::{Runner, RunnerClient as _};
use burn::tensor::backend::{DTypeUsageSet, ExecutionError};
use burn::tensor::{DType, StreamId, TensorData, read_sync};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sysinfo::{MemoryRefreshKind, System};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::StatusCode;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

use crate::failure::Failure;

// What burn-remote 0.21.0 sends: it keeps these types to itself, so they are written down again.

#[derive(Deserialize)]
enum Task {
    Compute(ComputeTask, ConnectionId),
    Init(SessionId),
    Close(#[allow(dead_code)] SessionId),
}

#[derive(Deserialize)]
struct SessionId {
    id: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct ConnectionId {
    position: u64,
    stream_id: StreamId,
}

#[derive(Deserialize)]
enum ComputeTask {
    Seed(u64),
    RegisterOperation(Box<OperationIr>),
    RegisterTensor(TensorId, TensorData),
    /// For messages between servers. A client that knows only one server never sends it.
    #[allow(dead_code)]
    RegisterTensorRemote(IgnoredAny, IgnoredAny),
    #[allow(dead_code)]
    ExposeTensorRemote {
        tensor: IgnoredAny,
        count: IgnoredAny,
        transfer_id: IgnoredAny,
    },
    ReadTensor(TensorIr),
    SyncBackend,
    DTypeUsage(DType),
}

#[derive(Serialize)]
struct TaskResponse {
    content: Answer,
    id: ConnectionId,
}

#[derive(Serialize)]
#[serde(rename = "TaskResponseContent")]
enum Answer {
    ReadTensor(Result<TensorData, ExecutionError>),
    SyncBackend(Result<(), ExecutionError>),
    DTypeUsage(DTypeUsageSet),
}

/// Answers from the connection that computes to the one that waits for them.
struct Answers {
    sender: Sender<Vec<u8>>,
    receiver: Option<Receiver<Vec<u8>>>,
    /// Whether a client computes for this session.
    claimed: bool,
}

type Sessions = Arc<Mutex<HashMap<u64, Answers>>>;

/// Waits for clients at one address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    /// The most bytes of a message.
    largest: usize,
}

impl Server {
    /// Listens at `HOST:PORT`. Port 0 means any free port.
    ///
    /// # Errors
    /// An address of another machine, or one that is in use.
    pub fn bind(address: &str) -> Result<Self, Failure> {
        let listener = TcpListener::bind(address)
            .map_err(|error| format!("cannot listen at {address}: {error}"))?;
        Ok(Self { listener, largest: half_of_memory() })
    }

    /// The same for messages of at most this many bytes; by default half of this machine's memory. A
    /// tensor is one message. Room is made for it when a client names its length, and a length that
    /// no memory has would end the program.
    #[must_use]
    pub fn largest_message(self, bytes: usize) -> Self {
        Self { largest: bytes, ..self }
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves a device to every client, each on threads of its own, until the program ends. No
    /// client and no error ends it.
    pub fn run<B: BackendIr>(&self, device: &B::Device) {
        let sessions = Sessions::default();
        begin_each(self.listener.incoming(), PAUSE, |stream| {
            let (sessions, device, most) = (Arc::clone(&sessions), device.clone(), self.largest);
            let begun = std::thread::Builder::new()
                .spawn(move || connection::<B>(stream, most, &sessions, &device));
            begun.map(drop)
        });
    }
}

/// Half of the memory of this machine, or of its container: a tensor is there twice, as a message
/// and as itself.
fn half_of_memory() -> usize {
    /// Where the system does not say.
    const UNKNOWN: u64 = 8 << 30;
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let all = system.total_memory();
    let all = system.cgroup_limits().map_or(all, |own| own.total_memory.min(all));
    usize::try_from(if all > 0 { all / 2 } else { UNKNOWN }).unwrap_or(usize::MAX / 2)
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

/// The time that a client may take for each part of its handshake.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// The time to wait for answers before checking whether any client still computes.
const PATIENCE: Duration = Duration::from_secs(10);

fn connection<B: BackendIr>(
    stream: TcpStream,
    most: usize,
    sessions: &Sessions,
    device: &B::Device,
) {
    let peer = stream.peer_addr().map_or_else(|_| "a client".into(), |peer| peer.to_string());
    let Some((mut socket, path)) = accept(stream, most) else { return };
    let Some(Task::Init(SessionId { id })) = receive(&mut socket) else { return };
    let sessions = || sessions.lock().unwrap_or_else(PoisonError::into_inner);
    match path.as_str() {
        "/request" => {
            let sender = {
                let mut sessions = sessions();
                let own = sessions.entry(id).or_insert_with(Answers::new);
                own.claimed = true;
                own.sender.clone()
            };
            note!("{peer} computes here");
            // The session ends as well where a device fails so badly that it panics.
            let _ = catch_unwind(AssertUnwindSafe(|| compute::<B>(&mut socket, &sender, device)));
            sessions().remove(&id);
            note!("{peer} has left");
        }
        "/response" => {
            let receiver = sessions().entry(id).or_insert_with(Answers::new).receiver.take();
            let Some(receiver) = receiver else { return };
            loop {
                match receiver.recv_timeout(PATIENCE) {
                    Ok(answer) => {
                        if socket.send(Message::binary(answer)).is_err() {
                            break;
                        }
                    }
                    Err(RecvTimeoutError::Timeout)
                        if sessions().get(&id).is_some_and(|own| own.claimed) => {}
                    // Nobody computes for it, or not any more.
                    Err(RecvTimeoutError::Timeout) => {
                        sessions().remove(&id);
                        break;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            let _ = socket.close(None);
        }
        _ => {}
    }
}

impl Answers {
    fn new() -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver: Some(receiver), claimed: false }
    }
}

/// Does the handshake, and returns the path of the request.
#[allow(clippy::result_large_err)] // tungstenite's own type
fn accept(stream: TcpStream, most: usize) -> Option<(WebSocket<TcpStream>, String)> {
    stream.set_nodelay(true).ok()?;
    // Whoever connects and says nothing does not keep a thread.
    stream.set_read_timeout(Some(HANDSHAKE)).ok()?;
    let mut path = String::new();
    let look = |request: &Request, response: Response| {
        request.uri().path().clone_into(&mut path);
        // Browsers say where a page is from, and would let any page connect to this machine.
        if request.headers().contains_key("origin") {
            let mut refusal = ErrorResponse::new(Some("not for browsers".into()));
            *refusal.status_mut() = StatusCode::FORBIDDEN;
            return Err(refusal);
        }
        Ok(response)
    };
    let most = Some(most);
    let sizes = WebSocketConfig::default().max_message_size(most).max_frame_size(most);
    let socket = tungstenite::accept_hdr_with_config(stream, look, Some(sizes)).ok()?;
    socket.get_ref().set_read_timeout(None).ok()?;
    Some((socket, path))
}

/// The next task. `None` if the client has left or does not speak the protocol.
fn receive(socket: &mut WebSocket<TcpStream>) -> Option<Task> {
    loop {
        match socket.read().ok()? {
            Message::Binary(bytes) => return rmp_serde::from_slice(&bytes).ok(),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

/// Runs a client's tasks in order, until it leaves. Its tensors are dropped then.
///
/// After an operation that failed, all later readings return its error, because their values are
/// unknown.
fn compute<B: BackendIr>(
    socket: &mut WebSocket<TcpStream>,
    answers: &Sender<Vec<u8>>,
    device: &B::Device,
) {
    let runner = Runner::<B>::new(device.clone());
    let mut failed: Option<String> = None;
    while let Some(Task::Compute(task, id)) = receive(socket) {
        let done = match &failed {
            None => trying(|| act(&runner, &task)),
            Some(reason) => Err(reason.clone()),
        };
        let content = match done {
            Ok(answer) => answer,
            Err(reason) => {
                failed = Some(reason.clone());
                let error = ExecutionError::WithContext { reason };
                match task {
                    ComputeTask::ReadTensor(_) => Some(Answer::ReadTensor(Err(error))),
                    ComputeTask::SyncBackend => Some(Answer::SyncBackend(Err(error))),
                    ComputeTask::DTypeUsage(_) => Some(Answer::DTypeUsage(DTypeUsageSet::empty())),
                    _ => None,
                }
            }
        };
        let Some(content) = content else { continue };
        let Ok(bytes) = rmp_serde::to_vec(&TaskResponse { content, id }) else { return };
        if answers.send(bytes).is_err() {
            return;
        }
    }
}

fn trying<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Err(format!("an operation failed on the server: {text}"))
    })
}

fn act<B: BackendIr>(runner: &Runner<B>, task: &ComputeTask) -> Result<Option<Answer>, String> {
    match task {
        ComputeTask::Seed(seed) => runner.seed(*seed),
        ComputeTask::RegisterOperation(operation) => runner.register_op((**operation).clone()),
        ComputeTask::RegisterTensor(id, data) => runner.register_tensor_data_id(*id, data.clone()),
        ComputeTask::RegisterTensorRemote(..) | ComputeTask::ExposeTensorRemote { .. } => {
            return Err("this server does not pass tensors on to others".into());
        }
        ComputeTask::ReadTensor(tensor) => {
            return Ok(Some(Answer::ReadTensor(read_sync(
                runner.read_tensor_async(tensor.clone()),
            ))));
        }
        ComputeTask::SyncBackend => return Ok(Some(Answer::SyncBackend(runner.sync()))),
        ComputeTask::DTypeUsage(dtype) => {
            return Ok(Some(Answer::DTypeUsage(runner.dtype_usage(*dtype))));
        }
    }
    Ok(None)
}

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
