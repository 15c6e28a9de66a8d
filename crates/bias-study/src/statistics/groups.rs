//! More than two groups: the differences between the groups of names within and across the two
//! groups compared.

use std::collections::HashMap;

use bias_metrics::effect::cohens_f;
use bias_metrics::inference::{LabelShuffles, holm};
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
use crate::prompts::{Names, Person, PromptSet};
use crate::results::{GroupDifferences, GroupPair, Scope, Strategy, quoted};
use crate::seed::derived_seed;

/// The number of random assignments of names to groups.
const DRAWS: usize = 1000;

/// The number of random assignments for the groups of a further attribute.
const DRAWS_BY: usize = 1999;

/// The differences between groups of names, and between those of every further attribute, in every
/// context of the unpruned model or in a mask's own context.
pub(crate) fn group_differences(
    prompts: &PromptSet,
    reference: &Reference,
    pruned: Option<(&Strategy, &Tested, &[Test])>,
    measure: &Measure,
    seed: u64,
) -> Result<Vec<GroupDifferences>, MetricError> {
    let mut all = differences_by(prompts, reference, None, pruned, measure, seed)?;
    for by in 0..prompts.by.len() {
        all.extend(differences_by(prompts, reference, Some(by), pruned, measure, seed)?);
    }
    Ok(all)
}

/// The same for the groups of names, or for those of one further attribute.
pub(crate) fn differences_by(
    prompts: &PromptSet,
    reference: &Reference,
    by: Option<usize>,
    pruned: Option<(&Strategy, &Tested, &[Test])>,
    measure: &Measure,
    seed: u64,
) -> Result<Vec<GroupDifferences>, MetricError> {
    let Some((strategy, tested, tests)) = pruned else {
        let of = |c: usize| {
            let all: Vec<&Measured> =
                reference.measured.range((c, 0)..(c + 1, 0)).map(|(_, m)| m).collect();
            differences(prompts, c, by, Names::Everybody, None, [&all, &all], measure, seed)
        };
        return (0..prompts.contexts.len()).filter_map(|c| of(c).transpose()).collect();
    };
    let own = tests.iter().filter(|test| matches!(test.scope, Scope::HeldOut | Scope::All));
    let of = |test: &Test| {
        let [before, after] = tested.measured(test, reference);
        differences(
            prompts,
            test.context,
            by,
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
#[allow(clippy::too_many_arguments, reason = "each says something else")]
fn differences(
    prompts: &PromptSet,
    context: usize,
    by: Option<usize>,
    names: Names,
    strategy: Option<&Strategy>,
    [before, after]: [&[&Measured]; 2],
    measure: &Measure,
    seed: u64,
) -> Result<Option<GroupDifferences>, MetricError> {
    let own = &prompts.contexts[context];
    let people = own.variations[0].people.iter().filter(|person| names.include(person.split));
    let groups: Vec<&Group> = people.filter_map(|person| group_of(person, by)).collect();
    let known = with_two_names(&groups);
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
                p: by.map(|_| dealt(&after, &arms, measure, seed)).transpose()?.flatten(),
                holm: None,
            });
        }
    }
    let p: Vec<f64> = pairs.iter().filter_map(|own| own.p).collect();
    let tested = pairs.iter_mut().filter(|own| own.p.is_some());
    for (own, p) in tested.zip(holm(&p)?) {
        own.holm = Some(p);
    }
    let places: HashMap<&Group, usize> =
        known.iter().enumerate().map(|(at, group)| (*group, at)).collect();
    let place: Vec<Option<usize>> = groups.iter().map(|group| places.get(group).copied()).collect();
    let observed = spread(after, &place, known.len());
    if let Some(by) = by {
        let labels: Vec<usize> = place.iter().map(|own| own.unwrap_or(known.len())).collect();
        let all = known.len();
        let of = |labels: &[usize]| {
            let place: Vec<Option<usize>> =
                labels.iter().map(|own| Some(*own).filter(|own| *own < all)).collect();
            spread(after, &place, all).unwrap_or(f64::NAN)
        };
        let found = observed.map(|_| LabelShuffles::new(seed).draws(DRAWS_BY)?.test(&labels, of));
        let found = found.transpose()?;
        return Ok(Some(GroupDifferences {
            context: own.context.clone(),
            strategy: strategy.map(|own| own.id.clone()),
            attribute: prompts.by.get(by).map(|own| own.name.clone()),
            pairs,
            spread: observed.unwrap_or(f64::NAN),
            spread_before: spread(before, &place, known.len()).unwrap_or(f64::NAN),
            spread_p: found.map(|own| own.p),
            spread_by_chance: found.map(|own| own.by_chance),
        }));
    }
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
        attribute: None,
        pairs,
        spread: observed.unwrap_or(f64::NAN),
        spread_before: spread(before, &place, known.len()).unwrap_or(f64::NAN),
        spread_p,
        spread_by_chance: None,
    }))
}

/// The groups that two names or more belong to, each once, in the order of the names.
fn with_two_names<'g>(groups: &[&'g Group]) -> Vec<&'g Group> {
    let mut sizes: HashMap<&Group, usize> = HashMap::new();
    groups.iter().for_each(|group| *sizes.entry(group).or_default() += 1);
    let first_of_two = |group: &&&Group| sizes.remove(**group).is_some_and(|size| size > 1);
    groups.iter().filter(first_of_two).copied().collect()
}

/// The group of a person: of names, or of a further attribute.
fn group_of(person: &Person, by: Option<usize>) -> Option<&Group> {
    by.map_or(Some(&person.group), |by| person.by.get(by))
}

/// How often names dealt to two groups at random have as large a mean signed SMD, on either side.
fn dealt(
    all: &[&Measured],
    arms: &[Arm],
    measure: &Measure,
    seed: u64,
) -> Result<Option<f64>, MetricError> {
    let labels: Vec<usize> = arms.iter().map(|arm| usize::from(*arm == Arm::B)).collect();
    let everybody: Vec<usize> = (0..arms.len()).collect();
    let of = |labels: &[usize]| {
        let dealt: Vec<Measured> = all.iter().map(|own| relabelled(own, labels)).collect();
        let dealt: Vec<&Measured> = dealt.iter().collect();
        let own = measure.mean_signed(&dealt, &everybody).ok().flatten();
        own.map_or(f64::NAN, f64::abs)
    };
    if !of(&labels).is_finite() {
        return Ok(None);
    }
    Ok(Some(LabelShuffles::new(seed).draws(DRAWS_BY)?.test(&labels, of)?.p))
}

/// The same people on other sides.
fn relabelled(all: &Measured, labels: &[usize]) -> Measured {
    let arm = |label: &usize| if *label == 0 { Arm::A } else { Arm::B };
    let own = all.moments.iter().zip(labels);
    let moments = own.map(|(m, label)| NameMoments { arm: arm(label), ..*m }).collect();
    Measured { moments, shares: Vec::new(), unanswered: Vec::new(), bounds: None, ..*all }
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
    let found: Vec<f64> =
        all.iter().filter_map(|own| cohens_f(&own.moments, groups, count)).collect();
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

    /// Every pair of these names compared once would take minutes.
    #[test]
    fn groups_of_many_names_are_counted_at_once() {
        let group = |at: usize| format!("g_{}", at / 2).parse().unwrap();
        let groups: Vec<Group> = (0..400_001).map(group).collect();
        let found = with_two_names(&groups.iter().collect::<Vec<_>>());
        assert_eq!(found.len(), 200_000);
        assert_eq!((found[0], found[199_999]), (&groups[0], &groups[399_998]));
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
