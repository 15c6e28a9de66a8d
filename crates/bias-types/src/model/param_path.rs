use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::number::canonical;
use super::projection::Projection;
use crate::error::TypesError;

/// The name of a parameter as Hugging Face writes it, such as
/// `model.layers.3.mlp.down_proj.weight`.
///
/// Any dotted name is a path. The paths of a decoder block's linear maps also know their layer and
/// [`Projection`]. Each map has one name only: `layers.03`, or `layers.3.q_proj.weight` without its
/// sublayer, names some other parameter. Paths are ordered by layer number, then by name, so that
/// layer 10 follows layer 9.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ParamPath {
    name: String,
    // Both follow from the name. Paths are the keys of most maps: they are parsed once.
    layer: Option<usize>,
    projection: Option<Projection>,
}

impl ParamPath {
    /// The weight of a block's projection.
    #[must_use]
    pub fn of(layer: usize, projection: Projection) -> Self {
        let name = format!("model.layers.{layer}.{projection}.weight");
        Self { name, layer: Some(layer), projection: Some(projection) }
    }

    /// The weight of the router of a mixture of experts. It is none of the block's
    /// [`Projection`]s, so that nothing chooses it unless it is named.
    #[must_use]
    pub fn router(layer: usize) -> Self {
        let name = format!("model.layers.{layer}.{ROUTER}");
        Self { name, layer: Some(layer), projection: None }
    }

    /// The layer, when it is the weight of a router.
    #[must_use]
    pub fn router_layer(&self) -> Option<usize> {
        block(&self.name).and_then(|(layer, rest)| (rest == ROUTER).then_some(layer))
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The decoder block it belongs to, if any.
    #[must_use]
    pub fn layer(&self) -> Option<usize> {
        self.layer
    }

    /// The layer and projection, when it is the weight of a block's linear map.
    #[must_use]
    pub fn projection(&self) -> Option<(usize, Projection)> {
        self.layer.zip(self.projection)
    }
}

/// A router's weight within its block.
const ROUTER: &str = "mlp.router.weight";

/// Splits the name of a parameter in a decoder block into the layer and the rest.
fn block(name: &str) -> Option<(usize, &str)> {
    let (layer, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
    Some((canonical(layer)?, rest))
}

impl PartialOrd for ParamPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ParamPath {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |p: &Self| (p.layer, p.projection);
        key(self).cmp(&key(other)).then_with(|| match self.projection {
            Some(_) => Ordering::Equal,
            None => self.name.cmp(&other.name),
        })
    }
}

impl fmt::Display for ParamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for ParamPath {
    type Err = TypesError;

    fn from_str(text: &str) -> Result<Self, TypesError> {
        let part = |p: &str| {
            !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        if text.split('.').all(part) {
            let (layer, rest) = block(text).unzip();
            let module = rest.and_then(|rest| rest.strip_suffix(".weight"));
            let projection =
                module.and_then(|module| Projection::ALL.into_iter().find(|p| p.path() == module));
            Ok(Self { name: text.to_owned(), layer, projection })
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
        path.name
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

    #[test]
    fn a_matrix_has_one_name() {
        for projection in Projection::ALL {
            let path = ParamPath::of(10, projection);
            let parsed: ParamPath = path.as_str().parse().unwrap();
            assert_eq!((&parsed, parsed.projection()), (&path, Some((10, projection))));
            assert_eq!(parsed.cmp(&path), Ordering::Equal);
        }
        for other in [
            "model.layers.00.mlp.up_proj.weight",
            "model.layers.01.mlp.up_proj.weight",
            "model.layers.-0.mlp.up_proj.weight",
            "model.layers.0.up_proj.weight",
            "model.layers.0.mlp.q_proj.weight",
            "model.layers.0.mlp.up_proj",
            "model.layers.0.mlp.up_proj.bias",
        ] {
            let path: ParamPath = other.parse().unwrap();
            assert_eq!((path.as_str(), path.projection()), (other, None));
            assert_ne!(path, ParamPath::of(0, Projection::Up), "{other}");
        }
        let norm: ParamPath = "model.layers.12.input_layernorm.weight".parse().unwrap();
        assert_eq!((norm.layer(), norm.projection()), (Some(12), None));
    }
}
