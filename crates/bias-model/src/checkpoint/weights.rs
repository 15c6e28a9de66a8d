use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bias_files::hex;
use bias_mask::Mask;
use burn::tensor::TensorData;
use rayon::iter::ParallelIterator as _;
use rayon::slice::ParallelSlice as _;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::adapter::files::Adapter;
use super::config::ModelConfig;
use super::convert;
use super::file_bytes::FileBytes;
use super::gguf;
use super::gguf::file::Gguf;
use super::mapped::Mapped;
use super::other_forms::refuse;
use super::packed::scheme::Scheme;
use super::precision::Precision;
use super::quantized::groups::{self, Found};
use super::quantized::method::{KEY, Method};
use super::quantized::settings;
use super::tying::{self, Head};
use super::unreadable::Unreadable;
use super::view::{Beside, Kind, Twist, View};
use crate::arch::layout::Names;
use crate::arch::piece::{Piece, StoredRows};
use crate::error::ModelError;
use crate::error::load_report::LoadReport;
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

    /// Converts a mask to the layout of these files: fused and transposed as stored, with stored
    /// names and shapes. For tools that know the files and not this crate's layout.
    ///
    /// # Errors
    /// [`ModelError::Shape`], [`MaskError::NoSuchParam`](bias_mask::MaskError::NoSuchParam).
    pub fn stored_mask(&self, config: &ModelConfig, mask: &Mask) -> Result<Mask, ModelError> {
        let tensors = self.tensors()?;
        let names = config.names(|name| tensors.has(name));
        let layout = config.plan.layout;
        let has = |own: &str| tensors.has(&format!("{}{}", names.base, layout.in_block(0, own)));
        layout.stored_mask(&config.dims, names.base, &has, mask)
    }

    /// How the config's tying and the stored tensors go together.
    pub(crate) fn head(&self, config: &ModelConfig) -> Result<Head, ModelError> {
        let tensors = self.tensors()?;
        tensors.head(config, config.names(|name| tensors.has(name)))
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

    /// Begins to take tensors out of it by name.
    ///
    /// # Errors
    /// A damaged file.
    pub(crate) fn tensors(&self) -> Result<Tensors<'_>, ModelError> {
        Ok(Tensors { checkpoint: self, found: self.found()?, taken: Mutex::default() })
    }

    /// Every tensor by its name, quantized matrices as one.
    fn found(&self) -> Result<Found<'_>, ModelError> {
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
    fn file(&self, shard: usize) -> &Mapped {
        match &self.0.adapter {
            Some(adapter) if shard == self.0.shards.len() => &adapter.file,
            _ => self.0.shards[shard].file(),
        }
    }

    /// A tensor that was [located](Tensors::locate), if its file has not changed.
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

    /// Asks the system to read a tensor ahead.
    pub(crate) fn ahead(&self, at: &Located) {
        at.spans().for_each(|span| self.file(span.shard).ahead(span.start, span.len));
    }
}

/// The ending of the tensor that MXFP4 packs values in.
const BLOCKS: &str = "_blocks";

/// The place of a tensor in a checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    name: String,
    main: Span,
    kind: Kind,
    twist: Twist,
    beside: Beside<Span>,
    pub shape: [usize; 2],
}

/// The place of some bytes in a file.
#[derive(Debug, Clone, Copy)]
struct Span {
    shard: usize,
    start: usize,
    len: usize,
}

impl Located {
    fn spans(&self) -> impl Iterator<Item = &Span> {
        [&self.main].into_iter().chain(self.beside.iter())
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

/// Takes tensors out by name, from any number of threads. Mismatches are collected for one report.
pub(crate) struct Tensors<'a> {
    checkpoint: &'a Checkpoint,
    found: Found<'a>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    names: BTreeSet<String>,
    report: LoadReport,
}

impl Tensors<'_> {
    /// The bytes of all tensors with at least this many bytes per value.
    pub(crate) fn bytes(&self, least: usize) -> u64 {
        self.found.values().map(|(_, view)| view.held(least)).fold(0, u64::saturating_add)
    }

    /// Whether there is a tensor of this name, stored as it is or together with others.
    pub(crate) fn has(&self, name: &str) -> bool {
        let packed = |own: &str| self.found.get(own).map(|(_, view)| view.kind);
        self.found.contains_key(name)
            || name.strip_suffix(BLOCKS).and_then(packed) == Some(Kind::Packed(Scheme::Mxfp4))
    }

    /// A whole tensor, row-major. `None` if it is missing or does not fit; [`finish`](Self::finish)
    /// reports that.
    pub(crate) fn whole(
        &self,
        name: &str,
        shape: &[usize],
        precision: Precision,
    ) -> Result<Option<TensorData>, ModelError> {
        self.take(name, shape, |view| convert::whole(view, precision))
    }

    /// Some elements of a vector, as f32: a part of a fused bias.
    pub(crate) fn elements(
        &self,
        name: &str,
        (shape, place): (&[usize], &StoredRows),
        len: usize,
    ) -> Result<Option<TensorData>, ModelError> {
        self.take(name, shape, |view| convert::elements(view, place, len))
    }

    /// A part of a linear map as `[in, out]`, the fastest layout for products.
    pub(crate) fn matrix(
        &self,
        name: &str,
        piece: &Piece,
        precision: Precision,
    ) -> Result<Option<TensorData>, ModelError> {
        self.take(name, &piece.tensor_shape(), |view| {
            let (stacked, part) = piece.to_read();
            convert::turned(&view.of_stack(stacked), &part, precision)
        })
    }

    /// The type of a tensor that has a part of a linear map. `None` if it is missing or does not
    /// fit; [`finish`](Self::finish) reports that.
    pub(crate) fn fits(&self, name: &str, piece: &Piece) -> Option<Kind> {
        let (_, view) = self.fitting(name, &piece.tensor_shape())?;
        self.apart(name, view, piece.to_read().0)?;
        Some(view.kind)
    }

    /// How the config's tying and these tensors go together.
    pub(crate) fn head(&self, config: &ModelConfig, names: Names) -> Result<Head, ModelError> {
        Head::of(config, names, |name| self.has(name), |a, b| self.equal(a, b))
    }

    fn equal(&self, a: &str, b: &str) -> Result<bool, ModelError> {
        let both = (self.found.get(a), self.found.get(b));
        let (Some((file_a, view_a)), Some((file_b, view_b))) = both else { return Ok(false) };
        tying::equal(view_a, view_b).map_err(|(which, error)| {
            let (file, name) = [(*file_a, a), (*file_b, b)][which];
            error.of(&self.checkpoint.file(file).path, name)
        })
    }

    /// Drops tensors that some exporters write and that carry no information.
    pub(crate) fn ignore(&mut self, redundant: impl Fn(&str) -> bool) {
        self.found.retain(|name, _| !redundant(name));
    }

    /// Fails with everything that is missing, unused or mismatched.
    pub(crate) fn finish(self) -> Result<(), ModelError> {
        let Taken { names, mut report } =
            self.taken.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.unused = self.found.into_keys().filter(|name| !names.contains(name)).collect();
        if report.is_clean() {
            return Ok(());
        }
        report.missing.sort();
        report.mismatched.sort();
        // A part of a fused matrix is asked for several times.
        report.missing.dedup();
        report.mismatched.dedup();
        Err(ModelError::Mismatch {
            folder: self.checkpoint.0.folder.clone(),
            report: Box::new(report),
        })
    }

    /// The place of a matrix, to be read later.
    pub(crate) fn locate(&self, name: &str, shape: [usize; 2]) -> Option<Located> {
        self.located(name, self.fitting(name, &shape)?, None, shape)
    }

    /// Matrices that are stacked are taken apart, which what belongs beside them is not: such a tensor
    /// is recorded.
    fn apart(&self, name: &str, view: &View<'_>, stacked: Option<(usize, usize)>) -> Option<()> {
        if stacked.is_none() || view.beside.is_empty() {
            return Some(());
        }
        let found = format!("{} {:?} with other tensors beside it", view.kind, view.shape);
        let entry = (name.into(), "matrices that are stored by themselves".into(), found);
        self.note(|taken| taken.report.mismatched.push(entry));
        None
    }

    /// The place of a part of a linear map, to be read later.
    pub(crate) fn locate_piece(&self, name: &str, piece: &Piece) -> Option<Located> {
        let found = self.fitting(name, &piece.tensor_shape())?;
        let (stacked, part) = piece.to_read();
        self.apart(name, found.1, stacked)?;
        self.located(name, found, stacked, part.stored_shape())
    }

    fn located(
        &self,
        name: &str,
        (shard, view): (usize, &View<'_>),
        stacked: Option<(usize, usize)>,
        shape: [usize; 2],
    ) -> Option<Located> {
        let view = view.of_stack(stacked);
        let span = |shard: usize, data: &[u8]| {
            let start = data.as_ptr() as usize - self.checkpoint.file(shard).map.as_ptr() as usize;
            Span { shard, start, len: data.len() }
        };
        let (main, kind, twist) = (span(shard, view.data), view.kind, view.twist);
        let beside = view.beside.map(|bytes| span(bytes.file, bytes.data));
        Some(Located { name: name.into(), main, kind, twist, beside, shape })
    }

    /// A tensor of this shape and of a float type. Mismatches are recorded.
    fn fitting(&self, name: &str, shape: &[usize]) -> Option<(usize, &View<'_>)> {
        let Some((shard, view)) = self.found.get(name) else {
            self.note(|taken| taken.report.missing.push(name.into()));
            return None;
        };
        self.note(|taken| {
            taken.names.insert(name.into());
        });
        if !view.fits(shape) || !view.kind.is_read() {
            let found = format!("{} {:?}", view.kind, view.shape);
            let kinds =
                if self.checkpoint.gguf().is_some() { gguf::KINDS } else { "F32, BF16 or F16" };
            let entry = (name.into(), format!("{kinds} {shape:?}"), found);
            self.note(|taken| taken.report.mismatched.push(entry));
            return None;
        }
        Some((*shard, view))
    }

    fn take(
        &self,
        name: &str,
        shape: &[usize],
        read: impl FnOnce(&View<'_>) -> Result<TensorData, Unreadable>,
    ) -> Result<Option<TensorData>, ModelError> {
        let Some((shard, view)) = self.fitting(name, shape) else { return Ok(None) };
        let path = &self.checkpoint.file(shard).path;
        read(view).map(Some).map_err(|error| error.of(path, name))
    }

    fn note(&self, what: impl FnOnce(&mut Taken)) {
        what(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner));
    }
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
