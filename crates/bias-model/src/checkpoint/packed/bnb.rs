use std::fmt;

use half::{bf16, f16};

use super::float::Float;
use crate::checkpoint::rows::{Rows, finite};
use crate::checkpoint::unreadable::Unreadable;

/// Which table of 16 values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Nf4,
    Fp4,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nf4 => "NF4",
            Self::Fp4 => "FP4",
        })
    }
}

/// A matrix of 4-bit codes, two in a byte, the first in the upper half. A code names one of sixteen
/// values. Consecutive values, across rows, make blocks, which have a scale each.
#[derive(Debug)]
pub(crate) struct Bnb4<'a> {
    codes: &'a [u8],
    scales: Vec<f32>,
    table: [f32; 16],
    block: usize,
    rounded: Float,
    inner: usize,
}

impl<'a> Bnb4<'a> {
    /// `others` are the scales and the table; if scales are bytes (`nested`), also the scales of
    /// blocks of these, and their table of 256.
    pub(super) fn new(
        codes: &'a [u8],
        others: &[&[u8]],
        block: usize,
        nested: Option<(usize, f32)>,
        rounded: Float,
        inner: usize,
    ) -> Result<Self, Unreadable> {
        let other = |i: usize| others.get(i).copied().unwrap_or_default();
        let scales = match nested {
            None => Float::F32.all(other(0))?,
            Some((together, added)) => {
                let (outer, table) = (Float::F32.all(other(2))?, Float::F32.all(other(3))?);
                let of = |(i, byte): (usize, &u8)| {
                    table[usize::from(*byte)] * outer[i / together] + added
                };
                let scales: Vec<f32> = other(0).iter().enumerate().map(of).collect();
                finite(&scales)?;
                scales
            }
        };
        let found = Float::F32.all(other(1))?;
        let table = found.try_into().map_err(|found: Vec<f32>| {
            Unreadable::Dequantize(format!("its table has {} values, not 16", found.len()))
        })?;
        Ok(Self { codes, scales, table, block, rounded, inner })
    }
}

impl Rows for Bnb4<'_> {
    fn read(&self, row: usize, from: usize, to: &mut [f32]) -> Result<(), Unreadable> {
        let first = row * self.inner + from;
        for (i, to) in (first..).zip(to.iter_mut()) {
            let byte = self.codes[i / 2];
            let code = if i % 2 == 0 { byte >> 4 } else { byte & 15 };
            let value = self.table[usize::from(code)] * self.scales[i / self.block];
            *to = match self.rounded {
                Float::BF16 => bf16::from_f32(value).to_f32(),
                Float::F16 => f16::from_f32(value).to_f32(),
                Float::F32 | Float::E8M0 => value,
            };
        }
        finite(to)
    }
}
