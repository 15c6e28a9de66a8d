/// Where the dial stopped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stopped<R> {
    /// The largest strength that was seen to stay within the limits, and what refused the next
    /// larger one that was tried.
    At(f64, Option<R>),
    /// The smallest step exceeds one.
    Nowhere(R),
}

/// The largest strength between `few` and `most` that nothing refuses, by bisection of its
/// logarithm: no more than `probes` looks, besides both ends. Where `few` is refused as well, the
/// same between `least` and `few`. `round` gives the strength that is really tried, such as a whole
/// number of weights.
///
/// Damage need not rise with every step, so another strength beyond the first one that exceeds the
/// limit may be within it again. It is not looked for.
pub(super) fn dialled<R: Copy, E>(
    [least, few, most]: [f64; 3],
    probes: usize,
    round: impl Fn(f64) -> f64,
    mut refused: impl FnMut(f64) -> Result<Option<R>, E>,
) -> Result<Stopped<R>, E> {
    let mut high = round(most);
    let Some(mut bound) = refused(high)? else { return Ok(Stopped::At(high, None)) };
    let mut lows = [few, least].map(|low| round(low.min(most))).into_iter();
    let mut low = loop {
        match lows.next() {
            None => return Ok(Stopped::Nowhere(bound)),
            Some(low) if low >= high => {}
            Some(low) => match refused(low)? {
                None => break low,
                Some(own) => (high, bound) = (low, own),
            },
        }
    };
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

    fn up_to(limit: f64, ends: [f64; 3], probes: usize) -> (Stopped<&'static str>, usize) {
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
        let ends = [1.0, 100.0, 6000.0];
        assert_eq!(up_to(1e9, ends, 8), (Stopped::At(6000.0, None), 1));
        assert_eq!(up_to(0.5, ends, 8), (Stopped::Nowhere("limit"), 3));
        let (found, looks) = up_to(700.0, ends, 8);
        let Stopped::At(strength, Some(_)) = found else { panic!("{found:?}") };
        assert!((675.0..=700.0).contains(&strength) && looks == 10, "{strength} in {looks}");
        // A hundred are too many.
        let (found, looks) = up_to(41.0, ends, 8);
        assert_eq!((found, looks < 12), (Stopped::At(41.0, Some("limit")), true), "{looks}");
        // Few weights to choose from: neighbours end the search.
        assert_eq!(up_to(3.0, [1.0, 1.0, 5.0], 20).0, Stopped::At(3.0, Some("limit")));
        // One step alone.
        assert_eq!(up_to(0.5, [1.0; 3], 8), (Stopped::Nowhere("limit"), 1));
        assert_eq!(up_to(1.0, [1.0; 3], 8), (Stopped::At(1.0, None), 1));
    }
}
