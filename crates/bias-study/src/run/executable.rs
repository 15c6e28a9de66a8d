use std::path::PathBuf;
use std::sync::OnceLock;

use bias_files::sha256_of_file;

/// SHA-256 of the running executable; `None` where the system does not tell which it is.
pub(crate) fn executable() -> Option<String> {
    // Tens of megabytes: hashed once.
    static KNOWN: OnceLock<Option<String>> = OnceLock::new();
    KNOWN.get_or_init(|| sha256_of_file(&file()?).ok()).clone()
}

/// Its file. Linux keeps it open even if it was replaced since.
fn file() -> Option<PathBuf> {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() { Some(own) } else { std::env::current_exe().ok() }
}
