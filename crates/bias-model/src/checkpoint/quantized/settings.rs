//! `quantization_config`, read.

use serde_json::{Map, Value};

use super::compressed;
use super::method::{Method, WAY_OUT, block};

/// Reads the value of `quantization_config`.
///
/// # Errors
/// In words, why such weights are not read.
pub(crate) fn method(config: &Value) -> Result<Method, String> {
    let Some(config) = config.as_object() else {
        return Err("it is not an object of settings".into());
    };
    let own = Settings(config);
    let loads = |bits: &str| own.flag(bits) == Some(true);
    let name = match config.get("quant_method").and_then(Value::as_str) {
        Some(name) => name,
        None if loads("load_in_4bit") || loads("load_in_8bit") => "bitsandbytes",
        None => return Err(format!("it names no `quant_method`; {WAY_OUT}")),
    };
    match name {
        "fp8" => fp8(&own),
        "compressed-tensors" => compressed::method(config),
        "mxfp4" => Ok(Method::Mxfp4),
        "gptq" => gptq(&own),
        "awq" => awq(&own),
        "bitsandbytes" => bitsandbytes(&own),
        _ => {
            let bits = own.number("bits").map_or(String::new(), |bits| format!(" of {bits} bits"));
            Err(format!(
                "weights quantized by `{name}`{bits} are not read; those of fp8, \
                 compressed-tensors, mxfp4, gptq, awq and bitsandbytes are; {WAY_OUT}"
            ))
        }
    }
}

/// The settings of a method, by key. A key that is absent and `null` are the same.
struct Settings<'a>(&'a Map<String, Value>);

impl Settings<'_> {
    fn value(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.value(key)?.as_bool()
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.value(key)?.as_i64()
    }

    /// A text in lower case.
    fn text(&self, key: &str) -> Option<String> {
        Some(self.value(key)?.as_str()?.to_lowercase())
    }

    /// The first of some keys that is there.
    fn first_text(&self, keys: &[&str], default: &str) -> String {
        keys.iter().find_map(|key| self.text(key)).unwrap_or_else(|| default.into())
    }

    /// The number of inputs that share a scale. −1 stands for all.
    fn group(&self, key: &str) -> Result<Option<usize>, String> {
        match self.value(key) {
            None => Ok(Some(128)),
            Some(value) if value.as_i64() == Some(-1) => Ok(None),
            Some(value) => match value.as_u64().and_then(|own| usize::try_from(own).ok()) {
                Some(own) if own > 0 => Ok(Some(own)),
                _ => Err(format!("`{key}` is {value}, not a number of inputs or -1")),
            },
        }
    }
}

fn fp8(own: &Settings<'_>) -> Result<Method, String> {
    let of = |key: &str, expected: &[&str]| match own.text(key) {
        Some(found) if !expected.contains(&found.as_str()) => {
            Err(format!("`{key}` is {found}; read is {}; {WAY_OUT}", expected.join(" or ")))
        }
        _ => Ok(()),
    };
    of("fmt", &["e4m3", "float8_e4m3fn"])?;
    of("expert_dtype", &["fp8"])?;
    let Some(value) = own.0.get("weight_block_size") else {
        return Ok(Method::Fp8 { block: Some([128; 2]) });
    };
    match block(value) {
        Some(block) => Ok(Method::Fp8 { block: Some(block) }),
        None if value.is_null() => Ok(Method::Fp8 { block: None }),
        None => Err(format!("`weight_block_size` is {value}, not two sizes of at least 1")),
    }
}

fn gptq(own: &Settings<'_>) -> Result<Method, String> {
    let bits = own.number("bits").unwrap_or_default();
    if ![2, 4, 8].contains(&bits) {
        return Err(format!("gptq of {bits} bits is not read, only of 2, 4 or 8; {WAY_OUT}"));
    }
    let form = own.first_text(&["checkpoint_format", "format"], "gptq");
    let marlin = own.flag("is_marlin_format") == Some(true);
    if marlin || !["gptq", "gptq_v2"].contains(&form.as_str()) {
        let form = if marlin { "marlin" } else { &form };
        return Err(format!(
            "gptq in the layout `{form}` is not read, only `gptq` and `gptq_v2`; {WAY_OUT}"
        ));
    }
    if let Some(words) = own.text("pack_dtype").filter(|words| words != "int32") {
        return Err(format!("gptq in words of {words} is not read, only of int32; {WAY_OUT}"));
    }
    // Modules are left out with `-:` and given settings of their own with `+:` or nothing.
    let other = own.value("dynamic").and_then(Value::as_object);
    if let Some(other) = other.into_iter().flat_map(Map::keys).find(|key| !key.starts_with("-:")) {
        return Err(format!("some modules have other settings (`dynamic`: {other}); {WAY_OUT}"));
    }
    let group = own.group("group_size")?;
    Ok(Method::Gptq { bits: bits.unsigned_abs() as u32, group, one_less: form == "gptq" })
}

fn awq(own: &Settings<'_>) -> Result<Method, String> {
    let bits = own.number("bits").or_else(|| own.number("w_bit")).unwrap_or(4);
    if bits != 4 {
        return Err(format!("awq of {bits} bits is not read, only of 4; {WAY_OUT}"));
    }
    let form = own.first_text(&["version", "format", "checkpoint_format"], "gemm");
    if form != "gemm" {
        return Err(format!("awq in the layout `{form}` is not read, only `gemm`; {WAY_OUT}"));
    }
    if own.flag("zero_point") == Some(false) {
        return Err(format!("awq without zero points is not read; {WAY_OUT}"));
    }
    let key = if own.value("q_group_size").is_some() { "q_group_size" } else { "group_size" };
    Ok(Method::Awq { group: own.group(key)? })
}

fn bitsandbytes(own: &Settings<'_>) -> Result<Method, String> {
    let flag = |key: &str| own.flag(key).or_else(|| own.flag(&format!("_{key}"))) == Some(true);
    match (flag("load_in_4bit"), flag("load_in_8bit")) {
        (true, false) => Ok(Method::Bitsandbytes { four: true }),
        (false, true) => Ok(Method::Bitsandbytes { four: false }),
        _ => Err(format!(
            "bitsandbytes is read with `load_in_4bit` or `load_in_8bit`, one of them; {WAY_OUT}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_of_published_folders_are_read() {
        for (config, method) in [
            (
                json!({"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3",
                    "weight_block_size": [128, 64]}),
                Method::Fp8 { block: Some([128, 64]) },
            ),
            (json!({"quant_method": "fp8"}), Method::Fp8 { block: Some([128, 128]) }),
            (
                json!({"quant_method": "fp8", "weight_block_size": null}),
                Method::Fp8 { block: None },
            ),
            (
                json!({"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}),
                Method::Mxfp4,
            ),
            (
                json!({"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": true}),
                Method::Gptq { bits: 4, group: Some(128), one_less: true },
            ),
            (
                json!({"quant_method": "gptq", "bits": 8, "group_size": -1,
                    "checkpoint_format": "gptq_v2", "dynamic": {"-:.*down": {}}}),
                Method::Gptq { bits: 8, group: None, one_less: false },
            ),
            (
                json!({"quant_method": "awq", "bits": 4, "group_size": 64, "version": "GEMM",
                    "zero_point": true}),
                Method::Awq { group: Some(64) },
            ),
            (json!({"load_in_4bit": true}), Method::Bitsandbytes { four: true }),
            (
                json!({"quant_method": "bitsandbytes", "load_in_8bit": true, "load_in_4bit": false}),
                Method::Bitsandbytes { four: false },
            ),
        ] {
            assert_eq!(super::method(&config), Ok(method), "{config}");
        }
    }

    #[test]
    fn forms_that_are_not_read_are_named_with_a_way_out() {
        for (config, said) in [
            (json!({"quant_method": "hqq", "bits": 3}), "`hqq` of 3 bits"),
            (json!({"bits": 4}), "names no `quant_method`"),
            (json!({"quant_method": "gptq", "bits": 3}), "gptq of 3 bits"),
            (json!({"quant_method": "gptq", "bits": 4, "is_marlin_format": true}), "`marlin`"),
            (json!({"quant_method": "gptq", "bits": 4, "checkpoint_format": "gptq_p"}), "`gptq_p`"),
            (
                json!({"quant_method": "gptq", "bits": 4, "dynamic": {"+:.*up": {"bits": 8}}}),
                "+:.*up",
            ),
            (json!({"quant_method": "awq", "bits": 8}), "awq of 8 bits"),
            (json!({"quant_method": "awq", "version": "gemv"}), "`gemv`"),
            (json!({"quant_method": "fp8", "fmt": "e5m2"}), "e5m2"),
            (json!({"quant_method": "bitsandbytes"}), "`load_in_4bit`"),
        ] {
            let reason = method(&config).unwrap_err();
            assert!(reason.contains(said) && reason.contains("unquantized"), "{reason}");
        }
        for (config, said) in [
            (json!(4), "not an object"),
            (json!({"quant_method": "gptq", "bits": 4, "group_size": 0}), "`group_size` is 0"),
            (json!({"quant_method": "fp8", "weight_block_size": [0, 1]}), "[0,1]"),
            (json!({"quant_method": "fp8", "weight_block_size": [1, 2, 3]}), "[1,2,3]"),
        ] {
            let reason = method(&config).unwrap_err();
            assert!(reason.contains(said), "{reason}");
        }
    }
}
