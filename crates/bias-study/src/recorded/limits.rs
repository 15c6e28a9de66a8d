use thiserror::Error;

/// The most bytes of a row of a file of answers.
pub(super) const MAX_ROW: u64 = 4 << 20;

/// The most bytes of such a file.
pub(super) const MAX_FILE: u64 = 8 << 30;

/// A file, or a row of it, that is not read to its end.
#[derive(Debug, Clone, Copy, Error)]
pub(super) enum TooLong {
    #[error(
        "a row is longer than {} MiB, or a text between quotes does not end; cut the answer, or close the quotes", most >> 20
    )]
    Row { most: u64 },
    #[error("the file is larger than {} GiB; split it", most >> 30)]
    File { most: u64 },
}
