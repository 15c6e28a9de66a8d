use std::f64::consts::TAU;

use serde_json::{Value, json};

use super::settings::Settings;
use crate::arch::architecture::Architecture;
use crate::checkpoint::convert;
use crate::checkpoint::precision::Precision;
use crate::checkpoint::view::Twist;
use crate::error::ModelError;

/// Rotary embeddings as keys of a `config.json`.
pub(super) fn settings(
    settings: &Settings<'_>,
    d_head: usize,
    positions: usize,
) -> Result<Vec<(&'static str, Value)>, ModelError> {
    let theta = settings.number("rope.freq_base")?.unwrap_or(10_000.0);
    let mut config = vec![("rope_theta", json!(theta))];
    let turned = settings.size("rope.dimension_count")?.unwrap_or(d_head);
    if turned != d_head {
        config.push(("partial_rotary_factor", json!(share(turned, d_head))));
    }
    let original = settings.size("rope.scaling.original_context_length")?;
    // The older key, and older files, which do not say of what kind a factor is.
    let factor = settings.number("rope.scaling.factor")?.or(settings.number("rope.scale_linear")?);
    let factor = factor.filter(|factor| *factor != 0.0);
    let kind = settings.text("rope.scaling.type")?;
    let kind = kind.unwrap_or(if factor.is_some_and(|f| f != 1.0) { "linear" } else { "none" });
    let attention = settings.number("rope.scaling.attn_factor")?;
    let refuse = |name, value: Value, reason| Err(settings.refuse(name, &value, reason));
    let pairs = turned / 2;
    let long = match settings.architecture {
        Architecture::Phi3 => {
            config.extend(original.map(|own| ("original_max_position_embeddings", own.into())));
            let of =
                |length: &str| factors(settings, &format!("rope_factors_{length}.weight"), pairs);
            match (of("short")?, of("long")?) {
                (Some(short), Some(long)) => Some((short, long)),
                (None, None) => None,
                _ => {
                    return Err(settings
                        .gguf
                        .damaged("of rope_factors_short and rope_factors_long one is missing"));
                }
            }
        }
        _ => None,
    };
    if let (None, Some(attention)) = (&long, attention.filter(|attention| *attention != 1.0)) {
        let reason = "only longrope has a temperature of its own";
        return refuse("rope.scaling.attn_factor", attention.into(), reason);
    }
    let scaling = match (long, kind) {
        (Some((short, long)), "none" | "longrope") => {
            Some(long_rope(&short, &long, attention, None))
        }
        (None, "none") if settings.architecture == Architecture::Llama => {
            factors(settings, "rope_freqs.weight", pairs)?
                .and_then(|own| by_pair(&own, theta, positions))
        }
        (None, "none") => None,
        (None, "linear") => factor.map(|factor| json!({"rope_type": "linear", "factor": factor})),
        (None, "yarn") => Some(yarn(settings, factor, original)?),
        (_, other) => {
            let reason =
                "read are none, linear, yarn, and longrope with phi3's two tensors of factors";
            return refuse("rope.scaling.type", other.into(), reason);
        }
    };
    // Both would be applied.
    if settings.architecture == Architecture::Llama
        && settings.gguf.has("rope_freqs.weight")
        && kind != "none"
    {
        return refuse(
            "rope.scaling.type",
            kind.into(),
            "rope_freqs.weight stretches positions already",
        );
    }
    config.extend(scaling.map(|scaling| ("rope_scaling", scaling)));
    Ok(config)
}

/// The share of a head that gives this number of channels when rounded down.
fn share(turned: usize, d_head: usize) -> f64 {
    let share = turned as f64 / d_head as f64;
    if (d_head as f64 * share) as usize == turned {
        share
    } else {
        (turned as f64 + 0.5) / d_head as f64
    }
}

fn yarn(
    settings: &Settings<'_>,
    factor: Option<f64>,
    original: Option<usize>,
) -> Result<Value, ModelError> {
    let mut scaling = json!({"rope_type": "yarn"});
    for (key, value) in [
        ("factor", factor),
        ("original_max_position_embeddings", original.map(|n| n as f64)),
        ("beta_fast", settings.number("rope.scaling.yarn_beta_fast")?),
        ("beta_slow", settings.number("rope.scaling.yarn_beta_slow")?),
    ] {
        if let Some(value) = value {
            scaling[key] = json!(value);
        }
    }
    Ok(scaling)
}

/// The divisor of each pair's frequency.
fn factors(
    settings: &Settings<'_>,
    tensor: &str,
    pairs: usize,
) -> Result<Option<Vec<f32>>, ModelError> {
    let Some(view) = settings.gguf.view(tensor, Twist::default()) else { return Ok(None) };
    let odd = |found: String| ModelError::GgufTensor {
        path: settings.gguf.path().into(),
        tensor: tensor.into(),
        expected: format!("{pairs} numbers above 0, one for each pair of channels that turn"),
        found,
    };
    if view.shape != [pairs] {
        return Err(odd(format!("{} {:?}", view.kind, view.shape)));
    }
    let values = convert::whole(&view, Precision::F32)
        .map_err(|error| error.of(settings.gguf.path(), tensor))?;
    match values.into_vec::<f32>() {
        Ok(values) if values.iter().all(|value| *value > 0.0) => Ok(Some(values)),
        _ => Err(odd("others".into())),
    }
}

/// Llama 3's rotary scaling, which files store as one factor per pair. Factors of the published
/// models get the scaling's name. Others become a factor for every pair, whatever the length of a
/// text.
fn by_pair(factors: &[f32], theta: f64, positions: usize) -> Option<Value> {
    if factors.iter().all(|factor| *factor == 1.0) {
        return None;
    }
    const LOW: f64 = 1.0;
    const HIGH: f64 = 4.0;
    const ORIGINAL: f64 = 8192.0;
    let factor = f64::from(factors.iter().copied().fold(0.0, f32::max));
    let expected = |i: usize| {
        let wavelength = TAU * theta.powf(i as f64 / factors.len() as f64);
        let smooth = ((ORIGINAL / wavelength - LOW) / (HIGH - LOW)).clamp(0.0, 1.0);
        1.0 / ((1.0 - smooth) / factor + smooth)
    };
    let near = |(i, own): (usize, &f32)| (f64::from(*own) / expected(i) - 1.0).abs() < 1e-5;
    if factors.iter().enumerate().all(near) {
        return Some(json!({
            "rope_type": "llama3", "factor": factor, "low_freq_factor": LOW, "high_freq_factor": HIGH,
            "original_max_position_embeddings": ORIGINAL as usize,
        }));
    }
    Some(long_rope(factors, factors, Some(1.0), Some(positions)))
}

fn long_rope(
    short: &[f32],
    long: &[f32],
    attention: Option<f64>,
    original: Option<usize>,
) -> Value {
    let mut scaling = json!({"rope_type": "longrope", "short_factor": short, "long_factor": long});
    if let Some(attention) = attention {
        scaling["attention_factor"] = json!(attention);
    }
    if let Some(original) = original {
        scaling["original_max_position_embeddings"] = json!(original);
    }
    scaling
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factors_of_llama_3_are_known_by_name() {
        let (theta, pairs, factor) = (500_000f64, 64, 32.0);
        let one = |i: usize| {
            let wavelength = TAU * theta.powf(i as f64 / pairs as f64);
            let smooth = ((8192.0 / wavelength - 1.0) / 3.0).clamp(0.0, 1.0);
            (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
        };
        let mut factors: Vec<f32> = (0..pairs).map(one).collect();
        let scaling = by_pair(&factors, theta, 131_072).unwrap();
        assert_eq!((&scaling["rope_type"], &scaling["factor"]), (&json!("llama3"), &json!(32.0)));
        factors[40] *= 1.01;
        assert_eq!(by_pair(&factors, theta, 131_072).unwrap()["rope_type"], "longrope");
        assert!(by_pair(&[1.0; 64], theta, 131_072).is_none());
    }

    #[test]
    fn a_share_gives_back_the_channels_it_was_made_of() {
        for (turned, d_head) in
            (1..200).flat_map(|d_head| (1..=d_head).map(move |turned| (turned, d_head)))
        {
            assert_eq!((d_head as f64 * share(turned, d_head)) as usize, turned);
        }
    }
}
