use half::{bf16, f16};

use crate::checkpoint::rows::finite;
use crate::checkpoint::unreadable::Unreadable;

/// The type of a scale in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float {
    F32,
    F16,
    BF16,
    /// A power of two: 2^(byte − 127). 255 is NaN.
    E8M0,
}

impl Float {
    pub(crate) fn width(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::E8M0 => 1,
        }
    }

    /// Every value of some bytes, as f32. All must be finite.
    pub(crate) fn all(self, bytes: &[u8]) -> Result<Vec<f32>, Unreadable> {
        let mut values = vec![0.0; bytes.len() / self.width()];
        self.read(bytes, &mut values);
        finite(&values)?;
        Ok(values)
    }

    /// As many values as there is room for, as f32.
    pub(crate) fn read(self, bytes: &[u8], to: &mut [f32]) {
        let both = to.iter_mut().zip(bytes.chunks_exact(self.width()));
        match self {
            Self::F32 => {
                both.for_each(|(to, b)| *to = f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            }
            Self::F16 => both.for_each(|(to, b)| *to = f16::from_le_bytes([b[0], b[1]]).to_f32()),
            Self::BF16 => both.for_each(|(to, b)| *to = bf16::from_le_bytes([b[0], b[1]]).to_f32()),
            Self::E8M0 => both.for_each(|(to, b)| *to = power_of_two(b[0])),
        }
    }
}

/// 2^(byte − 127), and NaN for 255, as the OCP's microscaling formats have it.
pub(crate) fn power_of_two(byte: u8) -> f32 {
    match byte {
        255 => f32::NAN,
        // A subnormal number.
        0 => f32::from_bits(1 << 22),
        byte => f32::from_bits(u32::from(byte) << 23),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_from_the_smallest_to_the_largest() {
        for byte in 0..=254u8 {
            assert_eq!(f64::from(power_of_two(byte)), 2f64.powi(i32::from(byte) - 127));
        }
        assert!(power_of_two(255).is_nan());
        assert_eq!(Float::E8M0.all(&[127, 255]), Err(Unreadable::NotFinite));
    }
}
