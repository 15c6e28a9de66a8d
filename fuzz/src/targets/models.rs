//! Files of a model's folder.

use std::fs;
use std::path::Path;

use bias_model::checkpoint::GenerationSettings;
use bias_model::{
    Checkpoint, Decoder, ModelConfig, Precision, SamplingOptions, TextCodec, Tokenize as _,
};
use burn::backend::Flex;

use crate::fixtures;
use crate::scratch::{folder, with_file};

const SINGLE: &str = "golden/tied_bf16";
const SHARDED: &str = "golden/gqa_sharded";
const ADAPTER: &str = "forms/adapters/patterns";

/// Does what loading a model does.
fn load(path: &Path) -> bool {
    let Ok(config) = ModelConfig::from_folder(path) else { return false };
    let Ok(checkpoint) = Checkpoint::open(path) else { return false };
    drop(checkpoint.fingerprint().map(str::to_owned));
    Decoder::<Flex>::load(&checkpoint, config, Precision::F32, &Default::default()).is_ok()
}

/// Does what asking does with a text.
fn encode(path: &Path) -> bool {
    let Ok(text) = TextCodec::from_folder(path) else { return false };
    drop((text.number_grammar(), text.ids().len()));
    ["What should I offer Emily Becker?", "Ünïcode 12,000 🏳️‍🌈\n", ""].into_iter().all(|question| {
        drop(text.prompt(question, "Emily Becker"));
        text.verbatim(question).is_ok_and(|tokens| text.decode(&tokens).is_ok())
    })
}

/// Runs `read` on a copy of folders, in one, in which a file has these bytes.
fn in_copy(of: &[&str], file: &'static str, bytes: &[u8], read: fn(&Path) -> bool) -> bool {
    let own = folder(file, |own| of.iter().for_each(|inner| fixtures::copy(inner, own)));
    fs::write(own.join(file), bytes).unwrap();
    read(&own)
}

pub(crate) fn config(bytes: &[u8]) -> bool {
    in_copy(&[SINGLE], "config.json", bytes, |path| {
        if let Ok(own) = ModelConfig::from_folder(path) {
            drop(own.to_json().to_string());
        }
        load(path)
    })
}

pub(crate) fn configs() -> Vec<Vec<u8>> {
    let all = ["golden", "forms/models"].map(|inner| fixtures::all(inner, "/config.json"));
    [all.concat(), fixtures::all(SINGLE, "/config.json")].concat()
}

pub(crate) fn generation(bytes: &[u8]) -> bool {
    with_file("generation_config.json", bytes, |path| {
        let options = SamplingOptions::default();
        let found = GenerationSettings::from_folder(path.parent().unwrap(), &options);
        found.is_ok_and(|own| {
            drop((own.check(true), own.to_string()));
            true
        })
    })
}

pub(crate) fn generations() -> Vec<Vec<u8>> {
    fixtures::all("golden", "generation_config.json")
}

pub(crate) fn checkpoint(bytes: &[u8]) -> bool {
    in_copy(&[SINGLE], "model.safetensors", bytes, load)
}

pub(crate) fn checkpoints() -> Vec<Vec<u8>> {
    vec![fixtures::file("golden/tied_bf16/model.safetensors")]
}

pub(crate) fn index(bytes: &[u8]) -> bool {
    in_copy(&[SHARDED], "model.safetensors.index.json", bytes, load)
}

pub(crate) fn indices() -> Vec<Vec<u8>> {
    fixtures::all("golden", "model.safetensors.index.json")
}

/// The adapter lies beside its base: what names another one is not looked for.
pub(crate) fn adapter(bytes: &[u8]) -> bool {
    in_copy(&[SHARDED, ADAPTER], "adapter_config.json", bytes, load)
}

pub(crate) fn adapters() -> Vec<Vec<u8>> {
    fixtures::all("forms", "adapter_config.json")
}

pub(crate) fn gguf(bytes: &[u8]) -> bool {
    with_file("model.gguf", bytes, |path| load(path) & encode(path))
}

pub(crate) fn ggufs() -> Vec<Vec<u8>> {
    fixtures::all("gguf", "model.gguf")
}

pub(crate) fn tokenizer(bytes: &[u8]) -> bool {
    in_copy(&[SHARDED], "tokenizer.json", bytes, encode)
}

pub(crate) fn tokenizers() -> Vec<Vec<u8>> {
    [fixtures::all("golden", "tokenizer.json"), fixtures::all("questions", "tokenizer.json")]
        .concat()
}

pub(crate) fn tokenizer_config(bytes: &[u8]) -> bool {
    in_copy(&[SHARDED], "tokenizer_config.json", bytes, encode)
}

pub(crate) fn tokenizer_configs() -> Vec<Vec<u8>> {
    fixtures::all("golden", "tokenizer_config.json")
}
