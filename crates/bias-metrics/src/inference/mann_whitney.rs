use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, Normal};

use crate::arm::Arm;
use crate::effect::sample::checked;
use crate::error::MetricError;

/// A comparison of two groups by ranks (Mann & Whitney 1947).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MannWhitney {
    /// The number of pairs of a name of A and a name of B in which A's number is larger. Ties count
    /// half.
    pub u: f64,
    /// The share of these pairs among all: the probability of superiority. It is 0.5 if the groups
    /// do not differ.
    pub superiority: f64,
    /// Two-sided.
    pub p: f64,
    /// Whether `p` counts all orders. Otherwise it is a normal approximation, corrected for ties
    /// and continuity.
    pub exact: bool,
}

/// The size of the smaller group up to which all orders are counted, as in scipy, if no two numbers
/// are equal and there are no more pairs than this.
const COUNTED: usize = 8;
const COUNTED_PAIRS: usize = 4096;

/// The Mann–Whitney U test with one number per name.
///
/// # Errors
/// [`MetricError::TooFewNames`] for an empty group, [`MetricError::NotFinite`],
/// [`MetricError::Constant`] if all numbers are equal.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Result<MannWhitney, MetricError> {
    checked(Arm::A, a, 1)?;
    checked(Arm::B, b, 1)?;
    let mut all: Vec<(f64, bool)> =
        a.iter().map(|v| (*v, true)).chain(b.iter().map(|v| (*v, false))).collect();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (mut rank_sum, mut ties, mut before) = (0.0, 0.0, 0.0);
    for equal in all.chunk_by(|x, y| x.0 == y.0) {
        let size = equal.len() as f64;
        let rank = before + f64::midpoint(1.0, size);
        rank_sum += rank * equal.iter().filter(|(_, of_a)| *of_a).count() as f64;
        ties += size.powi(3) - size;
        before += size;
    }
    let (n, m) = (a.len() as f64, b.len() as f64);
    let (pairs, total) = (n * m, n + m);
    let u = rank_sum - n * (n + 1.0) / 2.0;
    let larger = u.max(pairs - u);
    let exact =
        ties == 0.0 && a.len().min(b.len()) <= COUNTED && a.len() * b.len() <= COUNTED_PAIRS;
    let p = if exact {
        2.0 * tail(a.len(), b.len(), larger)
    } else {
        let variance = pairs / 12.0 * ((total + 1.0) - ties / (total * (total - 1.0)));
        if variance <= 0.0 {
            return Err(MetricError::Constant { what: "Mann–Whitney test" });
        }
        2.0 * Normal::standard().sf((larger - pairs / 2.0 - 0.5) / variance.sqrt())
    };
    Ok(MannWhitney { u, superiority: u / pairs, p: p.min(1.0), exact })
}

/// P(U ≥ u) if all orders of `n + m` different numbers are equally likely.
fn tail(n: usize, m: usize, u: f64) -> f64 {
    // Probability of each U for (i of A, m of B), from those with one name less (Mann & Whitney
    // 1947, eq. 3).
    let most = n * m;
    let mut known = vec![vec![0f64; most + 1]; m + 1];
    known.iter_mut().for_each(|row| row[0] = 1.0);
    for i in 1..=n {
        let mut next = vec![vec![0f64; most + 1]; m + 1];
        next[0][0] = 1.0;
        for j in 1..=m {
            let (of_a, of_b) = (i as f64 / (i + j) as f64, j as f64 / (i + j) as f64);
            for u in 0..=i * j {
                // The largest number is A's, above all j of B; or B's.
                let a = if u >= j { known[j][u - j] } else { 0.0 };
                next[j][u] = of_a * a + of_b * next[j - 1][u];
            }
        }
        known = next;
    }
    known[m].iter().skip(u.ceil() as usize).sum()
}
