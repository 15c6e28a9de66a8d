use serde_json::Value;

use super::keys::Keys;
use crate::error::ModelError;

/// The rotation speed of each pair of channels: a rotary embedding and its extension to longer
/// texts. Formulas as in transformers 5.23's `modeling_rope_utils.py`, with the papers they come
/// from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rope {
    /// Base of the geometric series, `rope_theta`.
    pub theta: f64,
    /// The channels of a head that are rotated; the rest stay as they are.
    pub rotary: usize,
    /// Pairs are neighbours, `2i` and `2i + 1`, and not half of the rotated channels apart.
    pub interleaved: bool,
    pub scaling: RopeScaling,
}

/// The settings that rotary settings take from elsewhere in a config when they lack them.
#[derive(Debug, Clone)]
pub(crate) struct RopeDefaults {
    pub theta: f64,
    pub d_head: usize,
    /// The share of a head's channels that are rotated.
    pub partial: f64,
    /// Whether the architecture can rotate only part of the channels.
    pub may_be_partial: bool,
    /// `max_position_embeddings`
    pub positions: usize,
    /// A top-level `original_max_position_embeddings`, which takes precedence over the object's.
    pub original: Option<usize>,
    /// Settings that the architecture reads by itself, besides the usual ones.
    pub more: &'static [&'static str],
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RopeScaling {
    /// Su et al. 2021.
    Plain,
    /// All positions divided by a factor (Chen et al. 2023).
    Linear { factor: f64 },
    /// The base grows with the text beyond `original` tokens ("dynamic NTK").
    Dynamic { factor: f64, original: usize },
    /// Slow pairs divided by a factor, fast ones left, a ramp between (Llama 3.1).
    Llama3 { factor: f64, low: f64, high: f64, original: f64 },
    /// NTK by parts, with a temperature on attention (Peng et al. 2023).
    Yarn { factor: f64, original: f64, fast: f64, slow: f64, truncate: bool, attention: f64 },
    /// A factor per pair, one set for short and one for long texts (Ding et al. 2024).
    Long { short: Vec<f32>, long: Vec<f32>, original: usize, attention: f64 },
}

/// All keys of an object of rotary settings.
const SETTINGS: &[&str] = &[
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "factor",
    "finetuned",
    "high_freq_factor",
    "long_factor",
    "low_freq_factor",
    "mscale",
    "mscale_all_dim",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "rope_theta",
    "rope_type",
    "short_factor",
    "truncate",
    "type",
];

impl Rope {
    /// Reads one set of rotary settings: an object in the newer style, or `rope_scaling` next to
    /// `rope_theta` in the older style.
    pub(crate) fn read(
        keys: &Keys,
        key: &str,
        object: Option<&Value>,
        rope_defaults: &RopeDefaults,
    ) -> Result<Self, ModelError> {
        let &RopeDefaults { theta, d_head, partial, may_be_partial, positions, original, more } =
            rope_defaults;
        let known = |name: &str| SETTINGS.contains(&name) || more.contains(&name);
        if let Some(value) = object.filter(|o| !o.is_object()) {
            return Err(keys.impossible(format!("`{key}` is {value}, not an object of settings")));
        }
        if let Some(name) = object.and_then(Value::as_object).and_then(|o| {
            o.iter().find(|(name, v)| !known(name) && !v.is_null()).map(|(name, _)| name)
        }) {
            let value = object.and_then(|o| o.get(name)).cloned().unwrap_or_default();
            let reason = "this setting of rotary embeddings is not computed";
            return Err(keys.unsupported(&format!("{key}.{name}"), &value, reason));
        }
        let get = |name: &str| object.and_then(|o| o.get(name)).filter(|v| !v.is_null());
        let number = |name: &str| -> Result<Option<f64>, ModelError> {
            let Some(value) = get(name) else { return Ok(None) };
            let number = value.as_f64().filter(|v| v.is_finite());
            number
                .map(Some)
                .ok_or_else(|| keys.impossible(format!("`{key}.{name}` is {value}, not a number")))
        };
        let needed = |name: &str| {
            let value = number(name)?.filter(|v| *v > 0.0);
            value.ok_or_else(|| keys.impossible(format!("`{key}.{name}` must be a number above 0")))
        };
        let theta = number("rope_theta")?.unwrap_or(theta);
        let partial = number("partial_rotary_factor")?.unwrap_or(partial);
        if !(theta > 1.0 && theta.is_finite()) {
            return Err(keys.impossible(format!("rope_theta is {theta}, and must be above 1")));
        }
        if !(partial > 0.0 && partial <= 1.0) {
            return Err(keys
                .impossible(format!("partial_rotary_factor is {partial}, and must be in (0, 1]")));
        }
        if partial < 1.0 && !may_be_partial {
            let reason = "transformers turns whole heads in this architecture";
            return Err(keys.unsupported("partial_rotary_factor", &partial.into(), reason));
        }
        let rotary = (d_head as f64 * partial) as usize;
        if rotary < 2 || !rotary.is_multiple_of(2) {
            return Err(keys.impossible(format!(
                "rotary embeddings turn {rotary} of {d_head} channels of a head; they need pairs"
            )));
        }
        let kind = match get("rope_type").or_else(|| get("type")) {
            None => "default",
            Some(value) => value.as_str().ok_or_else(|| {
                keys.impossible(format!("`{key}.rope_type` is {value}, not a text"))
            })?,
        };
        let own = number("original_max_position_embeddings")?.map(|v| v as usize);
        let original_or_own = original.or(own).unwrap_or(positions).max(1);
        let scaling = match kind {
            "default" => RopeScaling::Plain,
            "linear" => RopeScaling::Linear { factor: needed("factor")? },
            "dynamic" => {
                let factor = needed("factor")?;
                if factor < 1.0 || rotary == 2 || positions == 0 {
                    return Err(keys.impossible(format!(
                        "`{key}`: dynamic scaling needs a factor of at least 1, more than 2 channels that \
                         turn and more than 0 positions; found {factor}, {rotary} and {positions}"
                    )));
                }
                RopeScaling::Dynamic { factor, original: positions }
            }
            "llama3" => {
                let (low, high) = (needed("low_freq_factor")?, needed("high_freq_factor")?);
                if low >= high {
                    let reason =
                        format!("low_freq_factor {low} must be below high_freq_factor {high}");
                    return Err(keys.impossible(reason));
                }
                RopeScaling::Llama3 {
                    factor: needed("factor")?,
                    low,
                    high,
                    original: original_or_own as f64,
                }
            }
            "yarn" => {
                let factor = match number("factor")? {
                    Some(_) => needed("factor")?,
                    None => positions as f64 / original_or_own as f64,
                };
                let temper = |scale: f64, by: f64| {
                    if scale <= 1.0 { 1.0 } else { 0.1 * by * scale.ln() + 1.0 }
                };
                let some = |name: &str| Ok::<_, ModelError>(number(name)?.filter(|v| *v != 0.0));
                let attention =
                    match (number("attention_factor")?, some("mscale")?, some("mscale_all_dim")?) {
                        (Some(given), ..) => given,
                        (None, Some(mscale), Some(all)) => {
                            temper(factor, mscale) / temper(factor, all)
                        }
                        _ => temper(factor, 1.0),
                    };
                RopeScaling::Yarn {
                    factor,
                    original: original_or_own as f64,
                    fast: some("beta_fast")?.unwrap_or(32.0),
                    slow: some("beta_slow")?.unwrap_or(1.0),
                    truncate: match get("truncate") {
                        None => true,
                        Some(value) => value.as_bool().ok_or_else(|| {
                            keys.impossible(format!(
                                "`{key}.truncate` is {value}, not true or false"
                            ))
                        })?,
                    },
                    attention,
                }
            }
            "longrope" | "su" => {
                let list = |name: &str| {
                    let values = get(name).and_then(Value::as_array).map(|list| {
                        list.iter()
                            .filter_map(Value::as_f64)
                            .map(|v| v as f32)
                            .filter(|v| *v > 0.0)
                            .collect()
                    });
                    let values: Vec<f32> = values.unwrap_or_default();
                    if values.len() == rotary / 2 {
                        return Ok(values);
                    }
                    Err(keys
                        .impossible(format!("`{key}.{name}` needs {} numbers above 0", rotary / 2)))
                };
                let factor = number("factor")?.unwrap_or(positions as f64 / original_or_own as f64);
                let default = || (1.0 + factor.ln() / (original_or_own as f64).ln()).sqrt();
                let attention = match number("attention_factor")? {
                    Some(given) => given,
                    None if factor <= 1.0 => 1.0,
                    None => default(),
                };
                let (short, long) = (list("short_factor")?, list("long_factor")?);
                RopeScaling::Long { short, long, original: original_or_own, attention }
            }
            other => {
                let reason = "supported are default, linear, dynamic, llama3, yarn and longrope rotary embeddings";
                return Err(keys.unsupported(key, &Value::from(other), reason));
            }
        };
        Ok(Self { theta, rotary, interleaved: false, scaling })
    }

    /// Checks that positions are possible, given `max_position_embeddings`.
    pub(crate) fn reach(&self, positions: usize) -> usize {
        let stretched = |from: f64, by: f64| (from * by.max(1.0)).min(1e12) as usize;
        match self.scaling {
            RopeScaling::Linear { factor } | RopeScaling::Dynamic { factor, .. } => {
                stretched(positions as f64, factor)
            }
            RopeScaling::Yarn { factor, original, .. } => {
                positions.max(stretched(original, factor))
            }
            _ => positions,
        }
    }

    /// Whether the length of a text changes the rotation of its first tokens.
    pub(crate) fn by_length(&self) -> bool {
        match &self.scaling {
            RopeScaling::Dynamic { .. } => true,
            RopeScaling::Long { short, long, .. } => short != long,
            _ => false,
        }
    }

    /// Whether a text that grows from one length to another must be rotated again from its
    /// beginning. transformers drops its cache in this case.
    pub(crate) fn switches(&self, before: usize, after: usize) -> bool {
        let by_length = self.by_length();
        matches!(self.scaling, RopeScaling::Long { original, .. } if by_length && before <= original && after > original)
    }

    /// Radians per position of each pair, for a text of `length` tokens, in f32 as
    /// transformers computes them.
    pub(crate) fn radians(&self, length: usize) -> Vec<f32> {
        let half = self.rotary / 2;
        let exponent = |i: usize| (2 * i) as f32 / self.rotary as f32;
        let power = |theta: f64, i: usize| theta.powf(f64::from(exponent(i))) as f32;
        let plain = |theta: f64| (0..half).map(move |i| 1.0 / power(theta, i));
        match &self.scaling {
            RopeScaling::Plain => plain(self.theta).collect(),
            RopeScaling::Linear { factor } => {
                plain(self.theta).map(|w| w / *factor as f32).collect()
            }
            RopeScaling::Dynamic { factor, original } => {
                let (length, original) = (length.max(*original) as f64, *original as f64);
                let d = self.rotary as f64;
                let grown = (factor * length / original - (factor - 1.0)).powf(d / (d - 2.0));
                plain(self.theta * grown).collect()
            }
            RopeScaling::Llama3 { factor, low, high, original } => plain(self.theta)
                .map(|w| {
                    let wavelength = std::f64::consts::TAU / f64::from(w);
                    if wavelength < original / high {
                        w
                    } else if wavelength > original / low {
                        w / *factor as f32
                    } else {
                        let smooth = (original / wavelength - low) / (high - low);
                        ((1.0 - smooth) * f64::from(w) / factor + smooth * f64::from(w)) as f32
                    }
                })
                .collect(),
            RopeScaling::Yarn { factor, original, fast, slow, truncate, .. } => {
                let d = self.rotary as f64;
                let at = |turns: f64| {
                    d * (original / (turns * std::f64::consts::TAU)).ln() / (2.0 * self.theta.ln())
                };
                let (mut from, mut to) = (at(*fast), at(*slow));
                if *truncate {
                    (from, to) = (from.floor(), to.ceil());
                }
                (from, to) = (from.max(0.0), to.min(d - 1.0));
                if from == to {
                    to += 0.001;
                }
                (0..half)
                    .map(|i| {
                        let whole = ((i as f64 - from) / (to - from)).clamp(0.0, 1.0);
                        let power = f64::from(power(self.theta, i));
                        (whole / (factor * power) + (1.0 - whole) / power) as f32
                    })
                    .collect()
            }
            RopeScaling::Long { short, long, original, .. } => {
                let factors = if length > *original { long } else { short };
                factors.iter().enumerate().map(|(i, f)| 1.0 / (f * power(self.theta, i))).collect()
            }
        }
    }

    /// The factor on cosines and sines.
    pub(crate) fn attention(&self) -> f32 {
        match self.scaling {
            RopeScaling::Yarn { attention, .. } | RopeScaling::Long { attention, .. } => {
                attention as f32
            }
            _ => 1.0,
        }
    }
}
