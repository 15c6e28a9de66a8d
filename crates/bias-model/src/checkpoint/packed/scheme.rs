use std::fmt;

use super::awq::Awq;
use super::bnb::{Bnb4, Code};
use super::float::Float;
use super::gptq::Gptq;
use super::mxfp4::Mxfp4;
use super::scaled::{Byte, Scaled};
use super::words::Words;
use crate::checkpoint::rows::Rows;
use crate::checkpoint::unreadable::Unreadable;

/// How the tensors of a group become a matrix. The order of the others is that of [`Scheme::read`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scheme {
    /// A byte for every value, times the scale of its block, times a factor.
    Scaled { byte: Byte, scale: Float, block: [usize; 2], factor: f32 },
    /// Microscaling FP4.
    Mxfp4,
    /// GPTQ. Zero points may be stored as `one_less`. `group` inputs share a scale; all of them, if
    /// there is neither a number nor a list.
    Gptq { bits: u32, scale: Float, one_less: bool, group: Option<usize> },
    /// AWQ in the layout that AutoAWQ calls `gemm`.
    Awq { scale: Float, group: usize },
    /// compressed-tensors' integers in words. `zeros` if there are zero points.
    Words { bits: u32, scale: Float, group: usize, zeros: bool },
    /// bitsandbytes' codes of 4 bits. Scales may be quantized themselves: blocks of them, and what
    /// is added.
    Bnb4 { code: Code, block: usize, nested: Option<(usize, f32)>, rounded: Float },
}

impl Scheme {
    /// The matrix, from its main tensor and the others:
    ///
    /// | scheme | main tensor | others |
    /// |---|---|---|
    /// | scaled | values | scales |
    /// | MXFP4 | blocks | scales |
    /// | GPTQ | `qweight` | `scales`, `qzeros`, `g_idx` if there is one |
    /// | AWQ | `qweight` | `scales`, `qzeros` |
    /// | words | `weight_packed` | scales, zero points if there are any |
    /// | bitsandbytes | codes | `absmax`, table, and those of nested scales |
    ///
    /// # Errors
    /// Scales that are not finite.
    pub(crate) fn read<'a>(
        self,
        data: &'a [u8],
        others: &[&'a [u8]],
        [out, inner]: [usize; 2],
    ) -> Result<Box<dyn Rows + 'a>, Unreadable> {
        let other = |i: usize| others.get(i).copied().unwrap_or_default();
        Ok(match self {
            Self::Scaled { byte, scale, block, factor } => {
                let scales = scale.all(other(0))?;
                Box::new(Scaled { data, byte, scales, block, factor, inner })
            }
            Self::Mxfp4 => Box::new(Mxfp4 { blocks: data, scales: other(0), inner }),
            Self::Gptq { bits, scale, one_less, group } => {
                let (scales, zeros) = (scale.all(other(0))?, other(1));
                let (index, shape) = (others.get(2).copied(), [out, inner]);
                Box::new(Gptq::new(data, scales, zeros, index, shape, bits, one_less, group))
            }
            Self::Awq { scale, group } => {
                let (scales, zeros) = (scale.all(other(0))?, other(1));
                Box::new(Awq { words: data, scales, zeros, out, group })
            }
            Self::Words { bits, scale, group, zeros } => {
                let (scales, zeros) = (scale.all(other(0))?, zeros.then(|| other(1)));
                Box::new(Words { words: data, scales, zeros, bits, group, inner })
            }
            Self::Bnb4 { block, nested, rounded, .. } => {
                Box::new(Bnb4::new(data, others, block, nested, rounded, inner)?)
            }
        })
    }

    /// Whether bf16 holds every value.
    pub(crate) fn fits_bf16(self) -> bool {
        match self {
            Self::Mxfp4 => true,
            Self::Bnb4 { rounded, .. } => rounded == Float::BF16,
            Self::Scaled { .. } | Self::Gptq { .. } | Self::Awq { .. } | Self::Words { .. } => {
                false
            }
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scaled { byte: Byte::E4M3, .. } => f.write_str("FP8"),
            Self::Scaled { byte: Byte::I8, .. } => f.write_str("INT8"),
            Self::Mxfp4 => f.write_str("MXFP4"),
            Self::Gptq { bits, .. } => write!(f, "{bits}-bit GPTQ"),
            Self::Awq { .. } => f.write_str("4-bit AWQ"),
            Self::Words { bits, .. } => write!(f, "INT{bits}"),
            Self::Bnb4 { code, .. } => code.fmt(f),
        }
    }
}
