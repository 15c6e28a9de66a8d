use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The first characters of the name of a file or folder that is still being written.
pub const UNFINISHED: &str = ".unfinished-";

/// Writes a file whole or not at all.
///
/// # Errors
/// As [`write_with`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Fills a temporary file in the same folder, then renames it to `path`. File and folder are
/// synced, so that after a crash the file has either its old or its new content. Its mode is the
/// one that the umask gives any new file.
///
/// # Errors
/// A folder that is missing or cannot be written to, a full disk, or an error of `fill`. The file
/// then keeps its content. A device or a pipe, as [`check_target`] says.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    check_target(path)?;
    let folder = folder_of(path);
    let mut file = temporary(0o666).tempfile_in(folder)?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    sync_folder(folder)
}

/// Refuses a path that is there and is no file: a device or a pipe such as `/dev/null` would be
/// replaced by the file that is renamed into its place.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for a device, a pipe or a socket, also behind a link.
pub fn check_target(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() && !found.is_dir() => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a device or a pipe, which the finished file would replace; name a file",
        )),
        // What is not there can be written; what cannot be looked at fails when it is.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Fills a temporary folder beside `target`, then renames it. All files in it are synced first.
/// Missing parent folders are created.
///
/// `failed` makes the caller's error from a path and an I/O error. The caller checks whether
/// `target` exists.
///
/// # Errors
/// Errors of `fill`, or a folder that cannot be written to. Then nothing is left behind.
pub fn write_folder<E>(
    target: &Path,
    failed: impl Fn(PathBuf, io::Error) -> E,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let parent = folder_of(target);
    let in_parent = |error| failed(parent.into(), error);
    create_folder(parent).map_err(in_parent)?;
    let folder = temporary(0o777).tempdir_in(parent).map_err(in_parent)?;
    fill(folder.path())?;
    sync_files(folder.path()).map_err(|error| failed(target.into(), error))?;
    fs::rename(folder.path(), target).map_err(|error| failed(target.into(), error))?;
    // It is not there any more to be cleaned up.
    let _ = folder.keep();
    sync_folder(parent).map_err(in_parent)
}

/// Creates a folder with all that are above it, as [`fs::create_dir_all`] does, and syncs their names,
/// so that they are there after a crash. The name of a folder that exists already is synced too: a
/// run may have been killed before it did so.
///
/// # Errors
/// A folder that cannot be created, or a file in its place.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    let missing = |own: &&Path| !own.as_os_str().is_empty() && !own.is_dir();
    let missing: Vec<&Path> = folder.ancestors().take_while(missing).collect();
    if missing.is_empty() {
        return sync_folder(folder_of(folder));
    }
    fs::create_dir_all(folder)?;
    missing.into_iter().try_for_each(|own| sync_folder(folder_of(own)))
}

/// The folder that contains a file. For a bare name it is `.`.
///
/// ```
/// use std::path::Path;
///
/// assert_eq!(bias_files::folder_of(Path::new("masks/a.json")), Path::new("masks"));
/// assert_eq!(bias_files::folder_of(Path::new("a.json")), Path::new("."));
/// ```
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// By default only their owner may read temporary files, unless another mode is asked for; the
/// umask is taken off that mode.
fn temporary(mode: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

/// Syncs a folder, so that new names in it survive a crash, where the system supports this.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let opened = match File::open(folder) {
        // Files may be made there, and nobody may look.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        opened => opened?,
    };
    match opened.sync_all() {
        // Some network file systems have no such thing.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Syncs every file in a folder, and the folder.
fn sync_files(folder: &Path) -> io::Result<()> {
    // Elsewhere a file must be open for writing to be synced.
    if !cfg!(unix) {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_files(&entry.path())?;
        } else if kind.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(folder)
}
