//! Quantized folders and adapters that are damaged, foreign or malicious end in a typed error, which
//! names the file, the tensor and what was found.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bias_model::{Checkpoint, Decoder, ModelConfig, ModelError, Precision};
use burn::backend::Flex;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn forms() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/forms")
}

/// A copy of a good folder, to be spoiled. An adapter's base is named by its whole path.
fn copy(case: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = forms().join(case);
    for entry in fs::read_dir(&from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let adapter = folder.path().join("adapter_config.json");
    if adapter.is_file() {
        edit(&adapter, |config| {
            let base = from.join(config["base_model_name_or_path"].as_str().unwrap());
            config["base_model_name_or_path"] = base.canonicalize().unwrap().to_str().into();
        });
    }
    folder
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, serde_json::to_vec(&json).unwrap()).unwrap();
}

fn spoil(path: &Path, change: impl FnOnce(&mut Tensors)) {
    let bytes = fs::read(path).unwrap();
    let own = SafeTensors::deserialize(&bytes).unwrap();
    let of = |(name, view): (String, TensorView<'_>)| {
        (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
    };
    let mut tensors: Tensors = own.tensors().into_iter().map(of).collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (name.clone(), TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn load(folder: &Path, precision: Precision) -> Result<Decoder<Flex>, ModelError> {
    let config = ModelConfig::from_folder(folder)?;
    Decoder::load(&Checkpoint::open(folder)?, config, precision, &Default::default())
}

/// The message, without the way to the folder.
fn refusal(folder: &Path) -> String {
    let error = load(folder, Precision::F32).unwrap_err();
    error.to_string().replace(&format!("{}/", folder.display()), "")
}

const Q: &str = "model.layers.0.self_attn.q_proj";

#[test]
fn damaged_groups_are_named() {
    type Change = fn(&mut Tensors);
    let cases: [(&str, Change, &[&str]); 16] = [
        (
            "models/fp8",
            |own| drop(own.remove(&format!("{Q}.weight_scale_inv"))),
            &["model.safetensors", "q_proj.weight_scale_inv", "no such tensor", "[3, 1]"],
        ),
        (
            "models/fp8",
            |own| own.get_mut(&format!("{Q}.weight_scale_inv")).unwrap().1 = vec![1, 3],
            &["q_proj.weight_scale_inv", "[3, 1]", "F32 [1, 3]"],
        ),
        (
            "models/fp8",
            |own| own.get_mut(&format!("{Q}.weight_scale_inv")).unwrap().0 = Dtype::I32,
            &["q_proj.weight_scale_inv", "F32, BF16 or F16 [3, 1]", "I32 [3, 1]"],
        ),
        (
            "models/fp8",
            |own| own.get_mut(&format!("{Q}.weight")).unwrap().2[7] = 0x7f,
            &["q_proj.weight holds NaN or infinite values"],
        ),
        (
            "models/fp8",
            |own| {
                let scales = own.get_mut(&format!("{Q}.weight_scale_inv")).unwrap();
                scales.2[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
            },
            &["q_proj.weight holds NaN or infinite values"],
        ),
        (
            "models/gptq",
            |own| drop(own.remove(&format!("{Q}.qzeros"))),
            &["q_proj.qzeros", "no such tensor", "I32 [3, 3]"],
        ),
        (
            "models/gptq",
            |own| own.get_mut(&format!("{Q}.qweight")).unwrap().1 = vec![24, 3],
            &["q_proj.scales", "[24, 3]", "[3, 24]"],
        ),
        (
            "models/gptq",
            |own| own.get_mut(&format!("{Q}.g_idx")).unwrap().2[..4].fill(255),
            &["q_proj.g_idx", "groups below 3", "4294967295"],
        ),
        (
            "models/gptq",
            |own| own.get_mut(&format!("{Q}.g_idx")).unwrap().0 = Dtype::F32,
            &["q_proj.g_idx", "I32 [24]", "F32 [24]"],
        ),
        (
            "models/awq",
            |own| own.get_mut(&format!("{Q}.scales")).unwrap().1 = vec![24, 3],
            &["q_proj.scales", "[3, 24]", "F16 [24, 3]"],
        ),
        (
            "models/awq",
            |own| own.get_mut(&format!("{Q}.qweight")).unwrap().0 = Dtype::F32,
            &["q_proj.qweight", "I32 [rows, columns]", "F32"],
        ),
        (
            "models/nf4",
            |own| drop(own.remove(&format!("{Q}.weight.nested_absmax"))),
            &["q_proj.weight.nested_absmax", "no such tensor"],
        ),
        (
            "models/nf4",
            |own| {
                let codes = own.get_mut(&format!("{Q}.weight")).unwrap();
                (codes.1, codes.2) = (vec![100, 1], vec![0; 100]);
            },
            &["q_proj.weight", "2048 bytes", "found 100 bytes"],
        ),
        (
            "models/nf4",
            |own| drop(own.remove(&format!("{Q}.weight.quant_map"))),
            &["q_proj.weight.quant_map", "F32 [16]"],
        ),
        (
            "models/int8",
            |own| drop(own.remove(&format!("{Q}.SCB"))),
            &["q_proj.SCB", "F32 [64]", "no such tensor"],
        ),
        (
            "models/compressed",
            |own| own.get_mut(&format!("{Q}.weight_scale")).unwrap().1 = vec![1, 24],
            &["q_proj.weight_scale", "[24, 1] or [24]", "BF16 [1, 24]"],
        ),
    ];
    for (case, change, said) in cases {
        let folder = copy(case);
        spoil(&folder.path().join("model.safetensors"), change);
        let error = refusal(folder.path());
        assert!(said.iter().all(|part| error.contains(part)), "{case}: {error}");
    }
}

/// What a state says of sizes is believed only where the bytes say it too.
#[test]
fn huge_and_odd_states_allocate_nothing() {
    for (key, value, said) in [
        ("shape", json!([u64::MAX, u64::MAX]), "[out, in]"),
        ("shape", json!([1u64 << 40, 1u64 << 20]), "576460752303423488 bytes"),
        ("shape", json!([4096]), "[out, in]"),
        ("blocksize", json!(0), "a `blocksize`"),
        ("blocksize", json!(-1), "the settings of its matrix"),
        ("quant_type", json!("af4"), "af4"),
        ("dtype", json!("int8"), "int8"),
        ("nested_blocksize", json!(1), "nested_absmax"),
        ("nested_offset", json!("much"), "the settings of its matrix"),
    ] {
        let folder = copy("models/nf4");
        let name = format!("{Q}.weight.quant_state.bitsandbytes__nf4");
        spoil(&folder.path().join("model.safetensors"), |own| {
            let state = own.get_mut(&name).unwrap();
            let mut json: Value = serde_json::from_slice(&state.2).unwrap();
            json[key] = value.clone();
            state.2 = serde_json::to_vec(&json).unwrap();
            state.1 = vec![state.2.len()];
        });
        let error = refusal(folder.path());
        assert!(error.contains(said) && error.contains("q_proj.weight"), "{key} {value}: {error}");
    }
}

#[test]
fn forms_that_are_not_read_are_refused_with_the_way_out() {
    for (key, value, said) in [
        ("bits", json!(3), "gptq of 3 bits"),
        ("checkpoint_format", json!("marlin"), "`marlin`"),
        ("quant_method", json!("hqq"), "`hqq` of 4 bits"),
    ] {
        let folder = copy("models/gptq");
        edit(&folder.path().join("config.json"), |own| own["quantization_config"][key] = value);
        let error = refusal(folder.path());
        assert!(error.contains(said) && error.contains("unquantized"), "{error}");
    }
    // Told to load it all the same, it finds tensors that it does not know.
    let (folder, keys) = (copy("models/gptq"), ["quantization_config".to_owned()]);
    edit(&folder.path().join("config.json"), |own| own["quantization_config"]["bits"] = 3.into());
    let config = ModelConfig::accepting(folder.path(), &keys).unwrap();
    let checkpoint = Checkpoint::accepting(folder.path(), &keys).unwrap();
    let error = Decoder::<Flex>::load(&checkpoint, config, Precision::F32, &Default::default());
    assert!(matches!(error, Err(ModelError::Mismatch { .. })));
}

/// Bits of another method than the config says are no panic.
#[test]
fn forms_that_the_tensors_contradict_are_errors() {
    let models = ["fp8", "compressed", "gptq", "awq", "nf4", "int8", "mxfp4"];
    let methods = models.map(|case| {
        let path = forms().join("models").join(case).join("config.json");
        let config: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        config["quantization_config"].clone()
    });
    for (i, case) in models.iter().enumerate() {
        for (j, method) in methods.iter().enumerate().filter(|(j, _)| *j != i) {
            let folder = copy(&format!("models/{case}"));
            let path = folder.path().join("config.json");
            edit(&path, |own| own["quantization_config"] = method.clone());
            for precision in [Precision::F32, Precision::Mapped] {
                let found = load(folder.path(), precision);
                assert!(found.is_err(), "{case} as {}", models[j]);
            }
        }
    }
}

#[test]
fn a_truncated_file_is_seen() {
    for (case, file) in
        [("models/gptq", "model.safetensors"), ("adapters/dora", "adapter_model.safetensors")]
    {
        let folder = copy(case);
        let path = folder.path().join(file);
        let bytes = fs::read(&path).unwrap();
        for len in [0, 7, 100, bytes.len() - 1] {
            fs::write(&path, &bytes[..len]).unwrap();
            let error = load(folder.path(), Precision::F32).unwrap_err();
            let ModelError::Weights { path: own, .. } = &error else { panic!("{error}") };
            assert_eq!(*own, path);
        }
        fs::remove_file(&path).unwrap();
        assert!(refusal(folder.path()).contains(file));
    }
}

#[test]
fn adapters_that_do_not_fit_are_named() {
    type Change = fn(&mut Tensors);
    let (a, b) = ("q_proj.lora_A.weight", "q_proj.lora_B.weight");
    let case = "adapters/patterns";
    let cases: [(Change, &[&str]); 11] = [
        (
            |own| drop(own.remove(&named("q_proj.lora_A.weight"))),
            &["q_proj has one of lora_A and lora_B, not both"],
        ),
        (
            |own| own.get_mut(&named("q_proj.lora_A.weight")).unwrap().1 = vec![32, 4],
            &["q_proj has lora_A [32, 4] and lora_B [32, 4]", "base's [32, 32]", "ranks differ"],
        ),
        (
            |own| {
                own.insert(named("q_proj.lora_A.weight"), (Dtype::F32, vec![0, 32], vec![]));
                own.insert(named("q_proj.lora_B.weight"), (Dtype::F32, vec![32, 0], vec![]));
            },
            &["q_proj", "[0, 32]", "are 0"],
        ),
        (
            |own| {
                let (a, b) = (vec![0; 4 * 31 * 4], vec![0; 4 * 32 * 4]);
                own.insert(named("q_proj.lora_A.weight"), (Dtype::F32, vec![4, 31], a));
                own.insert(named("q_proj.lora_B.weight"), (Dtype::F32, vec![32, 4], b));
            },
            &["q_proj has lora_A [4, 31]", "do not fit the base's [32, 32]"],
        ),
        (
            |own| {
                let (a, b) = (vec![0; 5 * 32 * 4], vec![0; 5 * 32 * 4]);
                own.insert(named("q_proj.lora_A.weight"), (Dtype::F32, vec![5, 32], a));
                own.insert(named("q_proj.lora_B.weight"), (Dtype::F32, vec![32, 5], b));
            },
            &["q_proj has the rank 5", "adapter_config.json says 4"],
        ),
        (
            |own| own.get_mut(&named("q_proj.lora_A.weight")).unwrap().1 = vec![128],
            &["q_proj has lora_A [128]"],
        ),
        (
            |own| own.get_mut(&named("q_proj.lora_A.weight")).unwrap().0 = Dtype::I32,
            &["q_proj has lora_A of I32", "not of F32, BF16 or F16"],
        ),
        (
            |own| {
                let a = own.get_mut(&named("q_proj.lora_A.weight")).unwrap();
                a.2[..4].copy_from_slice(&f32::NAN.to_le_bytes());
            },
            &["adapter_model.safetensors", "q_proj.lora_A holds NaN or infinite values"],
        ),
        (
            |own| {
                for part in ["lora_A", "lora_B"] {
                    let tensor = own.remove(&named(&format!("q_proj.{part}.weight"))).unwrap();
                    let name =
                        format!("base_model.model.model.layers.7.self_attn.q_proj.{part}.weight");
                    own.insert(name, tensor);
                }
            },
            &["model.layers.7.self_attn.q_proj is no matrix of the base", "gqa_sharded"],
        ),
        (
            |own| drop(own.insert(named("q_proj.lora_B.bias"), (Dtype::F32, vec![1], vec![0; 4]))),
            &["q_proj.lora_B.bias is no tensor of a LoRA adapter that is read"],
        ),
        (Tensors::clear, &["adapter_model.safetensors holds no tensors"]),
    ];
    fn named(end: &str) -> String {
        format!("base_model.model.model.layers.0.self_attn.{end}")
    }
    for (change, said) in cases {
        let folder = copy(case);
        let path = folder.path().join("adapter_model.safetensors");
        spoil(&path, |own| assert!(own.contains_key(&named(a)) && own.contains_key(&named(b))));
        spoil(&path, change);
        let error = refusal(folder.path());
        assert!(said.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn adapters_that_are_not_merged_are_named() {
    for (case, key, value, said) in [
        ("adapters/patterns", "peft_type", json!("IA3"), "`peft_type` = \"IA3\""),
        ("adapters/patterns", "peft_type", json!("PREFIX_TUNING"), "PREFIX_TUNING"),
        ("adapters/patterns", "use_dora", json!(true), "has no lora_magnitude_vector"),
        ("adapters/dora", "use_dora", json!(false), "`use_dora`"),
        ("adapters/patterns", "r", json!(0), "`r` = 0"),
        ("adapters/patterns", "r", json!(1u64 << 60), "has the rank 4"),
        ("adapters/patterns", "lora_alpha", json!(1e300), "not finite"),
        ("adapters/patterns", "layer_replication", json!([[0, 1]]), "layer_replication"),
        ("adapters/patterns", "base_model_name_or_path", json!(null), "base_model_name_or_path"),
        ("adapters/patterns", "base_model_name_or_path", json!("/no/such/base"), "/no/such/base"),
        ("adapters/patterns", "base_model_name_or_path", json!("../a/b/c"), "../a/b/c"),
    ] {
        let folder = copy(case);
        edit(&folder.path().join("adapter_config.json"), |own| own[key] = value.clone());
        let error = refusal(folder.path());
        assert!(
            error.contains("adapter_config.json") || error.contains("adapter_model"),
            "{error}"
        );
        assert!(error.contains(said), "{key} {value}: {error}");
    }
    // A base with an adapter of its own.
    let (outer, inner) = (copy("adapters/patterns"), copy("adapters/patterns"));
    edit(&outer.path().join("adapter_config.json"), |own| {
        own["base_model_name_or_path"] = inner.path().to_str().into();
    });
    assert!(refusal(outer.path()).contains("with an adapter itself"));
    // Its tensors as a pickle.
    let folder = copy("adapters/patterns");
    let path = folder.path().join("adapter_model.safetensors");
    fs::rename(&path, path.with_extension("bin")).unwrap();
    assert!(refusal(folder.path()).contains("adapter_model.bin"));
}
