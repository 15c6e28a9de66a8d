//! `quantization_config` of compressed-tensors (llm-compressor).

use serde_json::{Map, Value};

use super::method::{Method, Strategy, WAY_OUT, block};

/// Reads the settings of compressed-tensors.
///
/// # Errors
/// In words, why such weights are not read.
pub(super) fn method(config: &Map<String, Value>) -> Result<Method, String> {
    let value = |key: &str| config.get(key).filter(|value| !value.is_null());
    let empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
    for key in ["kv_cache_scheme", "sparsity_config", "transform_config"] {
        let dense = |value: &Value| value.get("format").is_some_and(|format| format == "dense");
        if value(key).is_some_and(|value| !empty(value) && !dense(value)) {
            return Err(format!("compressed-tensors with a `{key}` is not read; {WAY_OUT}"));
        }
    }
    let outer = value("format").and_then(Value::as_str).unwrap_or("dense");
    let groups = value("config_groups").and_then(Value::as_object);
    let mut found = None;
    for (name, group) in groups.into_iter().flatten() {
        let format = group.get("format").and_then(Value::as_str).unwrap_or(outer);
        let own = of_group(format, group.get("weights").unwrap_or(&Value::Null))?;
        if found.is_some_and(|found| found != own) {
            return Err(format!("`config_groups` differ from {name} on; {WAY_OUT}"));
        }
        found = Some(own);
    }
    found.ok_or_else(|| format!("`config_groups` names no weights; {WAY_OUT}"))
}

fn of_group(format: &str, weights: &Value) -> Result<Method, String> {
    let text = |key: &str| weights.get(key).and_then(Value::as_str).unwrap_or_default();
    let bits = weights.get("num_bits").and_then(Value::as_u64).unwrap_or_default();
    let kind = text("type");
    let refused = |what: &str| {
        Err(format!(
            "compressed-tensors in the form `{format}` with {bits}-bit {kind} weights{what} is not \
             read, only float-quantized and int-quantized with 8 bits, and pack-quantized with 4 or 8; \
             {WAY_OUT}"
        ))
    };
    let zeros = weights.get("symmetric").and_then(Value::as_bool) == Some(false);
    if (format, kind) == ("pack-quantized", "int") {
        if ![4, 8].contains(&bits) {
            return refused("");
        }
        let group = match (text("strategy"), weights.get("group_size").and_then(Value::as_u64)) {
            ("channel", _) => None,
            ("group", Some(size @ 1..)) => Some(usize::try_from(size).unwrap_or(usize::MAX)),
            (other, _) => return refused(&format!(" and scales by `{other}`")),
        };
        return Ok(Method::Packed { bits: bits as u32, group, zeros });
    }
    let integers = match (format, kind) {
        ("float-quantized" | "naive-quantized", "float") => false,
        ("int-quantized" | "naive-quantized", "int") => true,
        _ => return refused(""),
    };
    if bits != 8 {
        return refused("");
    }
    if zeros {
        return refused(" and zero points");
    }
    let strategy = match text("strategy") {
        "tensor" => Strategy::Tensor,
        "channel" => Strategy::Channel,
        "block" => match weights.get("block_structure").and_then(block) {
            Some(block) => Strategy::Block(block),
            None => return refused(" in blocks of no size"),
        },
        other => return refused(&format!(" and scales by `{other}`")),
    };
    Ok(Method::Compressed { integers, strategy })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(format: &str, weights: Value) -> Result<Method, String> {
        let config = json!({"quant_method": "compressed-tensors", "format": format,
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
            "kv_cache_scheme": null, "sparsity_config": {}, "ignore": ["lm_head"]});
        method(config.as_object().unwrap())
    }

    #[test]
    fn eight_bits_are_read() {
        let weights = |strategy: &str, kind: &str| {
            json!({"num_bits": 8, "type": kind, "strategy": strategy, "symmetric": true,
                "block_structure": [16, 32]})
        };
        for (name, strategy) in [
            ("tensor", Strategy::Tensor),
            ("channel", Strategy::Channel),
            ("block", Strategy::Block([16, 32])),
        ] {
            for (format, kind, integers) in
                [("float-quantized", "float", false), ("int-quantized", "int", true)]
            {
                let found = of(format, weights(name, kind));
                assert_eq!(found, Ok(Method::Compressed { integers, strategy }));
            }
        }
    }

    #[test]
    fn words_are_read() {
        let weights = |strategy: &str, symmetric: bool| {
            json!({"num_bits": 4, "type": "int", "strategy": strategy, "symmetric": symmetric,
                "group_size": 128, "actorder": "weight"})
        };
        let group = of("pack-quantized", weights("group", true));
        assert_eq!(group, Ok(Method::Packed { bits: 4, group: Some(128), zeros: false }));
        let channel = of("pack-quantized", weights("channel", false));
        assert_eq!(channel, Ok(Method::Packed { bits: 4, group: None, zeros: true }));
    }

    #[test]
    fn other_forms_are_named() {
        for (bits, group, said) in
            [(3, json!(32), "`pack-quantized` with 3-bit int"), (4, json!(0), "scales by `group`")]
        {
            let own = json!({"num_bits": bits, "type": "int", "strategy": "group",
                "group_size": group});
            let error = of("pack-quantized", own).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        let odd = json!({"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": false});
        assert!(of("int-quantized", odd).unwrap_err().contains("zero points"));
        let none = json!({"quant_method": "compressed-tensors", "format": "float-quantized"});
        assert!(method(none.as_object().unwrap()).unwrap_err().contains("config_groups"));
        let cache =
            json!({"quant_method": "compressed-tensors", "kv_cache_scheme": {"num_bits": 8}});
        assert!(method(cache.as_object().unwrap()).unwrap_err().contains("kv_cache_scheme"));
    }
}
