use std::time::Duration;

use sysinfo::{MemoryRefreshKind, System};

/// How much a server lends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Clients that compute at the same time.
    pub clients: usize,
    /// Bytes that the tensors of all clients may take together.
    pub memory: u64,
    /// The most bytes of a message. A tensor is one message. Room is made for it when a client names
    /// its length, and a length that no memory has would end the program.
    pub message: usize,
    /// How long a client may do nothing before its session ends.
    pub idle: Duration,
}

impl Default for Limits {
    /// Four clients, half of this machine's memory for their tensors and as much for a message, an
    /// hour.
    fn default() -> Self {
        let memory = half_of_memory();
        let message = usize::try_from(memory).unwrap_or(usize::MAX / 2);
        Self { clients: 4, memory, message, idle: Duration::from_secs(3600) }
    }
}

/// Half of the memory of this machine, or of its container: a tensor is there twice, as a message
/// and as itself.
fn half_of_memory() -> u64 {
    /// Where the system does not say.
    const UNKNOWN: u64 = 8 << 30;
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let all = system.total_memory();
    let all = system.cgroup_limits().map_or(all, |own| own.total_memory.min(all));
    if all > 0 { all / 2 } else { UNKNOWN }
}
