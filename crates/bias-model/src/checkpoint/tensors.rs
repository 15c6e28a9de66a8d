use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use bias_mask::Mask;
use burn::tensor::TensorData;

use super::config::ModelConfig;
use super::convert;
use super::gguf;
use super::located::{Located, Span};
use super::packed::scheme::Scheme;
use super::precision::Precision;
use super::quantized::groups::Found;
use super::tying::{self, Head};
use super::unreadable::Unreadable;
use super::view::{Kind, View};
use super::weights::Checkpoint;
use crate::arch::layout::Names;
use crate::arch::piece::{Piece, StoredRows};
use crate::error::ModelError;
use crate::error::load_report::LoadReport;

/// The ending of the tensor that MXFP4 packs values in.
const BLOCKS: &str = "_blocks";

impl Checkpoint {
    /// Begins to take tensors out of it by name.
    ///
    /// # Errors
    /// A damaged file.
    pub(crate) fn tensors(&self) -> Result<Tensors<'_>, ModelError> {
        Ok(Tensors { checkpoint: self, found: self.found()?, taken: Mutex::default() })
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
            folder: self.checkpoint.folder().into(),
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
