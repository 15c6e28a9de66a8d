use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

/// The common parts of two sequences, as Python's `difflib.SequenceMatcher(autojunk=False)` finds
/// them (Ratcliff & Metzener 1988): the longest common block, the first of equals, then the same to
/// its left and its right. Returns pairs of positions, in order.
pub(crate) fn shared_places<T: Eq + Hash>(a: &[T], b: &[T]) -> Vec<(usize, usize)> {
    let mut places_in_b: HashMap<&T, Vec<usize>> = HashMap::new();
    for (j, token) in b.iter().enumerate() {
        places_in_b.entry(token).or_default().push(j);
    }
    let mut found = Vec::new();
    let mut open = vec![(0..a.len(), 0..b.len())];
    while let Some((of_a, of_b)) = open.pop() {
        let (i, j, length) = longest(a, &places_in_b, &of_a, &of_b);
        if length > 0 {
            found.extend((0..length).map(|k| (i + k, j + k)));
            open.push((of_a.start..i, of_b.start..j));
            open.push((i + length..of_a.end, j + length..of_b.end));
        }
    }
    found.sort_unstable();
    found
}

/// The longest block within both ranges: its start in each, and its length.
fn longest<T: Eq + Hash>(
    a: &[T],
    places_in_b: &HashMap<&T, Vec<usize>>,
    of_a: &Range<usize>,
    of_b: &Range<usize>,
) -> (usize, usize, usize) {
    let mut best = (of_a.start, of_b.start, 0);
    // Length of the block that ends at the last token of `a` and each place in `b`.
    let mut ending: HashMap<usize, usize> = HashMap::new();
    for i in of_a.clone() {
        let mut next = HashMap::new();
        for &j in places_in_b.get(&a[i]).into_iter().flatten().filter(|j| of_b.contains(j)) {
            let before = j.checked_sub(1).and_then(|j| ending.get(&j)).copied().unwrap_or(0);
            let length = before + 1;
            next.insert(j, length);
            if length > best.2 {
                best = (i + 1 - length, j + 1 - length, length);
            }
        }
        ending = next;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(a: &str, b: &str) -> String {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        shared_places(&a, &b)
            .into_iter()
            .map(|(i, j)| {
                assert_eq!(a[i], b[j]);
                a[i]
            })
            .collect()
    }

    /// Expected: `difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()` of
    /// Python 3.11.
    #[test]
    fn blocks_are_those_of_difflib() {
        assert_eq!(shared("abxcd", "abcd"), "abcd");
        assert_eq!(shared("private Thread", "private volatile Thread"), "private Thread");
        assert_eq!(shared("qabxcd", "abycdf"), "abcd");
        assert_eq!(shared("axbxcxdefg", "abcdefgaxb"), "abcdefg");
        assert_eq!(shared("aaaa", "aa"), "aa");
        assert_eq!(shared("", "abc"), "");
        assert_eq!(shared("abc", "def"), "");
    }
}
