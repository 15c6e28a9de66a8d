use std::fmt;

use safetensors::tensor::Dtype;

use super::blocks::Block;

/// A tensor as it lies in a file: bytes, and how to read them.
#[derive(Debug, Clone)]
pub(crate) struct View<'a> {
    pub data: &'a [u8],
    pub shape: Vec<usize>,
    pub kind: Kind,
    pub twist: Twist,
}

/// How the values of a tensor are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    F32,
    F16,
    BF16,
    /// Quantized, some values to a block.
    Blocks(Block),
    /// Not weights, or weights that are not read.
    Other(Other),
}

/// Types that are not read, by the name their format gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Other {
    Safetensors(Dtype),
    Gguf(anamnesis::GgufType),
}

/// What a format does to a tensor, and what is undone when it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Twist {
    /// Heads of so many rows have their first half's and their second half's rows in turns.
    pub interleaved: Option<usize>,
    /// Every value is stored larger by 1.
    pub plus_one: bool,
}

impl Twist {
    /// Where row `r` lies.
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

impl View<'_> {
    /// Bytes that its values take when held with so many bytes each at least.
    pub(crate) fn held(&self, least: usize) -> u64 {
        let values = self.shape.iter().fold(1u64, |all, n| all.saturating_mul(*n as u64));
        let least = if matches!(self.kind, Kind::Blocks(_)) { size_of::<f32>() } else { least };
        (self.data.len() as u64).max(values.saturating_mul(least as u64))
    }
}

impl Kind {
    pub(crate) fn is_read(self) -> bool {
        !matches!(self, Self::Other(_))
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
