use bias_metrics::{Arm, NameMoments, Weighting};

use super::measured::Measured;

/// The pooled standard deviation of an SMD; `None` if there is none.
pub(crate) fn spread(own: &Measured) -> Option<f64> {
    let variance = |side: Arm| {
        let own_side = own.moments.iter().filter(|name| name.arm == side);
        let sum = own_side.fold(NameMoments::empty(side), |sum, name| sum.merge(name));
        let divisor = match own.weighting {
            Weighting::Draws => sum.weight - 1.0,
            _ => sum.weight,
        };
        sum.m2 / divisor
    };
    let spread = f64::midpoint(variance(Arm::A), variance(Arm::B)).sqrt();
    (spread.is_finite() && spread > 0.0).then_some(spread)
}
