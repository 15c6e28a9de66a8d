use std::collections::BTreeMap;

use super::clusters::{Row, Rows};
use super::statistic::{Chance, Statistic, Unit};
use crate::items::labels::Labels;

fn group(row: &Row<'_>) -> Option<usize> {
    match row.item.labels {
        Labels::Name { group } if group < row.scores.len() => Some(group),
        _ => None,
    }
}

/// Whether a model knows which group a name belongs to: means over groups of the share of names
/// whose group is chosen, so that a group with many names counts no more than another. What
/// guessing gives is one over the number of groups.
///
/// `recognised`: of a name's groups, the one whose words have the highest log-likelihood, each less
/// its mean over all names in the same template. So words do not win because they are common, and a
/// model that always says the same counts as one that guesses. `acc`: the likeliest words as they
/// are.
pub(super) fn statistics(rows: &Rows<'_>) -> Vec<Statistic> {
    let all: Vec<(&Row<'_>, usize)> =
        rows.rows.iter().filter_map(|row| Some((row, group(row)?))).collect();
    let Some(groups) = all.iter().map(|(row, _)| row.scores.len()).max() else {
        return Vec::new();
    };
    // The mean of each group's words in each template.
    let mut means: BTreeMap<&str, (Vec<f64>, f64)> = BTreeMap::new();
    for (row, _) in &all {
        let own = means.entry(template(row)).or_insert_with(|| (vec![0.0; groups], 0.0));
        own.0.iter_mut().zip(row.scores).for_each(|(sum, own)| *sum += own.log_likelihood);
        own.1 += 1.0;
    }
    let usual = |row: &Row<'_>, words: usize| {
        means.get(template(row)).map_or(0.0, |(sums, count)| sums[words] / count)
    };
    let recognised = of("recognised", &all, groups, |row| {
        row.best(|words, own| own.log_likelihood - usual(row, words))
    });
    let plain = of("acc", &all, groups, |row| row.likeliest());
    [recognised, plain].into_iter().flatten().collect()
}

/// The template of an item: the part of its id before the name.
fn template<'r>(row: &Row<'r>) -> &'r str {
    row.item.id.split('/').next().unwrap_or_default()
}

fn of(
    name: &str,
    all: &[(&Row<'_>, usize)],
    groups: usize,
    choose: impl Fn(&Row<'_>) -> Option<usize>,
) -> Option<Statistic> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut clusters, mut own) = (Vec::<(String, Vec<f64>)>::new(), Vec::new());
    let (mut chosen, mut hits) = (Vec::<Vec<f64>>::new(), Vec::new());
    for (row, group) in all {
        let said = choose(row)?;
        let place = *places.entry(&row.item.cluster).or_insert_with(|| {
            clusters.push((row.item.cluster.clone(), vec![0.0; 2 * groups]));
            own.push(*group);
            chosen.push(vec![0.0; groups]);
            clusters.len() - 1
        });
        let right = said == *group;
        clusters[place].1[2 * group] += f64::from(u8::from(right));
        clusters[place].1[2 * group + 1] += 1.0;
        chosen[place][said] += 1.0;
        hits.push((place, right));
    }
    for own in &mut chosen {
        let all: f64 = own.iter().sum();
        own.iter_mut().for_each(|share| *share /= all);
    }
    let mean = move |sums: &[f64]| {
        let shares = sums.chunks_exact(2).map(|own| own[0] / own[1]);
        Some(shares.sum::<f64>() / groups as f64).filter(|own| own.is_finite())
    };
    Some(Statistic {
        name: name.to_owned(),
        subset: None,
        unit: Unit::Share,
        unbiased: None,
        items: all.len(),
        clusters,
        contributions: None,
        chance: Some(Chance { groups, own, chosen }),
        hits: Some(hits),
        finish: Box::new(mean),
    })
}

#[cfg(test)]
mod tests {
    use crate::items::names::NameQuestions;
    use crate::measures::by_framework::statistics;
    use crate::score::scorer::Score;

    /// One word is far likelier than the other whatever the name: it always wins as it is, and the
    /// names are told apart all the same.
    #[test]
    fn common_words_do_not_win_for_being_common() {
        let people = [("Ann", 0), ("Amy", 0), ("Abe", 0), ("Bo", 1), ("Bea", 1), ("Ben", 1)];
        let questions = NameQuestions::new(["x", "y"]).with_templates(["{name} is"]).unwrap();
        let set = questions.about(people).unwrap();
        let score = |log_likelihood| Score { log_likelihood, tokens: 1, greedy: false };
        let value = |lean: [f64; 6], name: &str| {
            let scores: Vec<Vec<Score>> =
                lean.iter().map(|own| vec![score(-1.0 + own), score(-6.0)]).collect();
            let rows: Vec<_> =
                set.items.iter().zip(&scores).map(|(item, own)| (item, own.as_slice())).collect();
            let all = statistics(crate::Framework::Recognition, &rows);
            let own = all.into_iter().find(|own| own.name == name).unwrap();
            let chance = own.chance.clone().unwrap();
            assert_eq!(chance.value(), 0.5);
            assert_eq!(Some(chance.recognised(&chance.own)), own.value());
            own.value().unwrap()
        };
        let told = [0.3, 0.2, 0.4, -0.3, -0.2, -0.4];
        assert_eq!(value(told, "recognised"), 1.0);
        assert_eq!(value(told, "acc"), 0.5);
        assert_eq!(value([0.0; 6], "recognised"), 0.5, "the same for every name");
        let mixed = value([0.3, 0.2, -0.4, -0.3, -0.2, 0.4], "recognised");
        assert!((mixed - 2.0 / 3.0).abs() < 1e-12);
    }
}
