/// What a file holds in the place of what it is named for, and the step that helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandIn {
    /// What it holds.
    pub found: &'static str,
    /// The step that helps.
    pub advice: &'static str,
}

/// Tells from a file's first bytes whether it stands in for another file: a pointer of Git LFS, or
/// a web page.
///
/// ```
/// let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
/// assert!(bias_files::stand_in(pointer).unwrap().advice.contains("git lfs pull"));
/// assert_eq!(bias_files::stand_in(b"scenario,variation"), None);
/// ```
#[must_use]
pub fn stand_in(bytes: &[u8]) -> Option<StandIn> {
    let page = bytes.get(..64).unwrap_or(bytes).to_ascii_lowercase();
    let page = page.trim_ascii_start();
    if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        Some(StandIn {
            found: "a pointer of Git LFS instead of the file",
            advice: "fetch the file with `git lfs pull` in its folder, or download it again",
        })
    } else if page.starts_with(b"<!doctype html") || page.starts_with(b"<html") {
        Some(StandIn {
            found: "a web page instead of the file, as a download without permission leaves",
            advice: "download the file again, with a token where the model asks for one",
        })
    } else {
        None
    }
}
