use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::number::canonical;
use super::param_path::ParamPath;
use crate::error::TypesError;

/// The kinds of unit that can be scored and pruned.
///
/// The paper's "neuron" is a [`UnitKind::Weight`] here; a [`UnitKind::Neuron`]
/// is a whole MLP channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitKind {
    /// One scalar of one matrix.
    Weight,
    /// One MLP channel: a row of gate and up, a column of down.
    Neuron,
    /// One query head.
    Head,
    /// One key/value head, with the query heads that attend to it.
    KvGroup,
    /// One expert of a mixture: its channels of the MLP.
    Expert,
    /// One decoder block.
    Layer,
}

impl UnitKind {
    /// Every kind, from small to large.
    pub const ALL: [Self; 6] =
        [Self::Weight, Self::Neuron, Self::Head, Self::KvGroup, Self::Expert, Self::Layer];
}

impl fmt::Display for UnitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weight => "weight",
            Self::Neuron => "neuron",
            Self::Head => "head",
            Self::KvGroup => "key/value group",
            Self::Expert => "expert",
            Self::Layer => "layer",
        })
    }
}

impl FromStr for UnitKind {
    type Err = TypesError;

    fn from_str(text: &str) -> Result<Self, TypesError> {
        Self::ALL.into_iter().find(|kind| kind.to_string() == text).ok_or_else(|| {
            TypesError::Parse {
                kind: "kind of unit",
                text: text.into(),
                expected: "`weight`, `neuron`, `head`, `key/value group`, `expert` or `layer`",
            }
        })
    }
}

/// One query head of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HeadId {
    /// Decoder block, from 0.
    pub layer: usize,
    /// Query head within it, from 0.
    pub head: usize,
}

impl HeadId {
    /// Head `head` of layer `layer`.
    #[must_use]
    pub fn new(layer: usize, head: usize) -> Self {
        Self { layer, head }
    }
}

/// One key/value head of one layer, with the query heads that attend to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KvGroupId {
    /// Decoder block, from 0.
    pub layer: usize,
    /// Key/value head within it, from 0.
    pub group: usize,
}

impl KvGroupId {
    /// Key/value head `group` of layer `layer`.
    #[must_use]
    pub fn new(layer: usize, group: usize) -> Self {
        Self { layer, group }
    }
}

/// One MLP channel of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NeuronId {
    /// Decoder block, from 0.
    pub layer: usize,
    /// Channel within its MLP, from 0.
    pub neuron: usize,
}

impl NeuronId {
    /// Neuron `neuron` of layer `layer`.
    #[must_use]
    pub fn new(layer: usize, neuron: usize) -> Self {
        Self { layer, neuron }
    }
}

/// One expert of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExpertId {
    /// Decoder block, from 0.
    pub layer: usize,
    /// Expert within it, from 0. The one that every token reaches is the last.
    pub expert: usize,
}

impl ExpertId {
    /// Expert `expert` of layer `layer`.
    #[must_use]
    pub fn new(layer: usize, expert: usize) -> Self {
        Self { layer, expert }
    }
}

/// One unit that can be pruned.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Unit {
    /// The scalar at flat row-major index `.1` of a matrix in `[out, in]` order.
    Weight(ParamPath, usize),
    /// A whole MLP channel.
    Neuron(NeuronId),
    /// A query head.
    Head(HeadId),
    /// A key/value head and its query heads.
    KvGroup(KvGroupId),
    /// An expert of a mixture.
    Expert(ExpertId),
    /// A whole decoder block, from 0.
    Layer(usize),
}

impl Unit {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> UnitKind {
        match self {
            Self::Weight(..) => UnitKind::Weight,
            Self::Neuron(_) => UnitKind::Neuron,
            Self::Head(_) => UnitKind::Head,
            Self::KvGroup(_) => UnitKind::KvGroup,
            Self::Expert(_) => UnitKind::Expert,
            Self::Layer(_) => UnitKind::Layer,
        }
    }
}

impl fmt::Display for HeadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}H{}", self.layer, self.head)
    }
}

impl fmt::Display for KvGroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}G{}", self.layer, self.group)
    }
}

impl fmt::Display for NeuronId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}N{}", self.layer, self.neuron)
    }
}

impl fmt::Display for ExpertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}E{}", self.layer, self.expert)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weight(path, index) => write!(f, "{path}[{index}]"),
            Self::Neuron(id) => id.fmt(f),
            Self::Head(id) => id.fmt(f),
            Self::KvGroup(id) => id.fmt(f),
            Self::Expert(id) => id.fmt(f),
            Self::Layer(layer) => write!(f, "L{layer}"),
        }
    }
}

fn layered(text: &str, letter: char) -> Option<(usize, usize)> {
    let (layer, index) = text.strip_prefix('L')?.split_once(letter)?;
    Some((canonical(layer)?, canonical(index)?))
}

impl FromStr for HeadId {
    type Err = TypesError;

    fn from_str(text: &str) -> Result<Self, TypesError> {
        layered(text, 'H').map(|(l, h)| Self::new(l, h)).ok_or_else(|| TypesError::Parse {
            kind: "head",
            text: text.into(),
            expected: "layer and head as `L3H1`",
        })
    }
}

impl FromStr for KvGroupId {
    type Err = TypesError;

    fn from_str(text: &str) -> Result<Self, TypesError> {
        layered(text, 'G').map(|(l, g)| Self::new(l, g)).ok_or_else(|| TypesError::Parse {
            kind: "key/value group",
            text: text.into(),
            expected: "layer and key/value head as `L3G0`",
        })
    }
}

impl FromStr for NeuronId {
    type Err = TypesError;

    fn from_str(text: &str) -> Result<Self, TypesError> {
        layered(text, 'N').map(|(l, n)| Self::new(l, n)).ok_or_else(|| TypesError::Parse {
            kind: "neuron",
            text: text.into(),
            expected: "layer and neuron as `L3N17`",
        })
    }
}

impl FromStr for ExpertId {
    type Err = TypesError;

    fn from_str(text: &str) -> Result<Self, TypesError> {
        layered(text, 'E').map(|(l, e)| Self::new(l, e)).ok_or_else(|| TypesError::Parse {
            kind: "expert",
            text: text.into(),
            expected: "layer and expert as `L3E5`",
        })
    }
}

impl FromStr for Unit {
    type Err = TypesError;

    fn from_str(text: &str) -> Result<Self, TypesError> {
        if let Ok(head) = text.parse() {
            return Ok(Self::Head(head));
        }
        if let Ok(neuron) = text.parse() {
            return Ok(Self::Neuron(neuron));
        }
        if let Ok(group) = text.parse() {
            return Ok(Self::KvGroup(group));
        }
        if let Ok(expert) = text.parse() {
            return Ok(Self::Expert(expert));
        }
        if let Some(layer) = text.strip_prefix('L').and_then(canonical) {
            return Ok(Self::Layer(layer));
        }
        let weight = || {
            let (path, index) = text.strip_suffix(']')?.rsplit_once('[')?;
            Some(Self::Weight(path.parse().ok()?, canonical(index)?))
        };
        weight().ok_or_else(|| TypesError::Parse {
            kind: "unit",
            text: text.into(),
            expected: "`L3` (layer), `L3H1` (head), `L3G0` (key/value group), `L3N17` (neuron), `L3E5` (expert) or `model.layers.3.mlp.up_proj.weight[42]` (weight)",
        })
    }
}

impl TryFrom<String> for Unit {
    type Error = TypesError;

    fn try_from(text: String) -> Result<Self, TypesError> {
        text.parse()
    }
}

impl From<Unit> for String {
    fn from(unit: Unit) -> Self {
        unit.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::projection::Projection;

    #[test]
    fn a_unit_has_one_name() {
        for other in [
            "L+3",
            "L03",
            "L03H1",
            "L3H01",
            "L3H+1",
            "L+3G0",
            "L3G00",
            "L3N017",
            "L3N+17",
            "L3E05",
            "model.layers.3.mlp.up_proj.weight[+4]",
            "model.layers.3.mlp.up_proj.weight[04]",
        ] {
            assert!(other.parse::<Unit>().is_err(), "{other}");
        }
        assert!("L03H1".parse::<HeadId>().is_err());
        assert!("L3G+0".parse::<KvGroupId>().is_err());
        assert!("L3N00".parse::<NeuronId>().is_err());
    }

    proptest! {
        #[test]
        fn units_read_back_as_themselves(layer in 0usize..200, index in 0usize..1_000_000) {
            let units = [
                Unit::Head(HeadId::new(layer, index)),
                Unit::KvGroup(KvGroupId::new(layer, index)),
                Unit::Neuron(NeuronId::new(layer, index)),
                Unit::Expert(ExpertId::new(layer, index)),
                Unit::Layer(index),
                Unit::Weight(ParamPath::of(layer, Projection::Up), index),
            ];
            for unit in units {
                prop_assert_eq!(unit.to_string().parse::<Unit>(), Ok(unit.clone()));
                let json = serde_json::to_string(&unit).unwrap();
                prop_assert_eq!(serde_json::from_str::<Unit>(&json).unwrap(), unit.clone());
                prop_assert_eq!(unit.kind().to_string().parse::<UnitKind>(), Ok(unit.kind()));
            }
        }

        #[test]
        fn only_a_units_own_name_is_read(text in "L[0-9+]{1,3}([HGNE][0-9+]{1,3})?") {
            if let Ok(unit) = text.parse::<Unit>() {
                prop_assert_eq!(unit.to_string(), text);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<Unit>();
            let _ = text.parse::<crate::model::site::Site>();
            let _ = text.parse::<ParamPath>();
        }
    }
}
