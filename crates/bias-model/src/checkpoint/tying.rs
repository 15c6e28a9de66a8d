use std::ops::Range;

use super::config::ModelConfig;
use super::convert;
use super::unreadable::Unreadable;
use super::view::View;
use crate::arch::layout::Names;
use crate::error::ModelError;

/// Which stored tensor is the embedding, and which scores tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    /// The config ties nothing: both are stored.
    Own,
    /// One tensor serves as both: the embedding, or a head that is stored equal to it.
    Tied,
    /// One tensor serves as both, and goes by the name of the head alone.
    Alone,
    /// The config ties them, but both are stored and differ. Both are kept, as transformers does.
    Both,
}

/// Values that are compared at a time.
const AT_ONCE: usize = 1 << 20;

impl Head {
    /// Looks which tensors there are, by whether a checkpoint `has` a name. Two that are stored are
    /// compared (`equal`).
    ///
    /// # Errors
    /// Values that cannot be read.
    pub(crate) fn of(
        config: &ModelConfig,
        names: Names,
        has: impl Fn(&str) -> bool,
        equal: impl FnOnce(&str, &str) -> Result<bool, ModelError>,
    ) -> Result<Self, ModelError> {
        if !config.tied {
            return Ok(Self::Own);
        }
        let (embedding, head) = config.table_names(names);
        Ok(match (has(&embedding), has(&head)) {
            (_, false) => Self::Tied,
            (false, true) => Self::Alone,
            (true, true) if equal(&embedding, &head)? => Self::Tied,
            (true, true) => Self::Both,
        })
    }
}

/// Whether two tensors hold the same values: a piece at a time, up to where they first differ. Those
/// of different shapes do not. An error comes with which of the two cannot be read.
pub(crate) fn equal(a: &View<'_>, b: &View<'_>) -> Result<bool, (usize, Unreadable)> {
    if a.shape != b.shape || !a.kind.is_read() || !b.kind.is_read() {
        return Ok(false);
    }
    let alone = a.beside.is_empty() && b.beside.is_empty();
    let alike = alone && a.kind == b.kind && a.twist == b.twist;
    if alike && (a.data.as_ptr() == b.data.as_ptr() || a.data == b.data) {
        return Ok(true);
    }
    // The bytes may differ where the values do not: other types, or zeros of other signs.
    for rows in pieces(a) {
        let own = convert::as_named(a, rows.clone()).map_err(|error| (0, error))?;
        let other = convert::as_named(b, rows).map_err(|error| (1, error))?;
        if own != other {
            return Ok(false);
        }
    }
    Ok(true)
}

fn pieces(view: &View<'_>) -> impl Iterator<Item = Range<usize>> + use<> {
    let width = view.shape.last().copied().unwrap_or(1).max(1);
    let rows: usize = view.shape.iter().rev().skip(1).product();
    let step = (AT_ONCE / width).max(1);
    (0..rows).step_by(step).map(move |from| from..rows.min(from + step))
}

#[cfg(test)]
mod tests {
    use safetensors::Dtype;

    use super::*;
    fn view(data: &[u8], dtype: Dtype, shape: [usize; 2]) -> View<'_> {
        View::new(data, shape.into(), dtype.into())
    }

    #[test]
    fn values_are_compared_and_not_bytes() {
        let f32s = |own: [f32; 4]| own.map(f32::to_le_bytes).concat();
        let bf16s = |own: [f32; 4]| own.map(|x| half::bf16::from_f32(x).to_le_bytes()).concat();
        let (own, shape) = (f32s([1.0, -2.0, 0.0, 0.5]), [2, 2]);
        let same = |other: &[u8], dtype, shape| {
            equal(&view(&own, Dtype::F32, [2, 2]), &view(other, dtype, shape)).unwrap()
        };
        assert!(same(&own, Dtype::F32, shape) && same(&own.clone(), Dtype::F32, shape));
        assert!(same(&f32s([1.0, -2.0, -0.0, 0.5]), Dtype::F32, shape));
        assert!(same(&bf16s([1.0, -2.0, 0.0, 0.5]), Dtype::BF16, shape));
        assert!(!same(&f32s([1.0, -2.0, 0.0, 0.25]), Dtype::F32, shape));
        assert!(!same(&bf16s([1.0, -2.0, 0.0, 0.25]), Dtype::BF16, shape));
        assert!(!same(&own, Dtype::F32, [4, 1]));
        // What is no number is found, in whichever it is.
        let odd = f32s([f32::NAN; 4]);
        let (odd, own) = (view(&odd, Dtype::F32, shape), view(&own, Dtype::F32, shape));
        assert_eq!(equal(&own, &odd).unwrap_err().0, 1);
        assert_eq!(equal(&odd, &own).unwrap_err().0, 0);
    }
}
