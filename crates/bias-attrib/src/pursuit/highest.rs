//! The highest of many numbers that are computed piece by piece and not kept.

use std::borrow::Cow;
use std::ops::Range;

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelIterator as _, ParallelExtend as _,
    ParallelIterator as _,
};

/// Numbers to compute before those that are too low are dropped.
const AT_ONCE: usize = 1 << 20;

/// Numbers that one thread computes at a time.
const PIECE: usize = 1 << 16;

/// The indices, in order, of the `most` highest of `count` numbers, of those above zero. Of equal
/// numbers the earlier ones are taken. `of` computes the numbers of a range. Memory holds twice as
/// many as are asked for, and those computed at once.
pub(super) fn highest<'n>(
    count: usize,
    most: usize,
    of: impl Fn(Range<usize>) -> Cow<'n, [f32]> + Sync,
) -> Vec<usize> {
    if most == 0 {
        return Vec::new();
    }
    let mut kept: Vec<(f32, usize)> = Vec::new();
    let mut floor = 0.0;
    for first in (0..count).step_by(AT_ONCE) {
        let candidates = (first..count.min(first + AT_ONCE)).into_par_iter().step_by(PIECE);
        kept.par_extend(candidates.flat_map_iter(|from| {
            let numbers = of(from..count.min(from + PIECE));
            // A number equal to the floor comes after the lowest one kept, so it is too low.
            let high = numbers.iter().enumerate().filter(|(_, number)| **number > floor);
            high.map(|(i, number)| (*number, from + i)).collect::<Vec<_>>()
        }));
        if kept.len() >= 2 * most {
            floor = let_go(&mut kept, most);
        }
    }
    let_go(&mut kept, most);
    let mut indices: Vec<usize> = kept.into_iter().map(|(_, index)| index).collect();
    indices.sort_unstable();
    indices
}

/// Drops all but the `most` highest and returns the lowest of them.
fn let_go(kept: &mut Vec<(f32, usize)>, most: usize) -> f32 {
    if kept.len() <= most {
        return 0.0;
    }
    let (_, last, _) =
        kept.select_nth_unstable_by(most - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let floor = last.0;
    kept.truncate(most);
    floor
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[f32], most: usize) -> Vec<usize> {
        highest(numbers.len(), most, |range| Cow::Borrowed(&numbers[range]))
    }

    #[test]
    fn the_highest_are_those_of_a_sorted_list() {
        let random = |i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as f32 - 100.0;
        let cases = [(0, 3), (2, 3), (6, 3), (7, 3), (1000, 64), (1000, 1000), (40, 1), (9, 0)];
        // More than are made at once, and many more than are kept.
        for (count, most) in cases.into_iter().chain([(AT_ONCE as u32 + 70_000, 500)]) {
            let numbers: Vec<f32> = (0..count).map(random).collect();
            let mut expected: Vec<usize> =
                (0..numbers.len()).filter(|j| numbers[*j] > 0.0).collect();
            expected.sort_by(|a, b| numbers[*b].total_cmp(&numbers[*a]).then(a.cmp(b)));
            expected.truncate(most);
            expected.sort_unstable();
            assert_eq!(of(&numbers, most), expected, "{most} of {count}");
        }
        assert!(of(&[f32::NAN, -1.0, 0.0], 2).is_empty());
    }
}
