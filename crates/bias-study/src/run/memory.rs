/// The most memory this process ever held.
pub(crate) fn peak_memory() -> Option<u64> {
    process_memory("VmHWM")
}

/// An amount of memory of this process in bytes, by the name that Linux gives it in
/// `/proc/self/status`, such as `RssAnon`. `None` on other systems, and for other names.
#[must_use]
pub fn process_memory(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
