//! Folders that are damaged, foreign or malicious end in a typed error.

use std::fs;
use std::path::{Path, PathBuf};

use bias_model::{
    Checkpoint, Decoder, HookedModel, LanguageModel, LoadOptions, ModelConfig, ModelError,
    Precision,
};
use bias_probe::{NoObserver, Sequence, TokenBatch};
use bias_types::TokenRole;
use burn::backend::Flex;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use tempfile::TempDir;

fn golden(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(case)
}

/// A copy of a good folder, to be spoiled.
fn copy(case: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden(case)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn load(folder: &Path) -> Result<LanguageModel<Flex>, ModelError> {
    LanguageModel::load(folder, &Default::default())
}

fn edit(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, serde_json::to_vec(&json).unwrap()).unwrap();
}

/// Rewrites one tensor of a single-file checkpoint.
fn rewrite(
    folder: &Path,
    name: &str,
    change: impl Fn(Dtype, &[usize], &[u8]) -> (Dtype, Vec<usize>, Vec<u8>),
) {
    let path = folder.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let all: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .tensors()
        .into_iter()
        .map(|(own, view)| {
            let (dtype, shape, data) = if own == name {
                change(view.dtype(), view.shape(), view.data())
            } else {
                (view.dtype(), view.shape().to_vec(), view.data().to_vec())
            };
            (own, dtype, shape, data)
        })
        .collect();
    let views =
        all.iter().map(|(n, d, s, b)| (n.as_str(), TensorView::new(*d, s.clone(), b).unwrap()));
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn missing_files_are_named() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let folder = copy("tied_bf16");
        // Weights by another name have an error of their own.
        fs::remove_file(folder.path().join("expected.safetensors")).unwrap();
        fs::remove_file(folder.path().join(name)).unwrap();
        let error = load(folder.path()).unwrap_err();
        assert!(matches!(&error, ModelError::Read { path, .. } if path.ends_with(name)), "{error}");
    }
    assert!(load(Path::new("/nowhere")).is_err());
}

#[test]
fn truncated_weights_are_refused_at_every_length() {
    let folder = copy("tied_bf16");
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    for keep in [0, 1, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..keep]).unwrap();
        let error = load(folder.path()).unwrap_err();
        assert!(
            matches!(error, ModelError::Weights { .. } | ModelError::Read { .. }),
            "{keep}: {error}"
        );
    }
    // A header that claims to be 2^60 bytes long.
    let mut huge = whole.clone();
    huge[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
    fs::write(&path, huge).unwrap();
    assert!(matches!(load(folder.path()), Err(ModelError::Weights { .. })));
}

#[test]
fn a_shard_outside_the_folder_is_refused() {
    for file in ["../secret.safetensors", "/etc/passwd", "sub/model.safetensors", "..", ""] {
        let folder = copy("gqa_sharded");
        edit(&folder.path().join("model.safetensors.index.json"), |json| {
            let first = json["weight_map"].as_object_mut().unwrap().values_mut().next().unwrap();
            *first = file.into();
        });
        assert!(matches!(load(folder.path()), Err(ModelError::EscapingShard { .. })), "{file}");
    }
}

#[test]
fn shapes_and_types_that_do_not_fit_are_reported_together() {
    let folder = copy("tied_bf16");
    edit(&folder.path().join("config.json"), |json| json["intermediate_size"] = 57.into());
    let ModelError::Mismatch { report, .. } = load(folder.path()).unwrap_err() else {
        panic!("not a mismatch")
    };
    assert_eq!(report.mismatched.len(), 6);

    let folder = copy("tied_bf16");
    let name = "model.layers.0.mlp.up_proj.weight";
    rewrite(folder.path(), name, |_, shape, data| (Dtype::I16, shape.to_vec(), data.to_vec()));
    let ModelError::Mismatch { report, .. } = load(folder.path()).unwrap_err() else {
        panic!("not a mismatch")
    };
    assert_eq!(report.mismatched[0].0, name);

    let folder = copy("tied_bf16");
    edit(&folder.path().join("config.json"), |json| json["num_hidden_layers"] = 100.into());
    assert!(matches!(load(folder.path()), Err(ModelError::Mismatch { .. })));
}

#[test]
fn weights_that_are_not_numbers_are_refused() {
    let folder = copy("tied_bf16");
    rewrite(folder.path(), "model.norm.weight", |dtype, shape, data| {
        let mut data = data.to_vec();
        data[..2].copy_from_slice(&half::bf16::NAN.to_le_bytes());
        (dtype, shape.to_vec(), data)
    });
    let error = load(folder.path()).unwrap_err();
    assert!(
        matches!(&error, ModelError::NotFinite { tensor, .. } if tensor == "model.norm.weight"),
        "{error}"
    );
}

#[test]
fn other_architectures_and_broken_json_are_refused() {
    let folder = copy("tied_bf16");
    edit(&folder.path().join("config.json"), |json| json["model_type"] = "mamba".into());
    assert!(matches!(load(folder.path()), Err(ModelError::Unsupported { .. })));
    fs::write(folder.path().join("config.json"), "{").unwrap();
    assert!(matches!(load(folder.path()), Err(ModelError::Json { .. })));
    let folder = copy("tied_bf16");
    fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    assert!(matches!(load(folder.path()), Err(ModelError::Tokenizer { .. })));
    let folder = copy("tied_bf16");
    fs::write(folder.path().join("chat_template.jinja"), "{% for %}").unwrap();
    assert!(matches!(load(folder.path()), Err(ModelError::Template { .. })));
}

fn cases() -> Vec<String> {
    let cases: Vec<serde_json::Value> =
        serde_json::from_slice(&fs::read(golden("cases.json")).unwrap()).unwrap();
    cases.iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
}

fn decoder(
    folder: &Path,
    config: serde_json::Map<String, serde_json::Value>,
) -> Result<Decoder<Flex>, ModelError> {
    let config = ModelConfig::from_json(config)?;
    Decoder::load(&Checkpoint::open(folder)?, config, Precision::F32, &Default::default())
}

/// Every key of every architecture's config, set to what nobody should set it to: an error
/// or a model that runs, never a panic and never an allocation of the size it claims.
#[test]
fn no_setting_makes_a_model_panic() {
    let hostile = [
        serde_json::json!(0),
        serde_json::json!(1),
        serde_json::json!(3),
        serde_json::json!(-1),
        serde_json::json!(1_000_000_000_000u64),
        serde_json::json!(u64::MAX),
        serde_json::json!(1e300),
        serde_json::json!(1e-300),
        serde_json::json!(true),
        serde_json::json!("silu"),
        serde_json::json!([1, "x"]),
        serde_json::json!({"rope_type": "yarn", "factor": -3}),
        serde_json::json!({"rope_type": "longrope", "short_factor": [0], "long_factor": []}),
        serde_json::json!({"rope_type": "llama3", "factor": 1e300, "low_freq_factor": 4, "high_freq_factor": 4}),
        serde_json::json!({"type": "dynamic", "factor": 1e18}),
        serde_json::Value::Null,
    ];
    let prompt = Sequence::chain(vec![1, 5, 9, 2], vec![TokenRole::Prompt; 4]).unwrap();
    let batch = TokenBatch::new(&[prompt]).unwrap();
    let (mut refused, mut run) = (0, 0);
    for case in cases() {
        let folder = golden(&case);
        let config: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
        let mut spoiled = Vec::new();
        for value in &hostile {
            for key in config.keys() {
                let mut config = config.clone();
                config.insert(key.clone(), value.clone());
                spoiled.push(config);
            }
            // The settings that count in a multimodal folder.
            let nested = config.get("text_config").and_then(serde_json::Value::as_object);
            for key in nested.into_iter().flat_map(serde_json::Map::keys) {
                let mut config = config.clone();
                config["text_config"][key] = value.clone();
                spoiled.push(config);
            }
        }
        for config in spoiled {
            match decoder(&folder, config) {
                Err(_) => refused += 1,
                // A context of 0 tokens, or numbers that overflow, are the forward pass's to
                // refuse.
                Ok(model) => run += usize::from(model.logits(&batch, &mut NoObserver).is_ok()),
            }
        }
    }
    assert!(refused > 2000 && run > 1000, "{refused} refused, {run} run");
}

#[test]
fn sizes_beyond_reason_are_refused_before_anything_is_read() {
    for case in cases() {
        let folder = golden(&case);
        let config: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
        for (key, value) in [
            ("hidden_size", 1_000_000_000_000u64),
            ("n_embd", 1_000_000_000_000),
            ("num_hidden_layers", 1_000_000_000),
            ("n_layer", 1_000_000_000),
            ("vocab_size", 1 << 40),
        ] {
            let nested = config.get("text_config").is_some_and(|text| text.get(key).is_some());
            if config.contains_key(key) || nested {
                let mut config = config.clone();
                if nested {
                    config["text_config"][key] = value.into();
                } else {
                    config.insert(key.into(), value.into());
                }
                let error = decoder(&folder, config).unwrap_err();
                assert!(matches!(error, ModelError::Config { .. }), "{case} {key}: {error}");
            }
        }
    }
}

#[test]
fn a_key_that_nobody_knows_is_refused_unless_accepted() {
    let folder = copy("tied_bf16");
    edit(&folder.path().join("config.json"), |json| json["attention_temperature"] = 2.into());
    let error = load(folder.path()).unwrap_err();
    assert!(
        matches!(&error, ModelError::Unsupported { key, .. } if key == "attention_temperature"),
        "{error}"
    );
    let options =
        LoadOptions { accepted_keys: vec!["attention_temperature".into()], ..Default::default() };
    assert!(LanguageModel::<Flex>::load_with(folder.path(), &options, &Default::default()).is_ok());
    // Quantized weights would be read as something else.
    edit(&folder.path().join("config.json"), |json| {
        json["quantization_config"] = serde_json::json!({"bits": 4});
    });
    assert!(matches!(load(folder.path()), Err(ModelError::Unsupported { .. })));
}

/// Ids of special tokens say nothing of what is computed; transformers writes some of them for GGUF
/// files.
#[test]
fn ids_of_special_tokens_are_passed_over() {
    let folder = copy("tied_bf16");
    edit(&folder.path().join("config.json"), |json| {
        for name in ["unk", "sep", "cls", "mask", "pad", "bos", "decoder_start", "eot", "eom"] {
            json[format!("{name}_token_id")] = 3.into();
        }
    });
    assert!(load(folder.path()).is_ok());
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let folder = copy("tied_bf16");
    edit(&folder.path().join("tokenizer.json"), |json| {
        let vocab = json["model"]["vocab"].as_object_mut().unwrap();
        (64..80).for_each(|i| drop(vocab.insert(format!("extra{i}"), i.into())));
    });
    let error = load(folder.path()).unwrap_err();
    assert!(matches!(error, ModelError::Vocabulary { vocab: 64, .. }), "{error}");
}

/// The ids of further tokens are counted on from the largest.
#[test]
fn an_id_beyond_any_vocabulary_is_refused() {
    for id in [u64::from(u32::MAX), 1 << 31, u64::MAX] {
        for in_vocabulary in [false, true] {
            let folder = copy("tied_bf16");
            edit(&folder.path().join("tokenizer.json"), |own| {
                if in_vocabulary {
                    own["model"]["vocab"]["more"] = id.into();
                } else {
                    own["added_tokens"][0]["id"] = id.into();
                }
            });
            let error = load(folder.path()).unwrap_err().to_string();
            assert!(error.contains("tokenizer.json") && error.contains(&id.to_string()), "{error}");
        }
    }
}

/// Found by the fuzz: tokenizers panics where a token is shorter than what is cut off.
#[test]
fn a_decoder_that_cuts_the_ends_of_tokens_is_refused() {
    let strip = |stop: u32| json!({"type": "Strip", "content": " ", "start": 1, "stop": stop});
    let sequence = |stop| json!({"type": "Sequence", "decoders": [{"type": "Fuse"}, strip(stop)]});
    for (decoder, known) in
        [(strip(0), true), (strip(1), false), (sequence(0), true), (sequence(2), false)]
    {
        let folder = copy("tied_bf16");
        edit(&folder.path().join("tokenizer.json"), |own| own["decoder"] = decoder);
        match load(folder.path()) {
            Ok(_) => assert!(known),
            Err(error) => assert!(!known && error.to_string().contains("Strip"), "{error}"),
        }
    }
}

#[test]
fn a_tensor_in_two_shards_is_refused() {
    let folder = copy("gqa_sharded");
    let index = folder.path().join("model.safetensors.index.json");
    let name = "model-00001-of-00005.safetensors";
    fs::copy(folder.path().join(name), folder.path().join("model-00006.safetensors")).unwrap();
    edit(&index, |json| json["weight_map"]["again"] = "model-00006.safetensors".into());
    assert!(matches!(load(folder.path()), Err(ModelError::DuplicateTensor { .. })));
}

/// Headers whose offsets overlap, leave holes, run backwards or past the end.
#[test]
fn offsets_that_do_not_fit_are_refused() {
    let folder = copy("tied_bf16");
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&whole[8..8 + length]).unwrap();
    let norm = "model.norm.weight";
    let end = whole.len() - 8 - length;
    for offsets in [[0, 64], [64, 0], [end, end + 64], [0, usize::MAX], [1, 65]] {
        let mut header = header.clone();
        header[norm]["data_offsets"] = serde_json::json!(offsets);
        let header = serde_json::to_vec(&header).unwrap();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(&header);
        bytes.extend(&whole[8 + length..]);
        fs::write(&path, bytes).unwrap();
        let error = load(folder.path()).unwrap_err();
        assert!(matches!(error, ModelError::Weights { .. }), "{offsets:?}: {error}");
    }
}

/// Settings that would be computed otherwise than transformers does, or silently not at all.
#[test]
fn settings_that_mean_something_else_are_refused() {
    let cases = [
        ("llama_linear", "is_causal", serde_json::json!(false)),
        ("llama_linear", "partial_rotary_factor", serde_json::json!(0.5)),
        ("gpt_neox_pythia", "rope_theta", serde_json::json!(500.0)),
        ("gemma3_linear", "sliding_window_pattern", serde_json::json!(0)),
        (
            "gemma3_linear",
            "rope_parameters",
            serde_json::json!({"rope_type": "linear", "factor": 2.0}),
        ),
    ];
    let scalings = [
        serde_json::json!("linear"),
        serde_json::json!(8),
        serde_json::json!([2.0]),
        serde_json::json!({"rope_type": 3, "type": "linear", "factor": 2.0}),
        serde_json::json!({"rope_type": "yarn", "factor": 2.0, "truncate": "false"}),
        serde_json::json!({"rope_type": "dynamic", "factor": 0.5}),
        serde_json::json!({"rope_type": "linear", "factor": 2.0, "partial_rotary_factor": 0.5}),
    ];
    let scalings = scalings.map(|value| ("llama_linear", "rope_scaling", value));
    for (case, key, value) in cases.into_iter().chain(scalings) {
        let mut config: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&fs::read(golden(case).join("config.json")).unwrap()).unwrap();
        config.insert(key.into(), value.clone());
        let refused = ModelConfig::from_json(config);
        assert!(
            matches!(refused, Err(ModelError::Unsupported { .. } | ModelError::Config { .. })),
            "{case}: {key} = {value}"
        );
    }
}

/// As in transformers, an empty `rope_scaling` lets `rope_parameters` speak.
#[test]
fn an_empty_object_says_nothing() {
    let read = |older: Option<serde_json::Value>| {
        let mut config: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&fs::read(golden("llama_yarn").join("config.json")).unwrap())
                .unwrap();
        assert!(config.contains_key("rope_parameters"));
        config.extend(older.map(|value| ("rope_scaling".to_owned(), value)));
        let model = decoder(&golden("llama_yarn"), config).unwrap();
        let prompt = Sequence::chain(vec![1, 5, 9, 2], vec![TokenRole::Prompt; 4]).unwrap();
        let logits = model.logits(&TokenBatch::new(&[prompt]).unwrap(), &mut NoObserver).unwrap();
        logits.into_data().to_vec::<f32>().unwrap()
    };
    assert_eq!(read(Some(serde_json::json!({}))), read(None));
    assert_ne!(read(Some(serde_json::json!({"rope_type": "default"}))), read(None));
}

/// Absent files mean something: no chat template, no sampling settings, weights in shards. So a file
/// that cannot be looked at must not pass for an absent one. A link to itself is such a file,
/// whatever the user's rights.
#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_looked_at_is_not_absent() {
    for name in [
        "generation_config.json",
        "chat_template.jinja",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "model.safetensors",
    ] {
        let folder = copy("tied_bf16");
        let path = folder.path().join(name);
        let _ = fs::remove_file(&path);
        if name == "tokenizer_config.json" {
            let _ = fs::remove_file(folder.path().join("chat_template.jinja"));
        }
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let error = load(folder.path()).unwrap_err();
        assert!(matches!(&error, ModelError::Read { path: own, .. } if *own == path), "{error}");
    }
}
