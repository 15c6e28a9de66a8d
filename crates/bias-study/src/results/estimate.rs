use serde::{Deserialize, Serialize};

/// A number with its 95 % interval over names, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number; `null` in the file if it could not be computed.
    #[serde(deserialize_with = "null_is_nan")]
    pub value: f64,
    /// Lower and upper end.
    pub interval: Option<[f64; 2]>,
}

/// JSON has no NaN, so it is written as `null`.
pub(crate) fn null_is_nan<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}
