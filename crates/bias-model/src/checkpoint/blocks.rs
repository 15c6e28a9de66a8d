use std::fmt;

use anamnesis::{F32Out, GgufType, dequantize_gguf_blocks};

use super::rows::Rows;
use super::unreadable::Unreadable;

/// A quantized type that can be read. A golden test covers each (`fixtures/gguf`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block(GgufType);

impl Block {
    pub(crate) const ALL: [GgufType; 12] = [
        GgufType::Q4_0,
        GgufType::Q4_1,
        GgufType::Q5_0,
        GgufType::Q5_1,
        GgufType::Q8_0,
        GgufType::Q2_K,
        GgufType::Q3_K,
        GgufType::Q4_K,
        GgufType::Q5_K,
        GgufType::Q6_K,
        GgufType::IQ4_NL,
        GgufType::IQ4_XS,
    ];

    pub(crate) fn of(dtype: GgufType) -> Option<Self> {
        Self::ALL.contains(&dtype).then_some(Self(dtype))
    }

    /// The number of values in a block.
    pub(crate) fn values(self) -> usize {
        self.0.block_size()
    }

    /// The number of bytes for a number of values, a whole number of blocks.
    fn bytes(self, values: usize) -> usize {
        values / self.values() * self.0.type_size().unwrap_or_default()
    }

    /// Reads the values of whole blocks. All must be finite.
    fn read(self, bytes: &[u8], to: &mut [f32]) -> Result<(), Unreadable> {
        let (len, mut rest, mut finite) = (to.len(), to, true);
        let done = dequantize_gguf_blocks::<F32Out, _>(bytes, self.0, len, |block| {
            let (now, later) =
                std::mem::take(&mut rest).split_at_mut(block.len() / size_of::<f32>());
            for (to, b) in now.iter_mut().zip(block.chunks_exact(size_of::<f32>())) {
                *to = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
                finite &= to.is_finite();
            }
            rest = later;
            Ok(())
        });
        done.map_err(|error| Unreadable::Dequantize(error.to_string()))?;
        if finite { Ok(()) } else { Err(Unreadable::NotFinite) }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A matrix of blocks in a file.
#[derive(Debug)]
pub(crate) struct Blocks<'a> {
    pub data: &'a [u8],
    pub block: Block,
    /// The number of values in a row.
    pub inner: usize,
}

impl Rows for Blocks<'_> {
    fn read(&self, row: usize, from: usize, to: &mut [f32]) -> Result<(), Unreadable> {
        let start = row * self.block.bytes(self.inner) + self.block.bytes(from);
        self.block.read(&self.data[start..][..self.block.bytes(to.len())], to)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use safetensors::SafeTensors;

    use super::*;
    use crate::checkpoint::gguf::file::Gguf;
    use crate::checkpoint::rows::{columns, rows, turned};
    use crate::checkpoint::view::{Kind, Twist};

    /// Equal to gguf-py's values of the same blocks, to the last bit. Runs only in the repository:
    /// a published crate has no fixtures.
    #[test]
    fn every_type_equals_gguf_py() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        if !fixtures.exists() {
            return;
        }
        let folder = fixtures.join("gguf/blocks");
        let gguf = Gguf::open(&folder.join("model.gguf")).unwrap();
        let expected = std::fs::read(folder.join("expected.safetensors")).unwrap();
        let expected = SafeTensors::deserialize(&expected).unwrap();
        for dtype in Block::ALL {
            let view = gguf.view(&dtype.to_string(), Twist::default()).unwrap();
            let Kind::Blocks(block) = view.kind else { panic!("{dtype} is made of blocks") };
            let own = Blocks { data: view.data, block, inner: view.shape[1] };
            let found = rows(&own, &[0, 1], own.inner).unwrap();
            let expected = expected.tensor(&dtype.to_string()).unwrap();
            let found: Vec<u8> = found.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert!(found == expected.data(), "{dtype}");
        }
        assert_eq!(expected.len(), Block::ALL.len());
    }

    #[test]
    fn transposed_or_not_the_same_values_are_read() {
        let block = Block::of(GgufType::Q8_0).unwrap();
        let (out, inner) = (70, 320);
        let one = |i: usize| {
            let scale = half::f16::from_f32(1.0 + (i % 7) as f32).to_le_bytes();
            scale.into_iter().chain((0..32).map(move |j| (i * 31 + j * 5) as u8))
        };
        let data: Vec<u8> = (0..out * inner / 32).flat_map(one).collect();
        // Every other row, from the last on, apart by more than they are long.
        let some: Vec<usize> = (0..out).rev().step_by(2).collect();
        let own = Blocks { data: &data, block, inner };
        let straight = rows(&own, &some, inner).unwrap();
        let row = some.len() + 3;
        let turned = turned(&own, &some, inner, row, vec![7.0; 9]).unwrap();
        for (r, c) in (0..some.len()).flat_map(|r| (0..inner).map(move |c| (r, c))) {
            assert_eq!(turned[c * row + r], straight[r * inner + c]);
        }
        // The same bytes as a matrix that is stored transposed: some columns of every row.
        let kept: Vec<usize> = (0..inner).rev().step_by(3).collect();
        let row = kept.len() + 2;
        let found = columns(&own, &kept, [out, inner], row, Vec::new()).unwrap();
        let all: Vec<usize> = (0..out).collect();
        let straight = rows(&own, &all, inner).unwrap();
        for (r, c) in (0..out).flat_map(|r| (0..kept.len()).map(move |c| (r, c))) {
            assert_eq!(found[r * row + c], straight[r * inner + kept[c]]);
        }
    }

    #[test]
    fn a_scale_that_is_no_number_is_seen() {
        let block = Block::of(GgufType::Q8_0).unwrap();
        let data: Vec<u8> = half::f16::NAN.to_le_bytes().into_iter().chain([1; 32]).collect();
        let own = Blocks { data: &data, block, inner: 32 };
        assert_eq!(rows(&own, &[0], 32), Err(Unreadable::NotFinite));
        let turned = turned(&own, &[0], 32, 1, Vec::new());
        assert_eq!(turned, Err(Unreadable::NotFinite));
    }

    #[test]
    fn a_block_that_cannot_be_dequantized_is_not_called_nan() {
        let block = Block::of(GgufType::Q8_0).unwrap();
        let error = block.read(&[1; 33], &mut [0.0; 32]).unwrap_err();
        let Unreadable::Dequantize(reason) = &error else { panic!("{error:?}") };
        assert!(!reason.is_empty());
        let error = error.clone().of(Path::new("model.gguf"), "blk.0.attn_q.weight").to_string();
        for said in ["model.gguf", "blk.0.attn_q.weight", "cannot be dequantized", reason] {
            assert!(error.contains(said), "{error}");
        }
    }
}
