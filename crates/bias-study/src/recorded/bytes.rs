use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

/// The bytes of a file, from its beginning.
pub(super) type Bytes = BufReader<Hashed>;

/// A hash that grows as the file is read.
pub(super) type Hash = Rc<RefCell<Sha256>>;

/// A file whose bytes are hashed as they are read.
pub(super) struct Hashed {
    file: File,
    hash: Hash,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hash.borrow_mut().update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// The bytes of a file, and their hash.
pub(super) fn hashed(file: File) -> (Bytes, Hash) {
    let hash = Hash::default();
    let hashed = Hashed { file, hash: hash.clone() };
    (BufReader::with_capacity(1 << 16, hashed), hash)
}
