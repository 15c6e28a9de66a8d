//! Folders that are damaged, foreign or malicious end in a typed error.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use bias_model::{LanguageModel, ModelError};
use burn::backend::Flex;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
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
    let views = all.iter().map(|(n, d, s, b)| (n.as_str(), TensorView::new(*d, s.clone(), b).unwrap()));
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn missing_files_are_named() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let folder = copy("tied_bf16");
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
        assert!(matches!(error, ModelError::Weights { .. } | ModelError::Read { .. }), "{keep}: {error}");
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
