use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use thiserror::Error;

/// Why a file is not read. It is the inner error of the [`io::Error`] that the functions of this
/// crate return; [`Refused::of`] finds it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// A folder, a pipe, a socket or a device.
    #[error("it is {found}; name a file")]
    NotAFile {
        /// What it is.
        found: &'static str,
    },
    /// A file that is larger than any file of its kind.
    #[error("it has {found} bytes or more, and a file of its kind has at most {most}")]
    TooLarge {
        /// The bytes that are known of.
        found: u64,
        /// The most bytes that are read.
        most: u64,
    },
}

impl Refused {
    /// The refusal that an error of this crate holds, if it holds one.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        let kind = match refused {
            Refused::NotAFile { .. } => io::ErrorKind::InvalidInput,
            Refused::TooLarge { .. } => io::ErrorKind::FileTooLarge,
        };
        Self::new(kind, refused)
    }
}

/// Opens an ordinary file for reading, also behind a link. A pipe, which would wait for a writer, a
/// socket, a device or a folder is refused and not opened.
///
/// # Errors
/// [`Refused::NotAFile`]; a file that cannot be opened.
pub fn open_file(path: &Path) -> io::Result<File> {
    ordinary(path.metadata())?;
    opened(path, OpenOptions::new().read(true))
}

/// Opens an ordinary file in other ways than for reading, as [`open_file`] does. A file that is not
/// there is created if the options say so.
///
/// # Errors
/// As [`open_file`].
pub fn open_file_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match ordinary(path.metadata()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        looked => looked?,
    }
    opened(path, options)
}

/// Opens a file that a person names: an ordinary one, or what a shell hands over
/// (`/dev/stdin`, `/dev/fd/3` of `<(command)`), which is open already and ends with its writer.
///
/// # Errors
/// As [`open_file`].
pub fn open_input(path: &Path) -> io::Result<File> {
    if is_handed_over(path) { File::open(path) } else { open_file(path) }
}

/// Reads an ordinary file of at most `most` bytes. A larger one is refused before memory is taken.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("answers.json");
/// use bias_files::{Refused, read_file};
///
/// std::fs::write(&path, "[1, 2]")?;
/// assert_eq!(read_file(&path, 100)?, b"[1, 2]");
/// let refused = read_file(&path, 5).unwrap_err();
/// assert_eq!(Refused::of(&refused), Some(Refused::TooLarge { found: 6, most: 5 }));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`open_file`]; [`Refused::TooLarge`]; a file that cannot be read.
pub fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read(open_file(path)?, most)
}

/// Reads at most `most` bytes of a file that a person names, as [`open_input`] opens it.
///
/// # Errors
/// As [`open_input`] and [`read_file`].
pub fn read_input(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read(open_input(path)?, most)
}

fn read(file: File, most: u64) -> io::Result<Vec<u8>> {
    let too_large = |found| io::Error::from(Refused::TooLarge { found, most });
    let found = file.metadata()?.len();
    if found > most {
        return Err(too_large(found));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found).unwrap_or(0));
    // It may grow meanwhile, and pipes have no size.
    let found = file.take(most.saturating_add(1)).read_to_end(&mut bytes)? as u64;
    if found > most { Err(too_large(found)) } else { Ok(bytes) }
}

/// Opens what was looked at, and looks again: it may have been replaced in between.
fn opened(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // A pipe is opened at once instead of waiting. Of ordinary files this says nothing.
        options.custom_flags(libc::O_NONBLOCK);
    }
    let file = options.open(path)?;
    ordinary(file.metadata())?;
    Ok(file)
}

fn ordinary(found: io::Result<Metadata>) -> io::Result<()> {
    let kind = found?.file_type();
    if kind.is_file() { Ok(()) } else { Err(Refused::NotAFile { found: named(kind) }.into()) }
}

fn named(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a pipe";
        } else if kind.is_socket() {
            return "a socket";
        }
    }
    if kind.is_dir() { "a folder" } else { "a device" }
}

/// Whether a path names a descriptor that the program was started with.
fn is_handed_over(path: &Path) -> bool {
    cfg!(unix)
        && (path == Path::new("/dev/stdin")
            || ["/dev/fd", "/proc/self/fd"]
                .iter()
                .any(|folder| path.parent() == Some(folder.as_ref())))
}
