//! The rules by which one number meets a condition, or refutes it.

use crate::results::{Condition, Estimate, Verdict};

/// At least this share of a gap is gone, and no more than as much beyond it: an interval within
/// these bounds meets the condition, one beyond them refutes it.
pub(super) fn gone(what: &str, share: f64, value: f64, interval: Option<[f64; 2]>) -> Condition {
    let [low, high] = [share, 2.0 - share];
    let met = match interval {
        Some([from, to]) if from >= low && to <= high => Verdict::Yes,
        Some([from, to]) if to < low || from > high => Verdict::No,
        _ => Verdict::NotEnoughData,
    };
    condition(format!("{what}: at least {:.0} % gone", 100.0 * share), value, interval, met)
}

/// A number is at least this; its interval decides.
pub(super) fn at_least(what: String, least: f64, own: &Estimate) -> Condition {
    let met = match own.interval {
        Some([low, _]) if low >= least => Verdict::Yes,
        Some([_, high]) if high < least => Verdict::No,
        // Answers that are all inside have no spread, and a single share no interval.
        None if own.value.is_finite() && own.value < least => Verdict::No,
        _ => Verdict::NotEnoughData,
    };
    condition(what, own.value, own.interval, met)
}

/// A number is above 0; its interval decides.
pub(super) fn above_zero(what: String, own: &Estimate) -> Condition {
    let met = match own.interval {
        Some([low, _]) if low > 0.0 => Verdict::Yes,
        Some([_, high]) if high < 0.0 => Verdict::No,
        _ => Verdict::NotEnoughData,
    };
    condition(what, own.value, own.interval, met)
}

/// A fact without uncertainty.
pub(super) fn fact(what: String, value: f64, holds: bool) -> Condition {
    condition(what, value, None, if holds { Verdict::Yes } else { Verdict::No })
}

/// Something that could not be looked at, or that nothing was made for.
pub(super) fn unseen(what: impl Into<String>, met: Verdict) -> Condition {
    Condition { what: what.into(), value: None, interval: None, met }
}

pub(super) fn condition(
    what: String,
    value: f64,
    interval: Option<[f64; 2]>,
    met: Verdict,
) -> Condition {
    Condition { what, value: Some(value).filter(|own| own.is_finite()), interval, met }
}

/// What several conditions say together: one that is refuted refutes all.
pub(super) fn together(all: impl IntoIterator<Item = Verdict>) -> Verdict {
    let mut found = None;
    for own in all {
        found = match (found, own) {
            (_, Verdict::No) | (Some(Verdict::No), _) => Some(Verdict::No),
            (None | Some(Verdict::Yes), Verdict::Yes) => Some(Verdict::Yes),
            _ => Some(Verdict::NotEnoughData),
        };
    }
    found.unwrap_or(Verdict::NotEnoughData)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_decides_and_a_reversed_gap_is_not_gone() {
        let judged = |interval| gone("home", 0.9, 0.95, interval).met;
        assert_eq!(judged(Some([0.91, 1.05])), Verdict::Yes);
        assert_eq!(judged(Some([0.5, 0.85])), Verdict::No);
        assert_eq!(judged(Some([1.2, 1.9])), Verdict::No, "it is reversed");
        assert_eq!(judged(Some([0.8, 0.95])), Verdict::NotEnoughData);
        assert_eq!(judged(None), Verdict::NotEnoughData);
        let inlier =
            |value, interval| at_least("inlier".into(), 0.98, &Estimate { value, interval }).met;
        assert_eq!(inlier(0.99, Some([0.985, 0.995])), Verdict::Yes);
        assert_eq!(inlier(0.9, Some([0.85, 0.97])), Verdict::No);
        assert_eq!(inlier(0.99, Some([0.97, 1.0])), Verdict::NotEnoughData);
        assert_eq!(inlier(0.5, None), Verdict::No);
    }

    #[test]
    fn one_refuted_condition_refutes_all() {
        use Verdict::{No, NotEnoughData, Yes};
        assert_eq!(together([Yes, Yes]), Yes);
        assert_eq!(together([Yes, NotEnoughData, No]), No);
        assert_eq!(together([NotEnoughData, Yes]), NotEnoughData);
        assert_eq!(together([]), NotEnoughData);
        let nothing = unseen("nothing", NotEnoughData);
        assert!(
            nothing.value.is_none() && condition("x".into(), f64::NAN, None, Yes).value.is_none()
        );
    }
}
