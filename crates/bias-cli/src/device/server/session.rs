use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use bias_files::note;
use burn::backend::ir::BackendIr;
use burn::backend::router::{Runner, RunnerClient as _};
use burn::tensor::backend::{DTypeUsageSet, ExecutionError};
use burn::tensor::read_sync;
use tungstenite::{Message, WebSocket};

use super::account::{Account, Pool};
use super::lobby::{Lobby, Place, Purpose, Timed, sizes};
use super::protocol::{Answer, ComputeTask, SessionId, Task, TaskResponse};

/// The time to wait for answers before checking whether any client still computes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The time that an answer may wait for its client to read those before it.
const UNREAD: Duration = Duration::from_secs(60);

/// Does what a connection asks for, until it ends.
pub(super) fn connection<B: BackendIr>(
    stream: TcpStream,
    handshake: Place,
    lobby: &Lobby,
    pool: Arc<Pool>,
    device: &B::Device,
) {
    let peer = stream.peer_addr().map_or_else(|_| "a client".into(), |peer| peer.to_string());
    // The place is given back when the connection ends.
    let Some((mut socket, purpose, _place)) = lobby.accept(stream) else { return };
    drop(handshake);
    if purpose == Purpose::Look {
        let _ = socket.close(None);
        return;
    }
    let Some(Task::Init(SessionId { id })) = receive(&mut socket) else { return };
    match purpose {
        Purpose::Compute => {
            let Some(answers) = lobby.claim(id) else { return };
            socket.set_config(|own| *own = sizes(lobby.limits.message));
            if socket.get_mut().patient(Some(lobby.limits.idle)).is_ok() {
                note!("{peer} computes here");
                let account = Account::new(pool);
                // The session ends as well where a device fails so badly that it panics.
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    compute::<B>(&mut socket, &answers, account, device);
                }));
                note!("{peer} has left");
            }
            lobby.forget(id);
        }
        Purpose::Hear => {
            let Some(receiver) = lobby.hear(id) else { return };
            tell(&mut socket, &receiver, || lobby.is_claimed(id));
            // Nobody computes for it, or not any more.
            if !lobby.is_claimed(id) {
                lobby.forget(id);
            }
            let _ = socket.close(None);
        }
        Purpose::Look => {}
    }
}

/// Sends answers as they come, as long as somebody computes.
fn tell(socket: &mut WebSocket<Timed>, answers: &Receiver<Vec<u8>>, claimed: impl Fn() -> bool) {
    loop {
        match answers.recv_timeout(PATIENCE) {
            Ok(answer) => {
                if socket.send(Message::binary(answer)).is_err() {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) if claimed() => {}
            Err(_) => return,
        }
    }
}

/// The next task. `None` if the client has left, is silent or does not speak the protocol.
fn receive(socket: &mut WebSocket<Timed>) -> Option<Task> {
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
/// unknown. The tensors are dropped at once.
fn compute<B: BackendIr>(
    socket: &mut WebSocket<Timed>,
    answers: &SyncSender<Vec<u8>>,
    account: Account,
    device: &B::Device,
) {
    let mut state = Ok((Runner::<B>::new(device.clone()), account));
    while let Some(Task::Compute(task, id)) = receive(socket) {
        let wanted = Wanted::of(&task);
        let done = match &mut state {
            Ok((runner, account)) => trying(|| act(runner, account, task)),
            Err(reason) => Err(String::clone(reason)),
        };
        let content = match done {
            Ok(answer) => answer,
            Err(reason) => {
                let answer = wanted.failed(&reason);
                state = Err(reason);
                answer
            }
        };
        let Some(content) = content else { continue };
        let Ok(bytes) = rmp_serde::to_vec(&TaskResponse { content, id }) else { return };
        if !put(answers, bytes) {
            return;
        }
    }
}

/// What a task wants to hear.
enum Wanted {
    Nothing,
    Tensor,
    Done,
    Types,
}

impl Wanted {
    fn of(task: &ComputeTask) -> Self {
        match task {
            ComputeTask::ReadTensor(_) => Self::Tensor,
            ComputeTask::SyncBackend => Self::Done,
            ComputeTask::DTypeUsage(_) => Self::Types,
            _ => Self::Nothing,
        }
    }

    /// What it hears where an operation has failed.
    fn failed(self, reason: &str) -> Option<Answer> {
        let error = ExecutionError::WithContext { reason: reason.to_owned() };
        match self {
            Self::Nothing => None,
            Self::Tensor => Some(Answer::ReadTensor(Err(error))),
            Self::Done => Some(Answer::SyncBackend(Err(error))),
            Self::Types => Some(Answer::DTypeUsage(DTypeUsageSet::empty())),
        }
    }
}

/// Hands an answer on. False if nobody reads the answers.
fn put(answers: &SyncSender<Vec<u8>>, mut answer: Vec<u8>) -> bool {
    let begun = Instant::now();
    loop {
        match answers.try_send(answer) {
            Ok(()) => return true,
            Err(TrySendError::Full(own)) if begun.elapsed() < UNREAD => answer = own,
            Err(_) => return false,
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn trying<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Err(format!("an operation failed on the server: {text}"))
    })
}

fn act<B: BackendIr>(
    runner: &Runner<B>,
    account: &mut Account,
    task: ComputeTask,
) -> Result<Option<Answer>, String> {
    match task {
        ComputeTask::Seed(seed) => runner.seed(seed),
        ComputeTask::RegisterOperation(operation) => {
            account.begin(&operation)?;
            runner.register_op((*operation).clone());
            account.end(&operation);
        }
        ComputeTask::RegisterTensor(id, data) => {
            account.take(id, data.bytes.len() as u64)?;
            runner.register_tensor_data_id(id, data);
        }
        ComputeTask::RegisterTensorRemote(..) | ComputeTask::ExposeTensorRemote { .. } => {
            return Err("this server does not pass tensors on to others".into());
        }
        ComputeTask::ReadTensor(tensor) => {
            let read = read_sync(runner.read_tensor_async(tensor.clone()));
            account.read(&tensor);
            return Ok(Some(Answer::ReadTensor(read)));
        }
        ComputeTask::SyncBackend => return Ok(Some(Answer::SyncBackend(runner.sync()))),
        ComputeTask::DTypeUsage(dtype) => {
            return Ok(Some(Answer::DTypeUsage(runner.dtype_usage(dtype))));
        }
    }
    Ok(None)
}
