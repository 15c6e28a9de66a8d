use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bias_files::hex;
use burn::tensor::TensorData;
use rayon::iter::ParallelIterator as _;
use rayon::slice::ParallelSlice as _;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::adapter::files::Adapter;
use super::file_bytes::FileBytes;
use super::gguf;
use super::gguf::file::Gguf;
use super::located::{Located, Span};
use super::mapped::Mapped;
use super::other_forms::refuse;
use super::quantized::groups::{self, Found};
use super::quantized::method::{KEY, Method};
use super::quantized::settings;
use super::unreadable::Unreadable;
use super::view::View;
use crate::error::ModelError;
use crate::index::{INDEX, SINGLE, shards};
use crate::json::read_json;
use crate::on_disk;
use crate::stand_in;

/// The mapped weights of a model: a folder's `model.safetensors`, the shards in its
/// `model.safetensors.index.json`, or a GGUF file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Checkpoint(Arc<Files>);

#[derive(Debug)]
struct Files {
    folder: PathBuf,
    shards: Vec<Shard>,
    /// How matrices are quantized, if several tensors make one.
    method: Option<Method>,
    /// It is merged while tensors are read.
    adapter: Option<Adapter>,
    fingerprint: OnceLock<String>,
    /// Buffers of matrices that are no longer in use. Writing to fresh memory is much slower.
    spare: Mutex<Vec<Vec<f32>>>,
}

#[derive(Debug)]
enum Shard {
    Safetensors(Mapped),
    Gguf(Box<Gguf>),
}

impl Shard {
    fn file(&self) -> &Mapped {
        match self {
            Self::Safetensors(file) => file,
            Self::Gguf(gguf) => gguf.mapped(),
        }
    }

    /// Every tensor by its name in a Hugging Face checkpoint.
    fn tensors(&self) -> Result<Vec<(String, View<'_>)>, ModelError> {
        match self {
            Self::Safetensors(file) => Ok(parse(file)?.tensors().into_iter().map(plain).collect()),
            Self::Gguf(gguf) => gguf.tensors(),
        }
    }
}

fn plain<'a>((name, tensor): (String, TensorView<'a>)) -> (String, View<'a>) {
    (name, View::new(tensor.data(), tensor.shape().to_vec(), tensor.dtype().into()))
}

/// The number of spare buffers to keep: one for each matrix of a block.
const SPARE: usize = 7;

impl Checkpoint {
    /// Maps the weights of a folder, or a GGUF file. Nothing is copied yet. Of a folder with a LoRA
    /// adapter, those of its base too: the adapter is merged while they are read.
    ///
    /// # Errors
    /// Missing, truncated or damaged files, and an index that names a file outside the folder; an
    /// adapter that is not merged here.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        Self::accepting(path, &[])
    }

    /// The same. With `adapter_config.json` among the keys, an adapter beside a model is ignored.
    /// Others are settings of the adapter to ignore although their effect is unknown.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn accepting(path: &Path, keys: &[String]) -> Result<Self, ModelError> {
        if gguf::is_file(path)? {
            let shards = vec![Shard::Gguf(Box::new(Gguf::open(path)?))];
            return Ok(Self::of(path, shards, None, None));
        }
        let adapter = Adapter::of_folder(path, keys)?;
        let folder = adapter.as_ref().map_or(path, |adapter| &adapter.base);
        refuse(folder)?;
        let index = folder.join(INDEX);
        let single = on_disk::exists(&folder.join(SINGLE))?;
        let files: BTreeSet<PathBuf> = if !single && on_disk::exists(&index)? {
            shards(&index)?.into_iter().map(|file| folder.join(file)).collect()
        } else {
            [folder.join(SINGLE)].into()
        };
        let method = method(folder)?;
        let mut shards = Vec::with_capacity(files.len());
        for path in files {
            let shard = Mapped::open(path)?;
            parse(&shard)?;
            shards.push(Shard::Safetensors(shard));
        }
        Ok(Self::of(path, shards, method, adapter))
    }

    fn of(
        path: &Path,
        shards: Vec<Shard>,
        method: Option<Method>,
        adapter: Option<Adapter>,
    ) -> Self {
        let (folder, fingerprint, spare) = (path.into(), OnceLock::new(), Mutex::default());
        Self(Arc::new(Files { folder, shards, method, adapter, fingerprint, spare }))
    }

    /// The folder, or the GGUF file.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// The weight files, in name order; that of an adapter last.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.mapped().map(|file| file.path.as_path())
    }

    fn mapped(&self) -> impl Iterator<Item = &Mapped> {
        let adapter = self.0.adapter.iter().map(|adapter| &adapter.file);
        self.0.shards.iter().map(Shard::file).chain(adapter)
    }

    /// The adapter that is merged, if any: its folder's model, and its file.
    pub(crate) fn adapter(&self) -> Option<&Adapter> {
        self.0.adapter.as_ref()
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.mapped().map(|file| (file.path.as_path(), &file.map[..]))
    }

    /// The GGUF file, if it is one.
    pub(crate) fn gguf(&self) -> Option<&Gguf> {
        self.0.shards.iter().find_map(|shard| match shard {
            Shard::Gguf(gguf) => Some(&**gguf),
            Shard::Safetensors(_) => None,
        })
    }

    /// The identity of the model in masks and results: SHA-256 over each file's length and the
    /// SHA-256 of each 16 MiB of it, files in name order, and the scales of an adapter. Hashing in pieces uses all cores. The
    /// first call reads all files whole.
    ///
    /// # Errors
    /// [`ModelError::Changed`] when a file changed between its opening and the end of the first
    /// successful call; [`ModelError::Read`].
    pub fn fingerprint(&self) -> Result<&str, ModelError> {
        if let Some(known) = self.0.fingerprint.get() {
            return Ok(known);
        }
        let hash = self.hash()?;
        Ok(self.0.fingerprint.get_or_init(|| hash))
    }

    fn hash(&self) -> Result<String, ModelError> {
        const PIECE: usize = 16 << 20;
        self.check_files()?;
        let mut hash = Sha256::new();
        for Mapped { map, .. } in self.mapped() {
            hash.update((map.len() as u64).to_le_bytes());
            let pieces: Vec<_> = map.par_chunks(PIECE).map(Sha256::digest).collect();
            pieces.iter().for_each(|piece| hash.update(piece));
        }
        if let Some(adapter) = &self.0.adapter {
            adapter.hash(&mut hash)?;
        }
        self.check_files()?;
        Ok(hex(&hash.finalize()))
    }

    /// Every tensor's name and shape.
    pub(crate) fn shapes(&self) -> Result<Vec<(String, Vec<usize>)>, ModelError> {
        let all = self.found()?.into_iter();
        Ok(all.map(|(name, (_, view))| (name, view.shape)).collect())
    }

    /// Whether the files hold other tensors than the model has: quantized ones, or an adapter's.
    pub(crate) fn is_packed(&self) -> bool {
        self.0.method.is_some() || self.0.adapter.is_some()
    }

    /// Every tensor by its name, with the path of its file. Quantized matrices are one, and an
    /// adapter is merged.
    pub(crate) fn all(
        &self,
    ) -> Result<impl Iterator<Item = (String, &Path, View<'_>)>, ModelError> {
        let all = self.found()?.into_iter();
        Ok(all.map(|(name, (i, view))| (name, self.file(i).path.as_path(), view)))
    }

    /// How matrices are quantized, if several tensors make one.
    pub(crate) fn method(&self) -> Option<Method> {
        self.0.method
    }

    /// Refuses files that have changed since they were opened.
    pub(crate) fn check_files(&self) -> Result<(), ModelError> {
        self.mapped().try_for_each(Mapped::check)
    }

    /// Every tensor by its name, quantized matrices as one.
    pub(super) fn found(&self) -> Result<Found<'_>, ModelError> {
        let mut found = Found::new();
        for (i, shard) in self.0.shards.iter().enumerate() {
            for (name, view) in shard.tensors()? {
                if let Some((first, _)) = found.get(&name) {
                    let (first, second) =
                        (self.file(*first).path.clone(), shard.file().path.clone());
                    return Err(ModelError::DuplicateTensor { tensor: name, first, second });
                }
                found.insert(name, (i, view));
            }
        }
        if let Some(method) = self.0.method {
            groups::gather(method, &mut found, &|shard| self.file(shard).path.clone())?;
        }
        if let Some(adapter) = &self.0.adapter {
            adapter.apply(&mut found, self.0.shards.len())?;
        }
        Ok(found)
    }

    /// A file by its number. That of an adapter follows the shards.
    pub(super) fn file(&self, shard: usize) -> &Mapped {
        match &self.0.adapter {
            Some(adapter) if shard == self.0.shards.len() => &adapter.file,
            _ => self.0.shards[shard].file(),
        }
    }

    /// A tensor that was located, if its file has not changed.
    pub(crate) fn view(&self, at: &Located) -> Result<View<'_>, ModelError> {
        self.check(at)?;
        let piece = |at: &Span| {
            let data = &self.file(at.shard).map[at.start..at.start + at.len];
            FileBytes { file: at.shard, data }
        };
        Ok(View {
            twist: at.twist,
            beside: at.beside.map(piece),
            ..View::new(piece(&at.main).data, at.shape.to_vec(), at.kind)
        })
    }

    /// Refuses a tensor whose files have changed.
    fn check(&self, at: &Located) -> Result<(), ModelError> {
        let shards: BTreeSet<usize> = at.spans().map(|span| span.shard).collect();
        shards.into_iter().try_for_each(|shard| self.file(shard).check())
    }

    /// Passes on the values that were read of a tensor, unless the file changed meanwhile or the
    /// values cannot be used.
    pub(crate) fn read(
        &self,
        at: &Located,
        values: Result<TensorData, Unreadable>,
    ) -> Result<TensorData, ModelError> {
        self.check(at)?;
        values.map_err(|error| error.of(&self.file(at.main.shard).path, &at.name))
    }

    /// A buffer for this number of values, with undefined content.
    pub(crate) fn buffer(&self, len: usize) -> Vec<f32> {
        let mut spare = self.0.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |own: &Vec<f32>| (len..=2 * len).contains(&own.capacity());
        // The smallest: the larger may be asked for next.
        let fitting = spare.iter().enumerate().filter(|(_, own)| fits(own));
        let smallest = fitting.min_by_key(|(_, own)| own.capacity()).map(|(at, _)| at);
        smallest.map_or_else(Vec::new, |at| spare.swap_remove(at))
    }

    /// Returns a buffer for reuse.
    pub(crate) fn give_back(&self, buffer: Vec<f32>) {
        let mut spare = self.0.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.push(buffer);
        }
    }

    /// Lets go of all buffers that are kept for reuse.
    pub(crate) fn let_go(&self) {
        self.0.spare.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Asks the system to read a tensor ahead.
    pub(crate) fn ahead(&self, at: &Located) {
        at.spans().for_each(|span| self.file(span.shard).ahead(span.start, span.len));
    }
}

/// What the `config.json` of a folder says of how its weights are quantized. Whether that is read at
/// all is for [`ModelConfig`] to say.
fn method(folder: &Path) -> Result<Option<Method>, ModelError> {
    let path = folder.join("config.json");
    if !on_disk::is_file(&path)? {
        return Ok(None);
    }
    let config: Map<String, Value> = read_json(&path)?;
    Ok(config.get(KEY).and_then(|value| settings::method(value).ok()))
}

fn parse(shard: &Mapped) -> Result<SafeTensors<'_>, ModelError> {
    SafeTensors::deserialize(&shard.map).or_else(|source| {
        stand_in::refuse(&shard.path, &shard.map)?;
        Err(ModelError::Weights { path: shard.path.clone(), source: source.into() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_buffers_kept_the_smallest_that_fits_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4])
            .unwrap();
        let file = safetensors::serialize([("norm", view)], None).unwrap();
        std::fs::write(folder.path().join(SINGLE), file).unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        for len in [120, 100, 300] {
            checkpoint.give_back(Vec::with_capacity(len));
        }
        // A block's matrices, one a little larger than the others, in whatever order they were let
        // go of.
        assert_eq!(
            [100, 110, 90, 300].map(|len| checkpoint.buffer(len).capacity()),
            [100, 120, 0, 300]
        );
    }
}
