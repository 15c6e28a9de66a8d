use std::io::{self, Read as _};
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::open::open_file;

/// Bytes as text, with two lower-case hexadecimal digits each. Hashes are written this way.
///
/// ```
/// assert_eq!(bias_files::hex(&[0, 10, 255]), "000aff");
/// ```
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// SHA-256 of a file as text. The file is read in pieces.
///
/// # Errors
/// A file that cannot be read, or that [`open_file`] refuses.
pub fn sha256_of_file(path: &Path) -> io::Result<String> {
    const PIECE: usize = 1 << 20;
    let (mut file, mut hash, mut piece) = (open_file(path)?, Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(read) => hash.update(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
