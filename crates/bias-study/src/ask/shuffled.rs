use std::collections::BTreeMap;

use bias_metrics::Arm;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::prompts::Person;

/// Deals people to two sides: half of every group of names goes to each, and half of either arm. Of
/// an odd arm, the first side gets one more, so of two odd arms too: otherwise the sides would differ
/// in their arms. People come by their index.
pub(super) fn shuffled(people: &[(usize, &Person)], seed: u64) -> BTreeMap<usize, Arm> {
    let mut strata: BTreeMap<(Arm, &str), Vec<(&str, usize)>> = BTreeMap::new();
    for (index, person) in people {
        let own = strata.entry((person.arm, person.group.as_str())).or_default();
        own.push((person.name.as_str(), *index));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut sides, mut dealt) = (BTreeMap::new(), BTreeMap::<Arm, usize>::new());
    for ((arm, _), own) in &mut strata {
        let dealt = dealt.entry(*arm).or_default();
        own.sort_unstable();
        own.shuffle(&mut rng);
        for (_, index) in own {
            sides.insert(*index, if dealt.is_multiple_of(2) { Arm::A } else { Arm::B });
            *dealt += 1;
        }
    }
    sides
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Split;

    #[test]
    fn each_group_goes_half_to_either_side_and_names_keep_theirs() {
        let person = |arm, group: &str, name: String| Person {
            arm,
            name,
            group: group.parse().unwrap(),
            text: String::new(),
            split: Split::Attribution,
            by: Vec::new(),
        };
        let mut people = Vec::new();
        for (arm, group) in [(Arm::A, "white_women"), (Arm::A, "white_men"), (Arm::B, "black_men")]
        {
            people.extend((0..6).map(|i| person(arm, group, format!("{group} {i}"))));
        }
        let indexed: Vec<(usize, &Person)> = people.iter().enumerate().collect();
        let sides = shuffled(&indexed, 3);
        for from in [0, 6, 12] {
            let own = (from..from + 6).filter(|index| sides[index] == Arm::A).count();
            assert_eq!(own, 3, "{sides:?}");
        }
        // Whatever the indices are, the names decide.
        let moved: Vec<(usize, &Person)> =
            people.iter().enumerate().map(|(index, own)| (17 - index, own)).rev().collect();
        let again = shuffled(&moved, 3);
        assert!((0..18).all(|index| sides[&index] == again[&(17 - index)]));
        assert_ne!(sides, shuffled(&indexed, 4));
        // Five of either arm: each side has as many of one as of the other.
        let odd: Vec<_> = indexed.iter().filter(|(i, _)| i % 6 < 5 && *i >= 6).copied().collect();
        let sides = shuffled(&odd, 3);
        let from = |arm| odd.iter().filter(|(i, own)| own.arm == arm && sides[i] == Arm::A).count();
        assert_eq!([Arm::A, Arm::B].map(from), [3, 3], "{sides:?}");
    }
}
