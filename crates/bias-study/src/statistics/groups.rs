//! More than two groups: the differences between the groups of names within and across the two
//! groups compared.

use bias_metrics::{Arm, MetricError, NameMoments};
use bias_types::prompt::Group;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::measure::Measure;
use super::measured::Measured;
use super::reference::Reference;
use super::tested::Tested;
use crate::plan::Test;
use crate::prompts::{Names, PromptSet};
use crate::results::{GroupDifferences, GroupPair, Scope, Strategy, quoted};
use crate::seed::derived_seed;

/// The number of random assignments of names to groups.
const DRAWS: usize = 1000;

/// The differences in every context of the unpruned model, or in a mask's own context.
pub(crate) fn group_differences(
    prompts: &PromptSet,
    reference: &Reference,
    pruned: Option<(&Strategy, &Tested, &[Test])>,
    measure: &Measure,
    seed: u64,
) -> Result<Vec<GroupDifferences>, MetricError> {
    let Some((strategy, tested, tests)) = pruned else {
        let of = |c: usize| {
            let all: Vec<&Measured> =
                reference.measured.range((c, 0)..(c + 1, 0)).map(|(_, m)| m).collect();
            differences(prompts, c, Names::Everybody, None, [&all, &all], measure, seed)
        };
        return (0..prompts.contexts.len()).filter_map(|c| of(c).transpose()).collect();
    };
    let own = tests.iter().filter(|test| matches!(test.scope, Scope::HeldOut | Scope::All));
    let of = |test: &Test| {
        let [before, after] = tested.measured(test, reference);
        differences(
            prompts,
            test.context,
            prompts.tested(),
            Some(strategy),
            [&before, &after],
            measure,
            seed,
        )
    };
    own.filter_map(|test| of(test).transpose()).collect()
}

/// `None` if there are no two groups with two names each.
fn differences(
    prompts: &PromptSet,
    context: usize,
    names: Names,
    strategy: Option<&Strategy>,
    [before, after]: [&[&Measured]; 2],
    measure: &Measure,
    seed: u64,
) -> Result<Option<GroupDifferences>, MetricError> {
    let own = &prompts.contexts[context];
    let people = own.variations[0].people.iter().filter(|person| names.include(person.split));
    let groups: Vec<&Group> = people.map(|person| &person.group).collect();
    let mut known: Vec<&Group> = Vec::new();
    for group in &groups {
        let size = groups.iter().filter(|own| own == &group).count();
        if size > 1 && !known.contains(group) {
            known.push(group);
        }
    }
    if known.len() < 2 {
        return Ok(None);
    }
    let mut pairs = Vec::new();
    for (i, first) in known.iter().enumerate() {
        for second in &known[i + 1..] {
            let of = |all: &[&Measured]| -> Vec<Measured> {
                all.iter().map(|own| compared(own, &groups, first, second)).collect()
            };
            let (before, after) = (of(before), of(after));
            let (before, after) =
                (before.iter().collect::<Vec<_>>(), after.iter().collect::<Vec<_>>());
            let arms: Vec<Arm> = after
                .first()
                .map(|m| m.moments.iter().map(|m| m.arm).collect())
                .unwrap_or_default();
            pairs.push(GroupPair {
                groups: [(*first).clone(), (*second).clone()],
                signed: measure.estimate(&arms, |picks| measure.mean_signed(&after, picks))?,
                bias: measure.estimate(&arms, |picks| measure.mean_abs(&after, picks))?,
                before: Measure::of_everybody(&arms, |picks| measure.mean_abs(&before, picks))?,
            });
        }
    }
    let place: Vec<Option<usize>> =
        groups.iter().map(|group| known.iter().position(|own| own == group)).collect();
    let observed = spread(after, &place, known.len());
    let spread_p = observed.map(|observed| {
        let of = strategy.map_or("None".into(), |own| format!("Some({})", quoted(&own.id)));
        let what = format!("groups {} {of}", own.context);
        let mut rng = ChaCha8Rng::seed_from_u64(derived_seed(seed, &what));
        let mut drawn = place.clone();
        let as_far = (0..DRAWS).filter(|_| {
            drawn.shuffle(&mut rng);
            spread(after, &drawn, known.len()).is_some_and(|own| own >= observed * (1.0 - 1e-12))
        });
        (1.0 + as_far.count() as f64) / (1.0 + DRAWS as f64)
    });
    Ok(Some(GroupDifferences {
        context: own.context.clone(),
        strategy: strategy.map(|own| own.id.clone()),
        pairs,
        spread: observed.unwrap_or(f64::NAN),
        spread_before: spread(before, &place, known.len()).unwrap_or(f64::NAN),
        spread_p,
    }))
}

/// The people of two groups only, the first as A.
fn compared(all: &Measured, groups: &[&Group], first: &Group, second: &Group) -> Measured {
    let side = |group: &Group| match group {
        group if group == first => Some(Arm::A),
        group if group == second => Some(Arm::B),
        _ => None,
    };
    let own = all.moments.iter().zip(groups).filter_map(|(m, group)| Some((side(group)?, m)));
    let mut moments: Vec<NameMoments> = own.map(|(arm, m)| NameMoments { arm, ..*m }).collect();
    moments.sort_by_key(|m| m.arm);
    Measured { moments, shares: Vec::new(), unanswered: Vec::new(), bounds: None, ..*all }
}

/// Cohen's *f*, as a mean over the variations that have one. `groups` gives the group of each name.
fn spread(all: &[&Measured], groups: &[Option<usize>], count: usize) -> Option<f64> {
    let of = |own: &Measured| {
        let mut sums = vec![NameMoments::empty(Arm::A); count];
        for (moments, group) in own.moments.iter().zip(groups) {
            if let Some(sum) = group.and_then(|g| sums.get_mut(g)) {
                *sum = sum.merge(moments);
            }
        }
        let total: f64 = sums.iter().map(|sum| sum.weight).sum();
        let mean = sums.iter().map(|sum| sum.weight * sum.mean).sum::<f64>() / total;
        let between = sums.iter().map(|sum| sum.weight * (sum.mean - mean).powi(2)).sum::<f64>();
        let within: f64 = sums.iter().map(|sum| sum.m2).sum();
        Some((between / within).sqrt()).filter(|f| f.is_finite())
    };
    let found: Vec<f64> = all.iter().filter_map(|own| of(own)).collect();
    (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
}

#[cfg(test)]
mod tests {
    use bias_metrics::Weighting;

    use super::*;

    fn measured(values: &[[f64; 2]]) -> Measured {
        let moments = values.iter().map(|own| NameMoments::of(Arm::A, &own.map(|v| (v, 1.0))));
        Measured {
            moments: moments.collect(),
            weighting: Weighting::Probability,
            shares: Vec::new(),
            unanswered: Vec::new(),
            unexplored: 0.0,
            estimated: 0.0,
            bounds: None,
        }
    }

    #[test]
    fn spread_is_cohens_f() {
        // Group means 1, 2 and 6 around 3, every deviation within a group 1.
        let all = measured(&[[0.0, 2.0], [1.0, 3.0], [5.0, 7.0]]);
        let found = spread(&[&all], &[Some(0), Some(1), Some(2)], 3).unwrap();
        assert!((found - (14.0f64 / 3.0).sqrt()).abs() < 1e-12, "{found}");
        // Whoever belongs nowhere does not count; who never varies has no scale.
        let found = spread(&[&all], &[Some(0), Some(1), None], 2).unwrap();
        assert!((found - 0.5).abs() < 1e-12, "{found}");
        assert_eq!(spread(&[&measured(&[[1.0, 1.0], [2.0, 2.0]])], &[Some(0), Some(1)], 2), None);
    }

    #[test]
    fn two_groups_are_compared_the_first_as_a() {
        let groups: Vec<Group> = ["x_1", "x_2", "y_1"].iter().map(|g| g.parse().unwrap()).collect();
        let all = measured(&[[0.0, 2.0], [1.0, 3.0], [5.0, 7.0]]);
        let own = compared(&all, &groups.iter().collect::<Vec<_>>(), &groups[2], &groups[0]);
        let found: Vec<(Arm, f64)> = own.moments.iter().map(|m| (m.arm, m.mean)).collect();
        assert_eq!(found, [(Arm::A, 6.0), (Arm::B, 1.0)]);
    }
}
