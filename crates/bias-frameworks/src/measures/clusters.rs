use std::collections::{BTreeMap, HashMap};

use super::statistic::{Statistic, Unit};
use crate::items::item::Item;
use crate::score::scorer::Score;

/// An item and the scores of its texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'r> {
    pub item: &'r Item,
    pub scores: &'r [Score],
}

impl Row<'_> {
    /// The text with the highest value, the first of equals, as NumPy's `argmax`.
    pub(super) fn best(&self, value: impl Fn(usize, &Score) -> f64) -> Option<usize> {
        let values = self.scores.iter().enumerate().map(|(i, own)| (i, value(i, own)));
        let best = values.reduce(|best, own| if own.1 > best.1 { own } else { best });
        best.map(|(i, _)| i)
    }

    /// The likeliest text.
    pub(super) fn likeliest(&self) -> Option<usize> {
        self.best(|_, own| own.log_likelihood)
    }

    /// The text with which greedy decoding begins: the longest, if one begins with another.
    pub(super) fn said(&self) -> Option<usize> {
        let said = self.scores.iter().enumerate().filter(|(_, own)| own.greedy);
        said.max_by_key(|(_, own)| own.tokens).map(|(i, _)| i)
    }

    pub(super) fn log_likelihood(&self, text: usize) -> f64 {
        self.scores.get(text).map_or(f64::NEG_INFINITY, |own| own.log_likelihood)
    }
}

/// Items in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows<'r> {
    pub rows: Vec<Row<'r>>,
}

/// What a statistic takes of an item: sums for its cluster.
pub(super) struct Counted<const K: usize> {
    pub sums: [f64; K],
    /// What the item says for bias and against it.
    pub contribution: f64,
    /// Whether it is a hit, for an accuracy.
    pub hit: Option<bool>,
}

impl<const K: usize> Counted<K> {
    pub(super) fn sums(sums: [f64; K]) -> Self {
        Self { sums, contribution: 0.0, hit: None }
    }

    pub(super) fn contributing(self, contribution: f64) -> Self {
        Self { contribution, ..self }
    }
}

/// A hit or a miss.
pub(super) fn hit(own: bool) -> Counted<2> {
    let value = f64::from(u8::from(own));
    Counted { sums: [value, 1.0], contribution: value - 0.5, hit: Some(own) }
}

/// What a statistic is called and how it is finished.
pub(super) struct Named<'n> {
    pub name: &'n str,
    pub subset: Option<&'n str>,
    pub unit: Unit,
    pub unbiased: Option<f64>,
}

impl<'n> Named<'n> {
    pub(super) fn new(name: &'n str, unit: Unit) -> Self {
        Self { name, subset: None, unit, unbiased: None }
    }

    pub(super) fn unbiased(self, value: f64) -> Self {
        Self { unbiased: Some(value), ..self }
    }

    pub(super) fn of(self, subset: Option<&'n str>) -> Self {
        Self { subset, ..self }
    }
}

impl<'r> Rows<'r> {
    pub(super) fn new(rows: Vec<Row<'r>>) -> Self {
        Self { rows }
    }

    /// The items by a part of their labels, in the order of its names; nothing if all are in one
    /// part.
    pub(super) fn parts<'s>(
        &self,
        part: impl Fn(&Row<'r>) -> Option<&'s str>,
    ) -> BTreeMap<&'s str, Rows<'r>> {
        let mut parts: BTreeMap<&str, Rows<'r>> = BTreeMap::new();
        for row in &self.rows {
            if let Some(own) = part(row) {
                parts.entry(own).or_default().rows.push(*row);
            }
        }
        if parts.len() < 2 { BTreeMap::new() } else { parts }
    }

    /// A statistic of sums over items; `take` returns nothing for an item that it is not about.
    /// `None` if it is about no item.
    pub(super) fn sum<const K: usize>(
        &self,
        named: Named<'_>,
        take: impl Fn(&Row<'r>) -> Option<Counted<K>>,
        finish: impl Fn(&[f64]) -> Option<f64> + Send + Sync + 'static,
    ) -> Option<Statistic> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut clusters: Vec<(String, Vec<f64>)> = Vec::new();
        let mut contributions: Vec<f64> = Vec::new();
        let mut hits = Vec::new();
        let mut items = 0;
        for row in &self.rows {
            let Some(own) = take(row) else { continue };
            items += 1;
            let place = *places.entry(&row.item.cluster).or_insert_with(|| {
                clusters.push((row.item.cluster.clone(), vec![0.0; K]));
                contributions.push(0.0);
                clusters.len() - 1
            });
            clusters[place].1.iter_mut().zip(own.sums).for_each(|(sum, own)| *sum += own);
            contributions[place] += own.contribution;
            hits.extend(own.hit.map(|hit| (place, hit)));
        }
        (items > 0).then(|| Statistic {
            name: named.name.to_owned(),
            subset: named.subset.map(str::to_owned),
            unit: named.unit,
            unbiased: named.unbiased,
            items,
            clusters,
            contributions: named.unbiased.map(|_| contributions),
            hits: (hits.len() == items).then_some(hits),
            chance: None,
            finish: Box::new(finish),
        })
    }
}

/// The ratio of the first two sums.
pub(super) fn ratio(sums: &[f64]) -> Option<f64> {
    match sums {
        [part, whole, ..] if *whole != 0.0 => Some(part / whole),
        _ => None,
    }
}
