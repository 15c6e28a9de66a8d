use sysinfo::{MemoryRefreshKind, System};

/// Bytes of memory that can still be had, no more than a container may have at all; `None`
/// where the system does not say.
pub(crate) fn free() -> Option<u64> {
    if !sysinfo::IS_SUPPORTED_SYSTEM {
        return None;
    }
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let limits = system.cgroup_limits().map(|limits| limits.total_memory);
    let free = system.available_memory();
    Some(limits.map_or(free, |limit| limit.min(free)))
}
