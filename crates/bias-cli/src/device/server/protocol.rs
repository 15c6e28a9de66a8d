//! What burn-remote 0.21.0 sends. It keeps these types to itself, so they are written down again.

use burn::backend::ir::{OperationIr, TensorId, TensorIr};
use burn::tensor::backend::{DTypeUsageSet, ExecutionError};
use burn::tensor::{DType, StreamId, TensorData};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
pub(super) enum Task {
    Compute(ComputeTask, ConnectionId),
    Init(SessionId),
    Close(#[allow(dead_code)] SessionId),
}

#[derive(Deserialize)]
pub(super) struct SessionId {
    pub(super) id: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct ConnectionId {
    position: u64,
    stream_id: StreamId,
}

#[derive(Deserialize)]
pub(super) enum ComputeTask {
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
pub(super) struct TaskResponse {
    pub(super) content: Answer,
    pub(super) id: ConnectionId,
}

#[derive(Serialize)]
#[serde(rename = "TaskResponseContent")]
pub(super) enum Answer {
    ReadTensor(Result<TensorData, ExecutionError>),
    SyncBackend(Result<(), ExecutionError>),
    DTypeUsage(DTypeUsageSet),
}
