use super::moments::NameMoments;
use crate::arm::Arm;

/// Cohen's *f*: the standard deviation of the groups' means over the pooled one within groups
/// (Cohen 1988, 8.2). 0.1 counts as small, 0.25 as medium and 0.4 as large; chance alone lifts it
/// above 0.
///
/// `groups` gives the group of each name, below `count`; a name without one does not count. `None`
/// where nobody varies within a group.
///
/// ```
/// use bias_metrics::effect::cohens_f;
/// use bias_metrics::{Arm, NameMoments};
///
/// // Group means 1, 2 and 6 around 3; every deviation within a group is 1.
/// let name = |v: f64| NameMoments::of(Arm::A, &[(v - 1.0, 1.0), (v + 1.0, 1.0)]);
/// let names = [name(1.0), name(2.0), name(6.0)];
/// let f = cohens_f(&names, &[Some(0), Some(1), Some(2)], 3);
/// assert!((f.unwrap() - (14.0f64 / 3.0).sqrt()).abs() < 1e-12);
/// ```
#[must_use]
pub fn cohens_f(names: &[NameMoments], groups: &[Option<usize>], count: usize) -> Option<f64> {
    let mut sums = vec![NameMoments::empty(Arm::A); count];
    for (moments, group) in names.iter().zip(groups) {
        if let Some(sum) = group.and_then(|g| sums.get_mut(g)) {
            *sum = sum.merge(moments);
        }
    }
    let total: f64 = sums.iter().map(|sum| sum.weight).sum();
    let mean = sums.iter().map(|sum| sum.weight * sum.mean).sum::<f64>() / total;
    let between = sums.iter().map(|sum| sum.weight * (sum.mean - mean).powi(2)).sum::<f64>();
    let within: f64 = sums.iter().map(|sum| sum.m2).sum();
    Some((between / within).sqrt()).filter(|f| f.is_finite())
}
