use sysinfo::{MemoryRefreshKind, System};

/// The bytes of memory that are still free, within the limit of a container; `None` if the system
/// does not say.
#[must_use]
pub fn free_memory() -> Option<u64> {
    if !sysinfo::IS_SUPPORTED_SYSTEM {
        return None;
    }
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    // Not what it calls free: files that the system has cached count as used there.
    let limits =
        system.cgroup_limits().map(|limits| limits.total_memory.saturating_sub(limits.rss));
    let free = system.available_memory();
    Some(limits.map_or(free, |limit| limit.min(free)))
}
