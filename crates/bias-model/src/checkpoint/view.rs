use std::fmt;

use safetensors::tensor::Dtype;

use super::blocks::Block;

/// A tensor as stored in a file: its bytes, and how to read them.
#[derive(Debug, Clone)]
pub(crate) struct View<'a> {
    pub data: &'a [u8],
    pub shape: Vec<usize>,
    pub kind: Kind,
    pub twist: Twist,
}

/// The type of a tensor's values in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    F32,
    F16,
    BF16,
    /// Quantized, in blocks of several values.
    Blocks(Block),
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
}

impl View<'_> {
    /// The bytes of its values in memory with at least this many bytes each.
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
