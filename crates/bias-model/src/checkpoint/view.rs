use std::fmt;

use safetensors::tensor::Dtype;

use super::blocks::{Block, Blocks};
use super::file_bytes::FileBytes;
use super::low_rank::LowRank;
use super::packed::float::Float;
use super::packed::scheme::Scheme;
use super::plain::Plain;
use super::rows::Rows;
use super::unreadable::Unreadable;

/// A tensor as stored in a file: its bytes, and how to read them.
#[derive(Debug, Clone)]
pub(crate) struct View<'a> {
    pub data: &'a [u8],
    pub shape: Vec<usize>,
    pub kind: Kind,
    pub twist: Twist,
    pub beside: Beside<FileBytes<'a>>,
}

/// What else belongs to a tensor.
#[derive(Debug, Clone)]
pub(crate) struct Beside<P> {
    /// The other tensors of a quantized matrix.
    pub parts: Vec<P>,
    /// The change that an adapter makes.
    pub change: Option<LowRank<P>>,
}

impl<P> Default for Beside<P> {
    fn default() -> Self {
        Self { parts: Vec::new(), change: None }
    }
}

impl<P> Beside<P> {
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.change.is_none()
    }

    pub(crate) fn map<Q>(&self, of: impl Fn(&P) -> Q) -> Beside<Q> {
        let parts = self.parts.iter().map(&of).collect();
        Beside { parts, change: self.change.as_ref().map(|change| change.map(&of)) }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &P> {
        self.parts.iter().chain(self.change.iter().flat_map(LowRank::iter))
    }
}

/// The type of a tensor's values in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    F32,
    F16,
    BF16,
    /// Quantized, in blocks of several values.
    Blocks(Block),
    /// Quantized, in several tensors.
    Packed(Scheme),
    /// Other data, or weights of a type that cannot be read.
    Other(Other),
}

/// The types that cannot be read, by their names in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Other {
    Safetensors(Dtype),
    Gguf(anamnesis::GgufType),
}

/// The changes that a format makes to a tensor. Reading undoes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Twist {
    /// The rows of the first and the second half of each head alternate, for heads of this many
    /// rows.
    pub interleaved: Option<usize>,
    /// Every value is stored 1 larger.
    pub plus_one: bool,
}

impl Twist {
    /// The stored position of row `r`.
    pub(crate) fn row(self, r: usize) -> usize {
        match self.interleaved {
            Some(head) if head > 1 => {
                let (start, at) = (r - r % head, r % head);
                start + 2 * (at % (head / 2)) + at / (head / 2)
            }
            _ => r,
        }
    }
}

impl<'a> View<'a> {
    /// One of the matrices that are stacked in a tensor: its number, and how many there are. The
    /// tensor's first axis must have that length.
    pub(crate) fn of_stack(&self, at: Option<(usize, usize)>) -> Self {
        let Some((at, count)) = at else { return self.clone() };
        let len = self.data.len() / count.max(1);
        let data: &'a [u8] = &self.data[at * len..][..len];
        Self { data, shape: self.shape[1..].to_vec(), ..self.clone() }
    }

    /// A tensor that is stored as it is.
    pub(crate) fn new(data: &'a [u8], shape: Vec<usize>, kind: Kind) -> Self {
        Self { data, shape, kind, twist: Twist::default(), beside: Beside::default() }
    }

    /// The bytes of its values in memory with at least this many bytes each.
    pub(crate) fn held(&self, least: usize) -> u64 {
        let values = self.shape.iter().fold(1u64, |all, n| all.saturating_mul(*n as u64));
        let least = if self.is_computed() { size_of::<f32>() } else { least };
        (self.data.len() as u64).max(values.saturating_mul(least as u64))
    }

    /// Whether its values are others than those in the file.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(self.kind, Kind::Blocks(_) | Kind::Packed(_)) || self.beside.change.is_some()
    }

    /// Whether the format changes what it stores.
    pub(crate) fn is_twisted(&self) -> bool {
        self.twist != Twist::default()
    }

    /// Whether bf16 holds each of its computed values.
    pub(crate) fn fits_bf16(&self) -> bool {
        match self.kind {
            Kind::Packed(scheme) => self.beside.change.is_none() && scheme.fits_bf16(),
            _ => false,
        }
    }

    /// The rows of each matrix, if they are stacked and transformers has them turned: what MXFP4 packs
    /// as `[out, in]` is `[in, out]` where it is not packed.
    pub(crate) fn turned(&self) -> Option<usize> {
        let packed = self.kind == Kind::Packed(Scheme::Mxfp4);
        (packed && self.shape.len() == 3).then(|| self.shape[1])
    }

    /// Its rows, and the number of values in one. A vector is one row; dimensions before the last
    /// count as rows.
    pub(crate) fn as_matrix(&self) -> [usize; 2] {
        let inner = self.shape.last().copied().unwrap_or(1);
        [self.shape.iter().rev().skip(1).product(), inner]
    }

    /// Whether it can be taken as a tensor of this shape. Quantized tensors of more dimensions
    /// count as matrices too.
    pub(crate) fn fits(&self, shape: &[usize]) -> bool {
        self.shape == shape
            || (matches!(self.kind, Kind::Packed(_)) && self.as_matrix().as_slice() == shape)
    }

    /// Its values, if they must be computed.
    ///
    /// # Errors
    /// Scales that are not finite.
    pub(crate) fn computed(&self) -> Result<Option<Box<dyn Rows + '_>>, Unreadable> {
        let (shape @ [_, inner], data) = (self.as_matrix(), self.data);
        let own: Option<Box<dyn Rows + '_>> = match self.kind {
            Kind::Blocks(block) => Some(Box::new(Blocks { data, block, inner })),
            Kind::Packed(scheme) => {
                let parts: Vec<&[u8]> = self.beside.parts.iter().map(|own| own.data).collect();
                Some(scheme.read(data, &parts, shape)?)
            }
            Kind::F32 | Kind::F16 | Kind::BF16 | Kind::Other(_) => None,
        };
        let Some(change) = &self.beside.change else { return Ok(own) };
        let base = match (own, self.kind.float()) {
            (Some(own), _) => own,
            (None, Some(float)) => Box::new(Plain { data, float, inner }),
            (None, None) => return Err(Unreadable::kind(self.kind)),
        };
        Ok(Some(change.over(base, shape)?))
    }
}

impl Kind {
    pub(crate) fn is_read(self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// The type of its values, if they are stored as floats that scales may have.
    pub(crate) fn float(self) -> Option<Float> {
        match self {
            Self::F32 => Some(Float::F32),
            Self::F16 => Some(Float::F16),
            Self::BF16 => Some(Float::BF16),
            Self::Other(Other::Safetensors(Dtype::F8_E8M0)) => Some(Float::E8M0),
            Self::Blocks(_) | Self::Packed(_) | Self::Other(_) => None,
        }
    }
}

impl From<Dtype> for Kind {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::BF16 => Self::BF16,
            other => Self::Other(Other::Safetensors(other)),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 => f.write_str("F32"),
            Self::F16 => f.write_str("F16"),
            Self::BF16 => f.write_str("BF16"),
            Self::Blocks(block) => block.fmt(f),
            Self::Packed(scheme) => scheme.fmt(f),
            Self::Other(Other::Safetensors(dtype)) => write!(f, "{dtype:?}"),
            Self::Other(Other::Gguf(dtype)) => dtype.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_heads_lie_in_turns() {
        let twist = Twist { interleaved: Some(4), plus_one: false };
        let rows: Vec<usize> = (0..8).map(|r| twist.row(r)).collect();
        assert_eq!(rows, [0, 2, 1, 3, 4, 6, 5, 7]);
        assert_eq!(Twist::default().row(5), 5);
    }
}
