//! Changes to a model's file while it is in use, values that are NaN, and models larger than
//! memory.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};

use bias_mask::{Intervention, Mask, MaskError};
use bias_model::{Checkpoint, Decoder, HookedModel as _, ModelConfig, ModelError, Precision};
use bias_probe::{NoObserver, ProbeError, Weights as _};
use burn::backend::Flex;

use super::models::{batches, copy, logits, open};

fn assert_changed(model: &Decoder<Flex>) {
    let Err(ProbeError::Weights { source }) = model.hidden(&batches()[0], &mut NoObserver) else {
        panic!("read from a file that changed")
    };
    let error = source.downcast_ref::<ModelError>().unwrap();
    assert!(
        matches!(error, ModelError::Changed { path } if path.ends_with("model.safetensors")),
        "{error}"
    );
}

#[test]
fn a_file_that_changes_meanwhile_is_noticed() {
    let folder = copy("tied_bf16");
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();

    // Written to.
    let model = open(folder.path(), Precision::Mapped).unwrap();
    model.hidden(&batches()[0], &mut NoObserver).unwrap();
    let mut file = File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::End(-2)).unwrap();
    file.write_all(&[1, 1]).unwrap();
    file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(5)).unwrap();
    assert_changed(&model);

    // Cut.
    fs::write(&path, &whole).unwrap();
    let model = open(folder.path(), Precision::Mapped).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(whole.len() as u64 / 2).unwrap();
    assert_changed(&model);

    // Replaced by another of its name: what was opened is still there.
    fs::write(&path, &whole).unwrap();
    let model = open(folder.path(), Precision::Mapped).unwrap();
    let before = logits(&model);
    let other = folder.path().join("other");
    fs::write(&other, &whole[..100]).unwrap();
    fs::rename(&other, &path).unwrap();
    assert_eq!(logits(&model), before);
}

/// Weights that changed since they were opened are nobody's: no two such models are taken for one.
#[test]
fn files_that_changed_have_no_fingerprint() {
    let later = |path: &std::path::Path| {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(5))
            .unwrap();
    };
    for (case, weights) in
        [("tied_bf16", "model.safetensors"), ("gqa_sharded", "model-00002-of-00005.safetensors")]
    {
        let folder = copy(case);
        let path = folder.path().join(weights);
        let mut model = open(folder.path(), Precision::Mapped).unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let known = Checkpoint::open(folder.path()).unwrap();
        let before = known.fingerprint().unwrap().to_owned();
        later(&path);
        let changed = |error: &ModelError| matches!(error, ModelError::Changed { path } if path.ends_with(weights));
        assert!(changed(&checkpoint.fingerprint().unwrap_err()), "{case}");
        // That of what was opened stays known.
        assert_eq!(known.fingerprint().unwrap(), before);
        let Err(ProbeError::Fingerprint { source }) = model.fingerprint() else { panic!("{case}") };
        assert!(changed(source.downcast_ref().unwrap()), "{case}");
        let refused = Mask::default().apply(&mut model, Intervention::Zero);
        assert!(matches!(refused, Err(MaskError::Probe(ProbeError::Fingerprint { .. }))), "{case}");

        // Changed between the opening and the end of loading.
        let config = ModelConfig::from_folder(folder.path()).unwrap();
        let loaded =
            Decoder::<Flex>::load(&checkpoint, config, Precision::F32, &Default::default());
        assert!(changed(&loaded.unwrap_err()), "{case}");
    }
}

/// What is no number is found where it is used.
#[test]
fn weights_that_are_not_numbers_are_refused_when_they_are_read() {
    let folder = copy("tied_bf16");
    let path = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json: serde_json::Value = serde_json::from_slice(&bytes[8..header]).unwrap();
    let start =
        json["model.layers.1.mlp.up_proj.weight"]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[header + start..][..2].copy_from_slice(&0x7fc0u16.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let model = open(folder.path(), Precision::Mapped).unwrap();
    let Err(ProbeError::Weights { source }) = model.hidden(&batches()[0], &mut NoObserver) else {
        panic!("ran with what is no number")
    };
    let error = source.downcast_ref::<ModelError>().unwrap();
    assert!(
        matches!(error, ModelError::NotFinite { tensor, .. } if tensor.ends_with("layers.1.mlp.up_proj.weight"))
    );
}

/// A file of 137 GB that takes no place on the disk, and would take 275 GB of memory: too much
/// there, and no matter where it is left in its file.
#[test]
fn what_does_not_fit_into_memory_is_refused_before_it_is_read() {
    let folder = copy("tied_bf16");
    let (vocab, d_model, path) = (2_147_483_000u64, 32u64, folder.path().join("model.safetensors"));
    let config = folder.path().join("config.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    json["vocab_size"] = vocab.into();
    assert_eq!(json["hidden_size"], d_model);
    fs::write(&config, serde_json::to_vec(&json).unwrap()).unwrap();

    let bytes = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let (header, data) = bytes[8..].split_at(length as usize);
    let mut header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(header).unwrap();
    // The embedding goes behind all else, and grows.
    let end = data.len() as u64;
    let embedding = &mut header["model.embed_tokens.weight"];
    let [from, to] = [0, 1].map(|i| embedding["data_offsets"][i].as_u64().unwrap());
    embedding["shape"] = serde_json::json!([vocab, d_model]);
    embedding["data_offsets"] =
        serde_json::json!([end - (to - from), end - (to - from) + vocab * d_model * 2]);
    for (name, own) in &mut header {
        if name != "model.embed_tokens.weight" && name != "__metadata__" {
            let offsets = [0, 1].map(|i| own["data_offsets"][i].as_u64().unwrap());
            own["data_offsets"] =
                serde_json::json!(offsets.map(|at| if at >= to { at - (to - from) } else { at }));
        }
    }
    let rest: Vec<u8> = [&data[..from as usize], &data[to as usize..]].concat();
    let mut json = serde_json::to_vec(&header).unwrap();
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut file = File::create(&path).unwrap();
    file.write_all(&(json.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&json).unwrap();
    file.write_all(&rest).unwrap();
    file.set_len(8 + json.len() as u64 + rest.len() as u64 + vocab * d_model * 2).unwrap();

    let refused = open(folder.path(), Precision::F32);
    let Err(ModelError::Memory { needed, free, .. }) = &refused else { panic!("{refused:?}") };
    assert!(*needed > vocab * d_model * 4 && *free < *needed);
    assert!(refused.unwrap_err().to_string().contains("--stream"));
    let streamed = open(folder.path(), Precision::Mapped).unwrap();
    streamed.hidden(&batches()[0], &mut NoObserver).unwrap();
}
