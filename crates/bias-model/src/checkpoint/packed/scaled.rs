use std::sync::LazyLock;

use crate::checkpoint::rows::{Rows, finite};
use crate::checkpoint::unreadable::Unreadable;

/// What a byte stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Byte {
    /// A float with 4 bits of exponent and 3 of mantissa, without infinities (F8_E4M3).
    E4M3,
    /// An integer.
    I8,
}

/// The value of every byte.
static E4M3: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|byte| e4m3(u8::try_from(byte).unwrap_or_default())));
static I8: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| f32::from(u8::try_from(byte).unwrap_or_default().cast_signed()))
});

fn e4m3(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let size = match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa / 8.0 * 2f32.powi(-6),
        _ => (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
    };
    if byte & 128 == 0 { size } else { -size }
}

/// A matrix of bytes. Those of a block share a scale.
///
/// # Shapes
/// `data` is `[rows, inner]` and `scales` `[⌈rows / block₀⌉, ⌈inner / block₁⌉]`.
#[derive(Debug)]
pub(crate) struct Scaled<'a> {
    pub data: &'a [u8],
    pub byte: Byte,
    pub scales: Vec<f32>,
    pub block: [usize; 2],
    /// What everything is multiplied by after the scale.
    pub factor: f32,
    pub inner: usize,
}

impl Rows for Scaled<'_> {
    fn read(&self, row: usize, from: usize, to: &mut [f32]) -> Result<(), Unreadable> {
        let values: &[f32; 256] = match self.byte {
            Byte::E4M3 => &E4M3,
            Byte::I8 => &I8,
        };
        let [tall, wide] = self.block;
        let scales = &self.scales[row / tall * self.inner.div_ceil(wide)..];
        let mut bytes = &self.data[row * self.inner + from..][..to.len()];
        let (mut rest, mut at) = (&mut *to, from);
        while !rest.is_empty() {
            let together = (wide - at % wide).min(rest.len());
            let scale = scales[at / wide];
            let (now, later) = std::mem::take(&mut rest).split_at_mut(together);
            for (to, byte) in now.iter_mut().zip(bytes) {
                *to = values[usize::from(*byte)] * scale * self.factor;
            }
            (rest, bytes, at) = (later, &bytes[together..], at + together);
        }
        finite(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_floats_of_8_bits() {
        for (byte, value) in [
            (0x00, 0.0),
            (0x01, 2f32.powi(-9)),
            (0x07, 7.0 * 2f32.powi(-9)),
            (0x08, 2f32.powi(-6)),
            (0x38, 1.0),
            (0x7e, 448.0),
            (0xb9, -1.125),
        ] {
            assert_eq!(e4m3(byte), value, "{byte:#x}");
        }
        assert!(e4m3(0x7f).is_nan() && e4m3(0xff).is_nan());
        assert_eq!((I8[127], I8[128], I8[255]), (127.0, -128.0, -1.0));
    }

    #[test]
    fn blocks_at_the_edges_are_smaller() {
        let (rows, inner) = (3, 5);
        let data: Vec<u8> = (1..=15).collect();
        let scales: Vec<f32> = (1..=6).map(|n| n as f32 * 100.0).collect();
        let own = Scaled { data: &data, byte: Byte::I8, scales, block: [2, 2], factor: 0.5, inner };
        for row in 0..rows {
            let mut found = vec![0.0; inner];
            own.read(row, 0, &mut found).unwrap();
            for (c, found) in found.into_iter().enumerate() {
                let scale = 100.0 * (1 + row / 2 * 3 + c / 2) as f32;
                assert_eq!(found, (1 + row * inner + c) as f32 * scale * 0.5);
            }
        }
        let mut part = vec![0.0; 2];
        own.read(1, 2, &mut part).unwrap();
        assert_eq!(part, [800.0, 900.0]);
    }
}
