//! Keys of a `config.json` that no architecture reads: which of them change nothing, and which are
//! known to change what is computed. `fixtures/config/keys.py` and `keys4.py` list the keys of
//! transformers' own configuration classes; a test in `keys` holds these lists to theirs.

use serde_json::Value;

/// Keys that do not change what a forward pass computes: training, bookkeeping, and what other
/// programs leave for themselves. Token ids are among them: the tokenizer and `generate` use them.
pub(super) const HARMLESS: &[&str] = &[
    // Fields of transformers' base class, of version 5 and 4.
    "allow_global_per_layer_attribute_access",
    "architectures",
    "attn_implementation",
    "auto_map",
    "chunk_size_feed_forward",
    "dtype",
    "experts_implementation",
    "finetuning_task",
    "gradient_checkpointing",
    "id2label",
    "is_decoder",
    "label2id",
    "model_type",
    "name_or_path",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "prefix",
    "problem_type",
    "return_dict",
    "sep_token_id",
    "serialize_explicit_per_layer_config",
    "task_specific_params",
    "tf_legacy_loss",
    "tie_last_hidden_states",
    "tokenizer_class",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "use_bfloat16",
    // Fields of the architectures' classes.
    "initializer_range",
    // Splits products to save memory, to the same result.
    "pretraining_tp",
    // Computes attention in another order and type, to the same result in f32.
    "reorder_and_upcast_attn",
    "summary_activation",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    // Special tokens, which the tokenizer says.
    "bos_token",
    "bos_token_ids",
    "cls_token",
    "cls_token_id",
    "eom_token_id",
    "eos_token",
    "eos_token_ids",
    "eot_token_id",
    "mask_token",
    "mask_token_id",
    "pad_token",
    "sep_token",
    "unk_token",
    "unk_token_id",
    "image_token_id",
    "image_token_index",
    // Names of transformers' own and of its first versions, and of training programs.
    "custom_pipelines",
    "keys_to_ignore_at_inference",
    "make_vocab_size_divisible_by",
    "max_batch_size",
    "output_router_logits",
    "params_dtype",
    "vocab_size_or_config_json_file",
    "xla_device",
    // Lengths that training or serving used; the positions a model has are another key's.
    "max_seq_len",
    "max_seq_length",
    "max_sequence_length",
    "model_max_length",
    "n_ctx",
    "seq_length",
    // GPT and GPT-2 of the first versions.
    "n_special",
    "output_past",
    "predict_special_tokens",
    // Phi-4-mini: what its remote code has and transformers' class does not read.
    "full_attn_mod",
    "interpolate_factor",
    // How attention is run, to the same result.
    "flash_attention",
    "use_flash_attention",
    "use_flash_attention_2",
    "use_flash_attn",
    "use_flash_attn_2",
    "use_mem_eff_attention",
    "use_memory_efficient_attention",
    "use_sdpa",
    "use_xformers",
    // Training.
    "gradient_checkpointing_kwargs",
    "init_method",
    "init_std",
    "initializer_factor",
    "router_aux_loss_coef",
    "router_jitter_noise",
    // nanotron, transformers.js, optimum, mergekit, PEFT, unsloth, axolotl and other converters.
    "base_model",
    "base_model_name_or_path",
    "cache_dir",
    "device_map",
    "is_llama_config",
    "language",
    "library_name",
    "license",
    "low_cpu_mem_usage",
    "model_id",
    "model_name",
    "neuron",
    "optimum_version",
    "pad_to_multiple_of",
    "padding_side",
    "peft_version",
    "pipeline_tag",
    "revision",
    "tags",
    "tokenizer_name",
    "tokenizer_type",
    "transformers.js_config",
    "trust_remote_code",
    "use_unsloth",
];

/// Keys that change what is computed, and why a folder with one of them is refused where the
/// architecture does not read it.
pub(super) const CHANGING: &[(&str, &str)] = &[
    // Of a whole model, it is read where weights are.
    (
        "quantization_config",
        "it is read for the whole model, not for a part of it; use the unquantized checkpoint",
    ),
    ("is_encoder_decoder", "only decoders without an encoder are computed"),
    ("add_cross_attention", "only decoders without an encoder are computed"),
    ("cross_attention_hidden_size", "only decoders without an encoder are computed"),
    ("tie_encoder_decoder", "only decoders without an encoder are computed"),
    ("pruned_heads", "layers with heads taken out are not read; save the model with all heads"),
    ("per_layer_config", "all layers have the same sizes and settings here"),
    ("rope_parameters", "positions are learned in this architecture"),
    ("rope_scaling", "positions are learned in this architecture"),
    ("rope_theta", "positions are learned in this architecture"),
    ("partial_rotary_factor", "positions are learned in this architecture"),
    ("rope_interleaved", "channels are turned with those half a head away, not with neighbours"),
    ("num_experts", "mixtures of experts are not computed"),
    ("num_local_experts", "mixtures of experts are not computed"),
    ("n_routed_experts", "mixtures of experts are not computed"),
];

/// Keys of transformers' `GenerationConfig`, which counts in `generation_config.json` and, where
/// there is none, in `config.json`. No forward pass reads them; answers are drawn by them.
pub(crate) const GENERATION: &[&str] = &[
    "assistant_confidence_threshold",
    "assistant_early_exit",
    "assistant_ensemble_weight",
    "assistant_lookbehind",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "cache_config",
    "cache_implementation",
    "compile_config",
    "constraints",
    "continuous_batching_config",
    "decoder_start_token_id",
    "disable_compile",
    "diversity_penalty",
    "do_sample",
    "dola_layers",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "eos_token_id",
    "epsilon_cutoff",
    "eta_cutoff",
    "exponential_decay_length_penalty",
    "force_bos_token_to_be_generated",
    "force_words_ids",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "guidance_scale",
    "is_assistant",
    "length_penalty",
    "low_memory",
    "max_cache_len",
    "max_length",
    "max_matching_ngram_size",
    "max_new_tokens",
    "max_time",
    "min_length",
    "min_new_tokens",
    "min_p",
    "no_repeat_ngram_size",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "pad_token_id",
    "penalty_alpha",
    "prefill_chunk_size",
    "prompt_lookup_num_tokens",
    "remove_invalid_values",
    "renormalize_logits",
    "repetition_penalty",
    "return_dict_in_generate",
    "sequence_bias",
    "speculation_type",
    "stop_strings",
    "suppress_tokens",
    "target_lookbehind",
    "temperature",
    "token_healing",
    "top_h",
    "top_k",
    "top_p",
    "transformers_version",
    "typical_p",
    "use_cache",
    "use_mtp",
    "watermarking_config",
];

/// Endings and beginnings by which a key is known to change nothing.
pub(super) fn is_harmless(key: &str) -> bool {
    let dropout = |key: &str| {
        ["dropout", "pdrop", "layerdrop"].iter().any(|part| key.contains(part))
            || key.starts_with("drop")
            || key.ends_with("_drop")
    };
    HARMLESS.contains(&key)
        || GENERATION.contains(&key)
        || ["_", "unsloth_", "axolotl_"].iter().any(|start| key.starts_with(start))
        || dropout(key)
}

/// Whether a value says what holds without the key: a multiplier of 1, or full attention in all
/// layers. A multiplier of attention is none: it stands in the place of a scale that is not 1.
pub(super) fn says_nothing(key: &str, value: &Value) -> bool {
    let neutral = ["multiplier", "logits_scaling", "logit_scale", "residual_scale"];
    match value {
        Value::Number(number) => {
            number.as_f64() == Some(1.0)
                && neutral.iter().any(|part| key.contains(part))
                && !key.contains("attention")
        }
        Value::Array(all) => key == "layer_types" && all.iter().all(|own| own == "full_attention"),
        _ => false,
    }
}

/// Whether a key of this name multiplies something, so that 0 does not switch it off: a scale that
/// is absent is 1.
pub(super) fn multiplies(key: &str) -> bool {
    ["scale", "scaling", "factor", "multiplier", "temperature", "theta"]
        .iter()
        .any(|part| key.contains(part))
        || ["_base", "_eps", "_epsilon"].iter().any(|end| key.ends_with(end))
}
