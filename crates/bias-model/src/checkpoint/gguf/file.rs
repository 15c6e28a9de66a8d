use std::collections::{BTreeMap, HashMap};
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anamnesis::{GgufMetadataValue, GgufTensorInfo, GgufType, parse_gguf_front_matter_from_reader};

use crate::checkpoint::blocks::Block;
use crate::checkpoint::mapped::Mapped;
use crate::checkpoint::view::{Kind, Other, Twist, View};
use crate::error::ModelError;
use crate::stand_in;

/// A GGUF file: mapped, with its header read and checked. Its tensors are within the file, aligned
/// and disjoint, and their names differ.
#[derive(Debug)]
pub(crate) struct Gguf {
    pub(super) metadata: HashMap<String, GgufMetadataValue>,
    tensors: BTreeMap<String, GgufTensorInfo>,
    mapped: Mapped,
}

/// The most bytes of metadata and tensor list. A vocabulary of 262,144 tokens takes 8 MiB.
const LONGEST_HEADER: usize = 64 << 20;

/// The most bytes of a tensor's name; llama.cpp allows 63.
const LONGEST_NAME: usize = 128;

impl Gguf {
    pub(crate) fn open(path: &Path) -> Result<Self, ModelError> {
        let mapped = Mapped::open(path.into())?;
        stand_in::refuse(path, &mapped.map)?;
        let failed = |reason: String| ModelError::Gguf { path: path.into(), reason };
        let header = Header { bytes: Cursor::new(&mapped.map), left: LONGEST_HEADER };
        let front =
            parse_gguf_front_matter_from_reader(header).map_err(|e| failed(e.to_string()))?;
        // The reader keeps the last of several.
        let keys =
            mapped.map.get(16..24).and_then(|n| n.try_into().ok()).map_or(0, u64::from_le_bytes);
        if front.metadata.len() as u64 != keys {
            let reason = format!("of {keys} metadata keys only {} differ", front.metadata.len());
            return Err(failed(reason));
        }
        let mut tensors = BTreeMap::new();
        for info in front.tensor_infos {
            if info.name.len() > LONGEST_NAME || info.name.chars().any(char::is_control) {
                let name: String = info.name.escape_debug().take(LONGEST_NAME).collect();
                return Err(failed(format!("`{name}` is no name of a tensor")));
            }
            let odd = |expected: String, found: String| {
                Err(ModelError::GgufTensor {
                    path: path.into(),
                    tensor: info.name.clone(),
                    expected,
                    found,
                })
            };
            if let Some(block) = Block::of(info.dtype) {
                let row = info.shape.first().copied().unwrap_or_default();
                if !row.is_multiple_of(block.values()) {
                    return odd(
                        format!("rows of whole {block} blocks of {}", block.values()),
                        row.to_string(),
                    );
                }
            }
            if tensors.contains_key(&info.name) {
                return odd("one tensor of this name".into(), "two".into());
            }
            tensors.insert(info.name.clone(), info);
        }
        Ok(Self { metadata: front.metadata, tensors, mapped })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.mapped.path
    }

    pub(crate) fn has(&self, tensor: &str) -> bool {
        self.tensors.contains_key(tensor)
    }

    /// The names of all tensors.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor as stored, by its name in the file.
    pub(in crate::checkpoint) fn view(&self, tensor: &str, twist: Twist) -> Option<View<'_>> {
        let info = self.tensors.get(tensor)?;
        let start = usize::try_from(info.data_offset).ok()?;
        let len = usize::try_from(info.byte_len?).ok()?;
        let data = self.mapped.map.get(start..start.checked_add(len)?)?;
        let kind = match info.dtype {
            GgufType::F32 => Kind::F32,
            GgufType::F16 => Kind::F16,
            GgufType::BF16 => Kind::BF16,
            other => Block::of(other).map_or(Kind::Other(Other::Gguf(other)), Kind::Blocks),
        };
        // GGUF says how long a row is first.
        let shape = info.shape.iter().rev().copied().collect();
        Some(View { twist, ..View::new(data, shape, kind) })
    }

    /// The mapped file.
    pub(crate) fn mapped(&self) -> &Mapped {
        &self.mapped
    }

    pub(super) fn damaged(&self, reason: impl Into<String>) -> ModelError {
        ModelError::Gguf { path: PathBuf::from(self.path()), reason: reason.into() }
    }
}

/// The beginning of a file, with a limit on the bytes that may be read.
struct Header<'a> {
    bytes: Cursor<&'a memmap2::Mmap>,
    left: usize,
}

impl Read for Header<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(format!(
                "the header is longer than {LONGEST_HEADER} bytes"
            )));
        }
        let most = buffer.len().min(self.left);
        let read = self.bytes.read(&mut buffer[..most])?;
        self.left -= read;
        Ok(read)
    }
}

impl Seek for Header<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}
