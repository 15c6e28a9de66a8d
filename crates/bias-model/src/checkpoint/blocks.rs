use std::fmt;

use anamnesis::{F32Out, GgufType, dequantize_gguf_blocks};
use rayon::iter::{IndexedParallelIterator as _, ParallelIterator as _};
use rayon::slice::ParallelSliceMut as _;

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

/// Some rows of a matrix, in order. Each row has `inner` values.
pub(crate) fn rows(
    data: &[u8],
    block: Block,
    rows: &[usize],
    inner: usize,
) -> Result<Vec<f32>, Unreadable> {
    let mut values = vec![0.0; rows.len() * inner];
    if values.is_empty() {
        return Ok(values);
    }
    let width = block.bytes(inner);
    let read = values
        .par_chunks_mut(inner)
        .zip(rows)
        .map(|(to, row)| block.read(&data[row * width..][..width], to));
    read.reduce(|| Ok(()), Result::and).map(|()| values)
}

/// Columns that are taken together: a multiple of every type's block.
const WIDE: usize = 256;
/// Rows that are taken together: a tile fits into the processor's first-level cache.
const TALL: usize = 32;

/// Some rows of a matrix, transposed. The rows of the result are `row` values long, in a reused
/// buffer. A tile at a time goes from the file's blocks to its final place, on all cores.
pub(crate) fn turned(
    data: &[u8],
    block: Block,
    rows: &[usize],
    inner: usize,
    row: usize,
    mut values: Vec<f32>,
) -> Result<Vec<f32>, Unreadable> {
    values.resize(row * inner, 0.0);
    if values.is_empty() {
        return Ok(values);
    }
    let width = block.bytes(inner);
    let read = values.par_chunks_mut(WIDE * row).enumerate().map(|(strip, values)| {
        let columns = values.len() / row;
        let (start, bytes) = (block.bytes(strip * WIDE), block.bytes(columns));
        let mut tile = vec![0.0; TALL * columns];
        for (band, rows) in rows.chunks(TALL).enumerate() {
            for (r, to) in rows.iter().zip(tile.chunks_exact_mut(columns)) {
                block.read(&data[r * width + start..][..bytes], to)?;
            }
            for (c, to) in values.chunks_exact_mut(row).enumerate() {
                let to = &mut to[band * TALL..][..rows.len()];
                to.iter_mut().enumerate().for_each(|(r, to)| *to = tile[r * columns + c]);
            }
        }
        Ok(())
    });
    read.reduce(|| Ok(()), Result::and).map(|()| values)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use safetensors::SafeTensors;

    use super::*;
    use crate::checkpoint::gguf::file::Gguf;
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
            let found = rows(view.data, block, &[0, 1], view.shape[1]).unwrap();
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
        let straight = rows(&data, block, &some, inner).unwrap();
        let row = some.len() + 3;
        let turned = turned(&data, block, &some, inner, row, vec![7.0; 9]).unwrap();
        for (r, c) in (0..some.len()).flat_map(|r| (0..inner).map(move |c| (r, c))) {
            assert_eq!(turned[c * row + r], straight[r * inner + c]);
        }
    }

    #[test]
    fn a_scale_that_is_no_number_is_seen() {
        let block = Block::of(GgufType::Q8_0).unwrap();
        let data: Vec<u8> = half::f16::NAN.to_le_bytes().into_iter().chain([1; 32]).collect();
        assert_eq!(rows(&data, block, &[0], 32), Err(Unreadable::NotFinite));
        let turned = turned(&data, block, &[0], 32, 1, Vec::new());
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
