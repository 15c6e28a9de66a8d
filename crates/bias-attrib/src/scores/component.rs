use std::fmt;

use bias_types::{Convention, Site, Unit, UnitScores};
use serde::{Deserialize, Serialize};

use crate::error::AttribError;

/// A component that a method intervenes on: a whole activation, or a unit's part of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Component {
    /// All channels of a `[batch, seq, channels]` site that blocks reach.
    Site(Site),
    /// The channels a unit writes: a head's or key/value group's part of the input of
    /// `o_proj`, a neuron's channel of the input of `down_proj`. Single weights have none, and a
    /// layer writes to several.
    Unit(Unit),
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Site(site) => site.fmt(f),
            Self::Unit(unit) => unit.fmt(f),
        }
    }
}

impl From<Site> for Component {
    fn from(site: Site) -> Self {
        Self::Site(site)
    }
}

impl From<Unit> for Component {
    fn from(unit: Unit) -> Self {
        Self::Unit(unit)
    }
}

/// The share of the gap that goes through each component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComponentScores {
    /// The meaning of a large value.
    pub convention: Convention,
    /// Each component with its score, in the order asked for.
    pub scores: Vec<(Component, f32)>,
}

impl ComponentScores {
    /// The score of a component.
    ///
    /// # Errors
    /// [`AttribError::NotScored`].
    pub fn get(&self, component: &Component) -> Result<f32, AttribError> {
        let found = self.scores.iter().find(|(scored, _)| scored == component);
        found
            .map(|(_, score)| *score)
            .ok_or_else(|| AttribError::NotScored { what: component.to_string() })
    }

    /// A copy of the scores without their components, in the order of [`scores`](Self::scores).
    #[cfg(feature = "ndarray-views")]
    #[must_use]
    pub fn to_array(&self) -> ndarray::Array1<f32> {
        self.scores.iter().map(|(_, score)| *score).collect()
    }

    /// The scores of units alone, to rank, add up or prune.
    #[must_use]
    pub fn units(&self) -> UnitScores {
        let units = self.scores.iter().filter_map(|(component, score)| match component {
            Component::Unit(unit) => Some((unit.clone(), *score)),
            Component::Site(_) => None,
        });
        UnitScores { convention: self.convention, scores: units.collect() }
    }
}
