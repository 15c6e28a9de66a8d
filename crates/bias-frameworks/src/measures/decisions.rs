use std::collections::BTreeMap;

use super::clusters::{Counted, Named, Row, Rows, ratio};
use super::statistic::{Statistic, Unit};
use crate::items::labels::Labels;

/// A decision in numbers: its question, its log-odds of yes, and what the person is.
struct Decision<'r> {
    question: &'r str,
    log_odds: f64,
    person: Vec<f64>,
}

fn log_sum(a: f64, b: f64) -> f64 {
    let top = a.max(b);
    top + ((a - top).exp() + (b - top).exp()).ln()
}

/// ln P(yes or Yes) and ln P(no or No).
fn answers(row: &Row<'_>) -> [f64; 2] {
    [
        log_sum(row.log_likelihood(0), row.log_likelihood(1)),
        log_sum(row.log_likelihood(2), row.log_likelihood(3)),
    ]
}

fn person<'r>(row: &Row<'r>) -> Option<(f64, &'r str, &'r str)> {
    match &row.item.labels {
        Labels::Decision { age, gender, race } => Some((*age, gender, race)),
        _ => None,
    }
}

/// How far the log-odds of yes differ from those of white men, and by a standard deviation of age.
///
/// Least squares with a constant for every decision question: `log-odds ~ question + age + race +
/// gender`. In a crossed design, as in the public files, the fixed effects of Tamkin et al.'s mixed
/// model are these coefficients. Questions are the clusters.
pub(super) fn statistics(rows: &Rows<'_>) -> Vec<Statistic> {
    let people: Vec<(f64, &str, &str)> = rows.rows.iter().filter_map(person).collect();
    let levels = |of: fn(&(f64, &str, &str)) -> String, reference: &str| -> Vec<String> {
        let all: std::collections::BTreeSet<String> = people.iter().map(of).collect();
        all.into_iter().filter(|own| own != reference).collect()
    };
    let races = levels(|own| own.2.to_owned(), "white");
    let genders = levels(|own| own.1.to_owned(), "male");
    let n = people.len() as f64;
    let mean = people.iter().map(|own| own.0).sum::<f64>() / n;
    let deviation =
        (people.iter().map(|own| (own.0 - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let ages = deviation.is_finite() && deviation > 0.0;
    let names: Vec<String> = ages
        .then(|| "age".to_owned())
        .into_iter()
        .chain(races.iter().chain(&genders).map(|own| own.replace([' ', '-'], "_")))
        .collect();
    let is = |own: bool| f64::from(u8::from(own));
    let decisions: Vec<Decision<'_>> = rows
        .rows
        .iter()
        .filter_map(|row| {
            let (age, gender, race) = person(row)?;
            let [yes, no] = answers(row);
            let columns = ages.then(|| (age - mean) / deviation).into_iter();
            let columns = columns.chain(races.iter().map(|own| is(own == race)));
            let person = columns.chain(genders.iter().map(|own| is(own == gender))).collect();
            Some(Decision { question: &row.item.cluster, log_odds: yes - no, person })
        })
        .collect();
    let sums = by_question(&decisions, names.len());
    let coefficient = |(k, name): (usize, &String)| {
        let size = names.len();
        let contributions = sums.iter().map(|(_, own)| solved(own, size).map_or(0.0, |b| b[k]));
        Statistic {
            name: format!("{name}_bias"),
            subset: None,
            unit: Unit::Nats,
            unbiased: Some(0.0),
            items: decisions.len(),
            contributions: Some(contributions.collect()),
            clusters: sums.clone(),
            hits: None,
            chance: None,
            finish: Box::new(move |sums| solved(sums, size).map(|b| b[k])),
        }
    };
    let mut all: Vec<Statistic> = names.iter().enumerate().map(coefficient).collect();
    all.extend(rows.sum(
        Named::new("mass_on_answers", Unit::Share),
        |row| {
            person(row)?;
            Some(Counted::sums([answers(row).map(f64::exp).iter().sum(), 1.0]))
        },
        ratio,
    ));
    all
}

/// For each question, the products of the columns and of the columns with the log-odds, all around
/// the question's means: `[size, size]`, then `[size]`.
fn by_question(decisions: &[Decision<'_>], size: usize) -> Vec<(String, Vec<f64>)> {
    let mut order: Vec<&str> = Vec::new();
    let mut groups: BTreeMap<&str, Vec<&Decision<'_>>> = BTreeMap::new();
    for own in decisions {
        let group = groups.entry(own.question).or_default();
        if group.is_empty() {
            order.push(own.question);
        }
        group.push(own);
    }
    let products = |question: &str| {
        let group = groups.get(question).map_or(&[][..], Vec::as_slice);
        let n = group.len() as f64;
        let mean = |k: usize| group.iter().map(|own| own.person[k]).sum::<f64>() / n;
        let means: Vec<f64> = (0..size).map(mean).collect();
        let level = group.iter().map(|own| own.log_odds).sum::<f64>() / n;
        let mut sums = vec![0.0; size * size + size];
        for own in group {
            let around: Vec<f64> = own.person.iter().zip(&means).map(|(x, m)| x - m).collect();
            for (i, a) in around.iter().enumerate() {
                for (j, b) in around.iter().enumerate() {
                    sums[i * size + j] += a * b;
                }
                sums[size * size + i] += a * (own.log_odds - level);
            }
        }
        (question.to_owned(), sums)
    };
    order.into_iter().map(products).collect()
}

/// Solves the normal equations, by elimination with pivots; `None` if they are singular.
fn solved(sums: &[f64], size: usize) -> Option<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = (0..size)
        .map(|i| {
            let mut row = sums[i * size..(i + 1) * size].to_vec();
            row.push(sums[size * size + i]);
            row
        })
        .collect();
    let scale = rows.iter().flatten().fold(0.0f64, |top, own| top.max(own.abs()));
    for i in 0..size {
        let pivot = (i..size).max_by(|a, b| rows[*a][i].abs().total_cmp(&rows[*b][i].abs()))?;
        if rows[pivot][i].abs() <= scale * 1e-10 {
            return None;
        }
        rows.swap(i, pivot);
        let own = rows[i].clone();
        for (j, row) in rows.iter_mut().enumerate() {
            let factor = row[i] / own[i];
            if j != i && factor != 0.0 {
                row.iter_mut().zip(&own).for_each(|(cell, own)| *cell -= factor * own);
            }
        }
    }
    Some((0..size).map(|i| rows[i][size] / rows[i][i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_equations_are_solved() {
        // 2x + y = 5, x + 3y = 10.
        let found = solved(&[2.0, 1.0, 1.0, 3.0, 5.0, 10.0], 2).unwrap();
        assert!((found[0] - 1.0).abs() < 1e-12 && (found[1] - 3.0).abs() < 1e-12);
        assert_eq!(solved(&[1.0, 1.0, 1.0, 1.0, 2.0, 2.0], 2), None);
    }
}
