use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::projection::Projection;
use crate::error::TypesError;

/// The name of a parameter as Hugging Face writes it, such as
/// `model.layers.3.mlp.down_proj.weight`.
///
/// Any dotted name is a path; those of a decoder block's linear maps also know
/// their layer and [`Projection`]. Ordered by layer number, then name, so that
/// layer 10 follows layer 9.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ParamPath(String);

impl ParamPath {
    /// The weight of a block's projection.
    #[must_use]
    pub fn of(layer: usize, projection: Projection) -> Self {
        Self(format!("model.layers.{layer}.{projection}.weight"))
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The decoder block it belongs to, if any.
    #[must_use]
    pub fn layer(&self) -> Option<usize> {
        self.block().map(|(layer, _)| layer)
    }

    /// The layer and projection, when it is the weight of a block's linear map.
    #[must_use]
    pub fn projection(&self) -> Option<(usize, Projection)> {
        let (layer, rest) = self.block()?;
        Some((layer, rest.strip_suffix(".weight")?.parse().ok()?))
    }

    fn block(&self) -> Option<(usize, &str)> {
        let (layer, rest) = self.0.strip_prefix("model.layers.")?.split_once('.')?;
        Some((layer.parse().ok()?, rest))
    }
}

impl PartialOrd for ParamPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ParamPath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |p: &Self| (p.layer(), p.projection().map(|(_, proj)| proj));
        key(self).cmp(&key(other)).then_with(|| self.0.cmp(&other.0))
    }
}

impl fmt::Display for ParamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ParamPath {
    type Err = TypesError;

    fn from_str(text: &str) -> Result<Self, TypesError> {
        let part =
            |p: &str| !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if text.split('.').all(part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TypesError::Parse {
                kind: "parameter path",
                text: text.into(),
                expected: "a dotted name such as `model.layers.0.mlp.up_proj.weight`",
            })
        }
    }
}

impl TryFrom<String> for ParamPath {
    type Error = TypesError;

    fn try_from(text: String) -> Result<Self, TypesError> {
        text.parse()
    }
}

impl From<ParamPath> for String {
    fn from(path: ParamPath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_sort_by_number_and_forward_order() {
        let mut paths = [
            ParamPath::of(10, Projection::Q),
            ParamPath::of(9, Projection::Down),
            ParamPath::of(9, Projection::Q),
        ];
        paths.sort();
        assert_eq!(
            paths,
            [
                ParamPath::of(9, Projection::Q),
                ParamPath::of(9, Projection::Down),
                ParamPath::of(10, Projection::Q),
            ]
        );
    }

    #[test]
    fn only_dotted_names_are_paths() {
        for bad in ["", ".", "a..b", "../../etc/passwd", "a b"] {
            assert!(bad.parse::<ParamPath>().is_err(), "{bad}");
        }
        let head: ParamPath = "lm_head.weight".parse().unwrap();
        assert_eq!((head.layer(), head.projection()), (None, None));
    }
}
