use std::collections::BTreeMap;
use std::path::Path;

use bias_files::{Tensor, f64s, read_file, save_tensors};
use bias_types::{Site, TokenRole};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use crate::error::ProbeError;

const FORMAT: &str = "bias-stats/1";

/// The most bytes of a file. Two groups at every site of a model of 80 layers take 2 GiB.
const MOST: u64 = 8 << 30;

pub(super) const ROLES: usize = TokenRole::REAL.len();

/// Sums over the tokens of one group and role, channel by channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sums {
    pub count: f64,
    pub sum: Vec<f64>,
    pub square: Vec<f64>,
    /// Empty unless it was asked for.
    pub max: Vec<f64>,
}

impl Sums {
    pub(crate) fn zero(channels: usize, max: bool) -> Self {
        let zeros = vec![0.0; channels];
        let max = if max { zeros.clone() } else { Vec::new() };
        Self { count: 0.0, sum: zeros.clone(), square: zeros, max }
    }

    pub(crate) fn is_finite(&self) -> bool {
        let all = || self.sum.iter().chain(&self.square).chain(&self.max);
        self.count >= 0.0 && self.count.is_finite() && all().all(|v| v.is_finite())
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum.iter_mut().zip(&other.sum).for_each(|(a, b)| *a += b);
        self.square.iter_mut().zip(&other.square).for_each(|(a, b)| *a += b);
        self.max.iter_mut().zip(&other.max).for_each(|(a, b)| *a = a.max(*b));
    }
}

/// Finished statistics of channels, by site, group and token role: see
/// [`StatsCollector`](crate::StatsCollector).
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelStats {
    groups: Vec<String>,
    sequences: Vec<u64>,
    max: bool,
    sums: BTreeMap<Site, Vec<[Sums; ROLES]>>,
    notes: BTreeMap<String, String>,
}

/// One group's tokens at one site, of one or several roles.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupStats {
    sums: Sums,
}

impl GroupStats {
    /// Sum of the weights of the tokens.
    #[must_use]
    pub fn count(&self) -> f64 {
        self.sums.count
    }

    /// `Σ w·x`
    #[must_use]
    pub fn sum(&self) -> &[f64] {
        &self.sums.sum
    }

    /// `Σ w·x²`
    #[must_use]
    pub fn squares(&self) -> &[f64] {
        &self.sums.square
    }

    /// `Σ w·x / Σ w`; 0 without tokens.
    #[must_use]
    pub fn mean(&self) -> Vec<f64> {
        let n = if self.sums.count > 0.0 { self.sums.count } else { 1.0 };
        self.sums.sum.iter().map(|s| s / n).collect()
    }

    /// `Σ w·x² / Σ w − mean²`, not below 0. Where the mean is large compared with the deviation, it
    /// is only as exact as sums in f32.
    #[must_use]
    pub fn variance(&self) -> Vec<f64> {
        let n = if self.sums.count > 0.0 { self.sums.count } else { 1.0 };
        let squares = self.sums.square.iter().map(|s| s / n);
        squares.zip(self.mean()).map(|(s, m)| (s - m * m).max(0.0)).collect()
    }

    /// Largest `|x|`; empty unless it was collected.
    #[must_use]
    pub fn max(&self) -> &[f64] {
        &self.sums.max
    }
}

impl ChannelStats {
    pub(crate) fn new(
        groups: Vec<String>,
        sequences: Vec<u64>,
        max: bool,
        sums: BTreeMap<Site, Vec<[Sums; ROLES]>>,
    ) -> Self {
        Self { groups, sequences, max, sums, notes: BTreeMap::new() }
    }

    /// Names of the groups, by number.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Sequences seen of each group.
    #[must_use]
    pub fn sequences(&self) -> &[u64] {
        &self.sequences
    }

    /// The sites, in forward order.
    pub fn sites(&self) -> impl Iterator<Item = Site> {
        self.sums.keys().copied()
    }

    /// Notes on where the statistics come from (model, prompts, …), kept in their file.
    #[must_use]
    pub fn notes(&self) -> &BTreeMap<String, String> {
        &self.notes
    }

    /// Adds a note.
    #[must_use]
    pub fn with_note(mut self, key: &str, value: impl ToString) -> Self {
        self.notes.insert(key.into(), value.to_string());
        self
    }

    /// A group's tokens of every role at a site; `None` if there is no such site or group.
    #[must_use]
    pub fn of(&self, site: Site, group: usize) -> Option<GroupStats> {
        self.of_roles(site, group, &TokenRole::REAL)
    }

    /// A group's tokens of some roles at a site; `None` if there is no such site or group.
    #[must_use]
    pub fn of_roles(&self, site: Site, group: usize, roles: &[TokenRole]) -> Option<GroupStats> {
        let by_role = self.sums.get(&site)?.get(group)?;
        let mut total = Sums::zero(by_role[0].sum.len(), self.max);
        for (role, sums) in TokenRole::REAL.iter().zip(by_role) {
            if roles.contains(role) {
                total.add(sums);
            }
        }
        Some(GroupStats { sums: total })
    }

    /// Adds the statistics of another shard of the prompts. The order of shards changes the result
    /// only by f64 rounding. Notes that differ are dropped.
    ///
    /// # Errors
    /// [`ProbeError::Mismatch`] when sites, groups or widths differ.
    pub fn merge(mut self, other: &Self) -> Result<Self, ProbeError> {
        let widths = |s: &Self| -> Vec<(Site, usize)> {
            s.sums
                .iter()
                .map(|(site, g)| (*site, g.first().map_or(0, |r| r[0].sum.len())))
                .collect()
        };
        if widths(&self) != widths(other) || self.groups != other.groups || self.max != other.max {
            return Err(ProbeError::Mismatch { left: self.sums.len(), right: other.sums.len() });
        }
        for (mine, theirs) in self.sums.values_mut().flatten().zip(other.sums.values().flatten()) {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| a.add(b));
        }
        self.sequences
            .iter_mut()
            .zip(&other.sequences)
            .for_each(|(a, b)| *a = a.saturating_add(*b));
        self.notes.retain(|key, value| other.notes.get(key) == Some(value));
        Ok(self)
    }

    /// Writes the statistics as safetensors that NumPy reads, by way of a temporary file: f64
    /// tensors `{site}/{sum|square|max}` of shape `[groups, roles, channels]` and `count` of
    /// `[groups, roles]`; metadata `groups`, `roles`, `sequences` and `notes` as JSON.
    ///
    /// # Errors
    /// [`ProbeError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), ProbeError> {
        let mut tensors: Vec<(String, Vec<usize>, Vec<f64>)> = Vec::new();
        let groups = self.groups.len();
        for (site, by_group) in &self.sums {
            let all = || by_group.iter().flatten();
            let width = all().next().map_or(0, |s| s.sum.len());
            let mut put = |name: &str, shape: Vec<usize>, values: Vec<f64>| {
                tensors.push((format!("{site}/{name}"), shape, values));
            };
            put("count", vec![groups, ROLES], all().map(|s| s.count).collect());
            let shape = vec![groups, ROLES, width];
            put("sum", shape.clone(), all().flat_map(|s| s.sum.iter().copied()).collect());
            put("square", shape.clone(), all().flat_map(|s| s.square.iter().copied()).collect());
            if self.max {
                put("max", shape, all().flat_map(|s| s.max.iter().copied()).collect());
            }
        }
        let failed = |source| ProbeError::Write { path: path.into(), source };
        let json = |value: serde_json::Result<String>| value.map_err(|e| failed(e.into()));
        let metadata = BTreeMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("groups".to_owned(), json(serde_json::to_string(&self.groups))?),
            ("roles".to_owned(), json(serde_json::to_string(&TokenRole::REAL))?),
            ("sequences".to_owned(), json(serde_json::to_string(&self.sequences))?),
            ("notes".to_owned(), json(serde_json::to_string(&self.notes))?),
        ]);
        let tensors = tensors
            .iter()
            .map(|(name, shape, own)| (name.clone(), Tensor::f64(shape.clone(), own)));
        save_tensors(path, tensors, &metadata).map_err(failed)
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`ProbeError::NotStatistics`] for anything else.
    pub fn load(path: &Path) -> Result<Self, ProbeError> {
        let bad = |reason: String| ProbeError::NotStatistics { path: path.into(), reason };
        let bytes = read_file(path, MOST).map_err(|e| bad(e.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let entry =
            |key: &str| metadata.get(key).ok_or_else(|| bad(format!("it has no `{key}` entry")));
        let roles = serde_json::to_string(&TokenRole::REAL).map_err(|e| bad(e.to_string()))?;
        if entry("format")? != FORMAT || *entry("roles")? != roles {
            return Err(bad(format!("it is not of format `{FORMAT}` with roles {roles}")));
        }
        let parse = |key: &str| entry(key).map(String::as_str);
        let groups: Vec<String> =
            serde_json::from_str(parse("groups")?).map_err(|e| bad(e.to_string()))?;
        let sequences: Vec<u64> =
            serde_json::from_str(parse("sequences")?).map_err(|e| bad(e.to_string()))?;
        let notes = serde_json::from_str(parse("notes")?).map_err(|e| bad(e.to_string()))?;
        if sequences.len() != groups.len() {
            return Err(bad("it does not say how many sequences each group has".into()));
        }
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
        let mut sums: BTreeMap<Site, Vec<[Sums; ROLES]>> = BTreeMap::new();
        let max = tensors.names().iter().any(|name| name.ends_with("/max"));
        for name in tensors.names().iter().filter_map(|name| name.strip_suffix("/count")) {
            let site: Site =
                name.parse().map_err(|e: bias_types::TypesError| bad(e.to_string()))?;
            let read = |what: &str| -> Result<(Vec<usize>, Vec<f64>), ProbeError> {
                let view =
                    tensors.tensor(&format!("{name}/{what}")).map_err(|e| bad(e.to_string()))?;
                if view.dtype() != Dtype::F64 {
                    return Err(bad(format!("{name}/{what} is not of type F64")));
                }
                Ok((view.shape().to_vec(), f64s(view.data())))
            };
            let ((shape, count), (full, sum)) = (read("count")?, read("sum")?);
            let (squares, square) = read("square")?;
            let width = full.last().copied().unwrap_or(0);
            let (maxima, largest) = if max { read("max")? } else { (full.clone(), Vec::new()) };
            let fits = shape == [groups.len(), ROLES]
                && full == [groups.len(), ROLES, width]
                && squares == full
                && maxima == full;
            if !fits {
                return Err(bad(format!(
                    "{name}: tensors of shapes {shape:?} and {full:?} do not fit"
                )));
            }
            let of = |group: usize, role: usize| {
                let place = group * ROLES + role;
                let span = place * width..(place + 1) * width;
                Sums {
                    count: count[place],
                    sum: sum[span.clone()].to_vec(),
                    square: square[span.clone()].to_vec(),
                    max: if max { largest[span].to_vec() } else { Vec::new() },
                }
            };
            let own: Vec<[Sums; ROLES]> =
                (0..groups.len()).map(|g| std::array::from_fn(|r| of(g, r))).collect();
            if own.iter().flatten().any(|s| !s.is_finite()) {
                return Err(bad(format!("{name} holds values that are not numbers")));
            }
            if sums.insert(site, own).is_some() {
                return Err(bad(format!("{site} stands in it twice")));
            }
        }
        Ok(Self { groups, sequences, max, sums, notes })
    }
}
