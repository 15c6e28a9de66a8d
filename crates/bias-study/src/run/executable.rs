use std::path::PathBuf;
use std::sync::OnceLock;

use bias_files::sha256_of_file;

/// SHA-256 of the running executable; `None` if the system does not say which file it is.
pub(crate) fn executable() -> Option<String> {
    // Tens of megabytes: hashed once.
    static KNOWN: OnceLock<Option<String>> = OnceLock::new();
    KNOWN.get_or_init(|| sha256_of_file(&file()?).ok()).clone()
}

/// The file of the executable. Linux keeps it open even after it was replaced.
fn file() -> Option<PathBuf> {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() { Some(own) } else { std::env::current_exe().ok() }
}
