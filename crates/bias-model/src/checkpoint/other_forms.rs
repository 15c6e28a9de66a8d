//! Forms in which people have models that this crate does not read: what they are, and the step
//! that turns them into a folder that it reads.

use std::fs;
use std::path::Path;

use crate::error::ModelError;
use crate::index::{INDEX, SINGLE};
use crate::on_disk;

/// Refuses a folder that holds a model in another form, before a missing file is named.
pub(crate) fn refuse(folder: &Path) -> Result<(), ModelError> {
    let Some((found, advice)) = other_form(folder)? else { return Ok(()) };
    Err(ModelError::OtherForm { path: folder.into(), found, advice })
}

fn other_form(folder: &Path) -> Result<Option<(String, String)>, ModelError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(None) };
    let names: Vec<String> =
        entries.flatten().map(|own| own.file_name().to_string_lossy().into_owned()).collect();
    let has = |name: &str| names.iter().any(|own| own == name);
    let like = |test: &dyn Fn(&str) -> bool| names.iter().find(|own| test(own)).cloned();
    let ends = |ends: &'static [&str]| {
        move |own: &str| ends.iter().any(|end| own.to_lowercase().ends_with(end))
    };
    let python = |code: String| format!("run this once: python -c \"{code}\"");
    let at = folder.display();
    let weights = has(SINGLE) || has(INDEX);
    if let Some(file) = like(&ends(&[".gguf"])).filter(|_| !has("config.json")) {
        let file = folder.join(file).display().to_string();
        return Ok(Some((
            "a GGUF file and no config.json".into(),
            format!("name the file: {file}"),
        )));
    }
    if !has("config.json") {
        let original = has("params.json") || like(&|own| own.starts_with("consolidated")).is_some();
        if original {
            return Ok(Some((
                "weights in their authors' own layout (params.json, consolidated files)".into(),
                "take the version in transformers' layout, or convert it with the script that \
                 transformers has beside the architecture (convert_…_weights_to_hf.py)"
                    .into(),
            )));
        }
        let below = names.iter().find(|own| folder.join(own).join("config.json").is_file());
        return Ok(below.map(|own| {
            let own = folder.join(own).display().to_string();
            ("no config.json, but a folder with one".into(), format!("name that folder: {own}"))
        }));
    }
    if weights {
        return Ok(None);
    }
    let save = || {
        python(format!(
            "from transformers import AutoModelForCausalLM as M; \
             M.from_pretrained('{at}', dtype='auto').save_pretrained('converted')"
        )) + ", copy the tokenizer files beside it, and name the folder `converted`"
    };
    let pickles: &[&str] = &[".bin", ".pth", ".pt", ".ckpt"];
    if let Some(file) = like(&ends(pickles)).or_else(|| like(&ends(&[".bin.index.json"]))) {
        let what = format!("weights as a pickle ({file}), which runs code when it is read");
        return Ok(Some((what, save())));
    }
    let part = |own: &str| own.starts_with("model-") && own.ends_with(".safetensors");
    if let Some(file) = like(&part) {
        let what = format!("{file}, but neither {SINGLE} nor {INDEX}");
        return Ok(Some((what, save())));
    }
    if has("consolidated.safetensors") {
        return Ok(Some((
            format!(
                "weights in their authors' own layout (consolidated.safetensors), and no {SINGLE}"
            ),
            format!("take the version in transformers' layout, whose weights are in {SINGLE}"),
        )));
    }
    if let Some(file) = like(&ends(&[".safetensors"])) {
        return Ok(Some((
            format!("{file}, but neither {SINGLE} nor {INDEX}"),
            format!("if it has all weights in transformers' layout, rename it to {SINGLE}"),
        )));
    }
    let foreign: &[&str] = &[".h5", ".msgpack", ".onnx", ".ot", ".mlpackage", ".tflite"];
    Ok(like(&ends(foreign)).map(|file| {
        let what = format!("weights of another framework ({file})");
        (what, format!("take the model's {SINGLE}, which most models on the hub have"))
    }))
}

/// Refuses a folder whose tokenizer is in another form.
pub(crate) fn refuse_tokenizer(folder: &Path) -> Result<(), ModelError> {
    let forms = [
        "tokenizer.model",
        "spiece.model",
        "sentencepiece.bpe.model",
        "vocab.json",
        "vocab.txt",
        "tekken.json",
        "tiktoken.model",
    ];
    for form in ["qwen.tiktoken", "vocab.model"] {
        if on_disk::exists(&folder.join(form))? {
            return Err(ModelError::OtherForm {
                path: folder.into(),
                found: format!(
                    "a tokenizer as {form}, which code of its repository reads, and no tokenizer.json"
                ),
                advice: "copy the tokenizer.json of the model's version for transformers, or of a \
                         model with the same tokenizer"
                    .into(),
            });
        }
    }
    for form in forms {
        if on_disk::exists(&folder.join(form))? {
            let at = folder.display();
            return Err(ModelError::OtherForm {
                path: folder.into(),
                found: format!("a tokenizer as {form}, and no tokenizer.json"),
                advice: format!(
                    "run this once: python -c \"from transformers import AutoTokenizer as T; \
                     T.from_pretrained('{at}').save_pretrained('{at}')\""
                ),
            });
        }
    }
    if on_disk::exists(&folder.join("merges.txt"))? {
        return Err(ModelError::OtherForm {
            path: folder.into(),
            found:
                "the merges of a tokenizer (merges.txt), without its vocab.json or tokenizer.json"
                    .into(),
            advice: "copy the missing files from where the model came from".into(),
        });
    }
    Ok(())
}
