/// Where the dial stopped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stopped<R> {
    /// The largest strength that was seen to stay within the limits, and what refused the next
    /// larger one that was tried.
    At(f64, Option<R>),
    /// The smallest step exceeds one.
    Nowhere(R),
}

/// The largest strength between `least` and `most` that nothing refuses, by bisection of its
/// logarithm: no more than `probes` looks, besides both ends. `round` gives the strength that is
/// really tried, such as a whole number of weights.
///
/// Damage need not rise with every step, so another strength beyond the first one that exceeds the
/// limit may be within it again. It is not looked for.
pub(super) fn dialled<R: Copy, E>(
    [least, most]: [f64; 2],
    probes: usize,
    round: impl Fn(f64) -> f64,
    mut refused: impl FnMut(f64) -> Result<Option<R>, E>,
) -> Result<Stopped<R>, E> {
    let (mut low, mut high) = (round(least.min(most)), round(most));
    let Some(mut bound) = refused(high)? else { return Ok(Stopped::At(high, None)) };
    if low >= high {
        return Ok(Stopped::Nowhere(bound));
    }
    if let Some(bound) = refused(low)? {
        return Ok(Stopped::Nowhere(bound));
    }
    for _ in 0..probes {
        let middle = round((low * high).sqrt());
        if middle <= low || middle >= high {
            break;
        }
        match refused(middle)? {
            None => low = middle,
            Some(own) => (high, bound) = (middle, own),
        }
    }
    Ok(Stopped::At(low, Some(bound)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn up_to(limit: f64, ends: [f64; 2], probes: usize) -> (Stopped<&'static str>, usize) {
        let mut looks = 0;
        let found = dialled(ends, probes, f64::round, |strength| {
            looks += 1;
            Ok::<_, Infallible>((strength > limit).then_some("limit"))
        });
        let Ok(found) = found;
        (found, looks)
    }

    #[test]
    fn the_largest_strength_within_the_limit_is_found_in_few_looks() {
        assert_eq!(up_to(1e9, [1.0, 6000.0], 8), (Stopped::At(6000.0, None), 1));
        assert_eq!(up_to(0.5, [1.0, 6000.0], 8), (Stopped::Nowhere("limit"), 2));
        let (found, looks) = up_to(700.0, [1.0, 6000.0], 8);
        let Stopped::At(strength, Some(_)) = found else { panic!("{found:?}") };
        assert!((650.0..=700.0).contains(&strength) && looks == 10, "{strength} in {looks}");
        // Few weights to choose from: neighbours end the search.
        assert_eq!(up_to(3.0, [1.0, 5.0], 20).0, Stopped::At(3.0, Some("limit")));
        // One step alone.
        assert_eq!(up_to(0.5, [1.0, 1.0], 8), (Stopped::Nowhere("limit"), 1));
        assert_eq!(up_to(1.0, [1.0, 1.0], 8), (Stopped::At(1.0, None), 1));
    }
}
