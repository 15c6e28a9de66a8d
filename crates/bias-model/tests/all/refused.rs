//! Settings of single architectures, and of models inside multimodal folders, that are refused: the
//! error names the key, and for tensors their name.

use std::fs;
use std::path::PathBuf;

use bias_model::arch::Architecture;
use bias_model::{Checkpoint, Decoder, ModelConfig, ModelError, Precision};
use burn::backend::Flex;
use safetensors::SafeTensors;
use serde_json::{Map, Value, json};

fn golden(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(case)
}

fn config(case: &str) -> Map<String, Value> {
    serde_json::from_slice(&fs::read(golden(case).join("config.json")).unwrap()).unwrap()
}

/// The config of a case after a change, in its `text_config` if it has one.
fn changed(case: &str, change: impl FnOnce(&mut Map<String, Value>)) -> Map<String, Value> {
    let mut config = config(case);
    match config.get_mut("text_config") {
        Some(text) => change(text.as_object_mut().unwrap()),
        None => change(&mut config),
    }
    config
}

/// The error for a setting, and what it lacks.
fn error_of(case: &str, key: &str, value: &Value) -> (String, Option<&'static str>) {
    let nested = config(case).contains_key("text_config");
    let own = changed(case, |config| drop(config.insert(key.into(), value.clone())));
    let Err(error) = ModelConfig::from_json(own) else { return (String::new(), Some("an error")) };
    let typed = matches!(&error, ModelError::Unsupported { .. } | ModelError::Config { .. });
    let error = error.to_string();
    let lacks = match () {
        () if !typed => Some("the type"),
        () if !error.contains(key) => Some("the key"),
        () if nested && !error.contains("text_config") => Some("the place"),
        () => None,
    };
    (error, lacks)
}

#[test]
fn settings_are_refused_by_name() {
    let mut wrong = Vec::new();
    let kinds = |kinds: &[&str]| json!(kinds);
    for (case, key, values) in [
        // A layer each, and nothing but 0 and 1.
        (
            "smollm3_interval",
            "no_rope_layers",
            vec![json!([1, 0]), json!([1, 0, 2]), json!([1, 0, "1"]), json!(1), json!({"0": 1})],
        ),
        ("smollm3_interval", "no_rope_layer_interval", vec![json!(0), json!(-1), json!("4")]),
        // A window of no width.
        (
            "smollm3_interval",
            "layer_types",
            vec![kinds(&["full_attention"]), kinds(&["sliding_attention"; 3].map(|_| "local"))],
        ),
        ("exaone4_hybrid", "sliding_window", vec![json!(null), json!(0), json!("4")]),
        ("cohere2_pattern", "sliding_window", vec![json!(null), json!(0)]),
        ("cohere2_pattern", "sliding_window_pattern", vec![json!(0), json!("SSF")]),
        ("exaone4_hybrid", "layer_types", vec![kinds(&["full_attention"; 4]), json!("LLG")]),
        ("olmo3_layers", "layer_types", vec![kinds(&["full_attention", "chunked_attention"])]),
        ("gemma3_multimodal_untied", "layer_types", vec![kinds(&["full_attention"; 3])]),
        // Multipliers.
        (
            "granite_multipliers",
            "embedding_multiplier",
            vec![json!("12"), json!([1.0]), json!(true), json!({})],
        ),
        ("granite_multipliers", "residual_multiplier", vec![json!("0.22")]),
        ("granite_multipliers", "attention_multiplier", vec![json!(false)]),
        ("granite_multipliers", "logits_scaling", vec![json!("8"), json!(0), json!(0.0)]),
        ("cohere2_pattern", "logit_scale", vec![json!("0.25"), json!([0.25])]),
        // What is not computed.
        ("opt_decoder", "do_layer_norm_before", vec![json!(false)]),
        ("opt_decoder", "_remove_final_layer_norm", vec![json!(true)]),
        ("opt_decoder", "layer_norm_elementwise_affine", vec![json!(false)]),
        ("opt_decoder", "word_embed_proj_dim", vec![json!(10)]),
        ("opt_decoder", "hidden_size", vec![json!(21)]),
        ("opt_decoder", "rope_theta", vec![json!(10000.0)]),
        ("starcoder2_window", "mlp_type", vec![json!("gated")]),
        ("starcoder2_window", "norm_type", vec![json!("rms_norm")]),
        ("cohere2_pattern", "use_qk_norm", vec![json!(true)]),
        ("cohere2_pattern", "rotary_pct", vec![json!(0.5)]),
        ("cohere2_pattern", "use_parallel_block", vec![json!(false)]),
        ("cohere2_pattern", "position_embedding_type", vec![json!("rope")]),
        ("gemma_legacy", "hidden_activation", vec![json!("relu"), json!(3)]),
        ("gemma_legacy", "use_bidirectional_attention", vec![json!(true)]),
        ("exaone4_full", "attention_bias", vec![json!(true)]),
        ("olmo3_yarn", "rope_theta", vec![json!(10000.0)]),
        ("olmo3_layers", "rope_parameters", vec![json!({"rope_theta": 5e5}), json!([])]),
        ("phi_partial", "partial_rotary_factor", vec![json!(2), json!("half")]),
        // Queries grow by both.
        (
            "ministral3_yarn",
            "rope_parameters",
            vec![
                json!({"rope_type": "default", "llama_4_scaling_beta": 0.1}),
                json!({"rope_type": "default", "original_max_position_embeddings": 8}),
                json!({"llama_4_scaling_beta": "0.1", "original_max_position_embeddings": 8}),
                json!({"llama_4_scaling_beta": 0.1, "original_max_position_embeddings": 0}),
                json!([0.1]),
            ],
        ),
        ("mistral_full", "rope_parameters", vec![json!({"llama_4_scaling_beta": 0.1})]),
        // Mixtures of experts.
        ("mixtral_top2", "num_experts_per_tok", vec![json!(0), json!(4), json!("2"), json!(null)]),
        ("mixtral_top2", "num_local_experts", vec![json!(0), json!(1u64 << 40), json!(-1)]),
        ("qwen3_moe_normed", "num_experts", vec![json!(5)]),
        ("qwen3_moe_normed", "decoder_sparse_step", vec![json!(2), json!(0)]),
        ("qwen3_moe_normed", "mlp_only_layers", vec![json!([0]), json!("0")]),
        ("qwen3_moe_normed", "use_sliding_window", vec![json!(true)]),
        ("qwen3_moe_normed", "norm_topk_prob", vec![json!(1)]),
        ("qwen2_moe_shared", "shared_expert_intermediate_size", vec![json!(0), json!(null)]),
        ("qwen2_moe_shared", "moe_intermediate_size", vec![json!(0), json!(null)]),
        ("qwen2_moe_shared", "mlp_only_layers", vec![json!([1])]),
        ("olmoe_top2", "clip_qkv", vec![json!(8.0)]),
        ("gpt_oss_yarn", "swiglu_alpha", vec![json!(1.5), json!("1.702")]),
        ("gpt_oss_yarn", "swiglu_limit", vec![json!(0), json!(-7.0)]),
        ("gpt_oss_yarn", "experts_per_token", vec![json!(3)]),
        ("gpt_oss_yarn", "rope_scaling", vec![json!(null)]),
        // Inside of another config.
        ("gemma3_multimodal", "hidden_size", vec![json!("16"), json!(-16)]),
        ("gemma3_multimodal", "num_attention_heads", vec![json!(0), json!(1.5)]),
        ("gemma3_multimodal", "sliding_window_pattern", vec![json!(0)]),
        ("gemma3_multimodal", "attention_temperature", vec![json!(2)]),
        ("gemma3_multimodal", "is_causal", vec![json!(false)]),
        ("gemma3_multimodal", "eos_token_id", vec![json!("x")]),
        ("gemma3_multimodal", "model_type", vec![json!("gemma2"), json!("gemma3n_text"), json!(3)]),
        ("mistral3_text", "model_type", vec![json!("mistral4"), json!("mistral3")]),
        ("mistral3_text", "num_key_value_heads", vec![json!("3"), json!(1.5)]),
    ] {
        for value in values {
            let (error, lacks) = error_of(case, key, &value);
            wrong.extend(
                lacks.map(|lacks| format!("{case}: {key} = {value} lacks {lacks}: {error}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn errors_inside_name_the_whole_key_and_the_way_out() {
    let (error, _) = error_of("gemma3_multimodal", "hidden_size", &json!("16"));
    assert!(error.contains("`text_config.hidden_size`"), "{error}");
    let (error, _) = error_of("gemma3_multimodal", "attention_temperature", &json!(2));
    assert!(error.contains("--accept-key text_config.attention_temperature"), "{error}");
    let (error, _) = error_of("mistral3_text", "model_type", &json!("mistral4"));
    assert!(error.contains("mistral or ministral3"), "{error}");

    let folder = golden("gemma3_multimodal");
    let place = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, place.path().join(path.file_name().unwrap())).unwrap();
    }
    let own = changed("gemma3_multimodal", |text| {
        text.insert("attention_temperature".into(), json!(2));
    });
    fs::write(place.path().join("config.json"), Value::from(own).to_string()).unwrap();
    let accept = |key: &str| ModelConfig::accepting(place.path(), &[key.to_owned()]);
    accept("text_config.attention_temperature").unwrap();
    accept("attention_temperature").unwrap();
    assert!(accept("text_config.attention_colour").is_err());
}

#[test]
fn a_text_config_must_be_one() {
    for case in ["gemma3_multimodal", "mistral3_ministral"] {
        for value in [None, Some(json!(null)), Some(json!([1])), Some(json!("x")), Some(json!(3))] {
            let mut own = config(case);
            own.remove("text_config");
            own.extend(value.clone().map(|value| ("text_config".to_owned(), value)));
            let error = ModelConfig::from_json(own).unwrap_err();
            assert!(matches!(error, ModelError::Config { .. }), "{case}: {value:?}: {error}");
            assert!(error.to_string().contains("`text_config`"), "{case}: {value:?}: {error}");
        }
        // An outer key that may change the result is refused as in any config.
        let mut own = config(case);
        own.insert("attention_colour".into(), json!("red"));
        let error = ModelConfig::from_json(own).unwrap_err().to_string();
        assert!(error.contains("`attention_colour`") && !error.contains("text_config"), "{error}");
        let mut own = config(case);
        own.insert("quantization_config".into(), json!({"quant_method": "hqq"}));
        assert!(matches!(ModelConfig::from_json(own), Err(ModelError::Unsupported { .. })));
        // Of the whole model, not of a part of it.
        let fp8 = json!({"quant_method": "fp8"});
        let mut own = config(case);
        own.insert("quantization_config".into(), fp8.clone());
        ModelConfig::from_json(own).unwrap();
        let mut own = config(case);
        own["text_config"]["quantization_config"] = fp8;
        assert!(matches!(ModelConfig::from_json(own), Err(ModelError::Unsupported { .. })));
    }
}

/// A nested config says only what differs from its class's defaults.
#[test]
fn sizes_that_a_nested_config_leaves_out_are_its_classs() {
    let own = config("gemma3_multimodal");
    assert!(!own["text_config"].as_object().unwrap().contains_key("num_attention_heads"));
    let read = ModelConfig::from_json(own).unwrap();
    assert_eq!((read.dims.heads, read.dims.kv_heads), (8, 4));
    assert_eq!(read.architecture(), Architecture::Gemma3);
    // As the 4B model's, whose vocabulary is the default.
    let read = ModelConfig::from_json(
        json!({"model_type": "gemma3", "text_config": {"hidden_size": 2560}})
            .as_object()
            .unwrap()
            .clone(),
    );
    let read = read.unwrap();
    assert_eq!(read.dims.vocab, 262_208);
    assert_eq!((read.dims.d_model, read.dims.d_head, read.dims.layers), (2560, 256, 26));
    assert!(read.tied);
    let mut flat = config("gemma3_linear");
    flat.remove("hidden_size");
    assert!(ModelConfig::from_json(flat).is_err());
}

#[test]
fn tensors_missing_under_a_prefix_are_named() {
    for (case, name) in [
        ("gemma3_multimodal", "language_model.model.layers.1.mlp.up_proj.weight"),
        ("mistral3_ministral", "model.language_model.layers.1.mlp.up_proj.weight"),
        ("mistral3_text", "language_model.model.layers.0.self_attn.q_proj.weight"),
        ("opt_decoder", "decoder.layers.1.fc1.bias"),
        ("opt_plain", "model.decoder.embed_positions.weight"),
        ("phi_partial", "lm_head.bias"),
        ("phi_normed", "model.layers.0.self_attn.k_layernorm.bias"),
        ("mixtral_top2", "model.layers.1.block_sparse_moe.experts.2.w3.weight"),
        ("mixtral_top2", "model.layers.0.block_sparse_moe.gate.weight"),
        ("mixtral_stacked", "model.layers.1.mlp.experts.down_proj"),
        ("qwen2_moe_shared", "model.layers.0.mlp.shared_expert_gate.weight"),
        ("qwen2_moe_shared", "model.layers.1.mlp.shared_expert.down_proj.weight"),
        ("gpt_oss_yarn", "model.layers.0.mlp.experts.gate_up_proj_bias"),
        ("gpt_oss_yarn", "model.layers.1.mlp.experts.down_proj_bias"),
        ("gpt_oss_yarn", "model.layers.1.self_attn.sinks"),
    ] {
        let place = tempfile::tempdir().unwrap();
        let file = fs::read(golden(case).join("model.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&file).unwrap().tensors();
        assert!(tensors.iter().any(|(own, _)| own == name), "{case} has no {name}");
        let rest = tensors.into_iter().filter(|(own, _)| own != name);
        let bytes = safetensors::serialize(rest, None).unwrap();
        fs::write(place.path().join("model.safetensors"), bytes).unwrap();
        let error = Decoder::<Flex>::load(
            &Checkpoint::open(place.path()).unwrap(),
            ModelConfig::from_json(config(case)).unwrap(),
            Precision::F32,
            &Default::default(),
        );
        let ModelError::Mismatch { report, .. } = error.unwrap_err() else {
            panic!("{case}: not a mismatch")
        };
        assert_eq!(report.missing, [name], "{case}");
        assert!(report.unused.is_empty(), "{case}: {report}");
    }
}

/// A tensor beside the text model that belongs to no known part.
#[test]
fn what_belongs_to_no_part_is_unused() {
    let case = "gemma3_multimodal";
    let place = tempfile::tempdir().unwrap();
    let file = fs::read(golden(case).join("model.safetensors")).unwrap();
    let mut tensors = SafeTensors::deserialize(&file).unwrap().tensors();
    let (_, some) = tensors.pop().unwrap();
    tensors.push(("audio_tower.weight".into(), some));
    let bytes = safetensors::serialize(tensors, None).unwrap();
    fs::write(place.path().join("model.safetensors"), bytes).unwrap();
    let error = Decoder::<Flex>::load(
        &Checkpoint::open(place.path()).unwrap(),
        ModelConfig::from_json(config(case)).unwrap(),
        Precision::F32,
        &Default::default(),
    );
    let ModelError::Mismatch { report, .. } = error.unwrap_err() else { panic!("not a mismatch") };
    assert_eq!(report.unused, ["audio_tower.weight"]);
}
