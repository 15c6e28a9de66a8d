use half::{bf16, f16};

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
        let chunks = bytes.chunks_exact(self.width());
        let values: Vec<f32> = match self {
            Self::F32 => chunks.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Self::F16 => chunks.map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Self::BF16 => chunks.map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Self::E8M0 => chunks.map(|b| power_of_two(b[0])).collect(),
        };
        crate::checkpoint::rows::finite(&values)?;
        Ok(values)
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
