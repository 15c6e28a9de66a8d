//! A folder means what transformers makes of it, or is refused with the step that helps.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bias_model::text::Date;
use bias_model::{
    Checkpoint, HookedModel as _, LanguageModel, LoadOptions, ModelConfig, ModelError, TextCodec,
    Tokenize as _,
};
use bias_probe::{NoObserver, TokenBatch};
use bias_types::prompt::thought;
use burn::backend::Flex;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[derive(Deserialize)]
struct Cases {
    texts: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    tokenizer: Map<String, Value>,
    config: Option<Value>,
    model_type: String,
    ids: Vec<[Vec<u32>; 2]>,
}

#[test]
fn texts_have_the_tokens_that_transformers_gives_them() {
    let cases: Cases =
        serde_json::from_value(json_of(&fixtures().join("tokenizers/cases.json"))).unwrap();
    assert!(cases.cases.len() >= 60);
    let mut wrong = Vec::new();
    for (at, case) in cases.cases.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, value: &Value| {
            fs::write(folder.path().join(name), value.to_string()).unwrap();
        };
        let mut file = json_of(&fixtures().join("tokenizers/tokenizer.json"));
        file.as_object_mut().unwrap().extend(case.tokenizer.clone());
        write("tokenizer.json", &file);
        write("config.json", &json!({"model_type": case.model_type}));
        if let Some(config) = &case.config {
            write("tokenizer_config.json", config);
        }
        let codec = TextCodec::from_folder(folder.path()).unwrap();
        for (text, [without, with]) in cases.texts.iter().zip(&case.ids) {
            let found = codec.verbatim(text).unwrap();
            if found != *without {
                wrong.push(format!("case {at}, {text:?}: {found:?}, not {without:?}"));
            }
            if !text.is_empty() {
                let found = codec.plain(text).unwrap().tokens().to_vec();
                if found != *with {
                    wrong.push(format!("case {at}, {text:?} special: {found:?}, not {with:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[derive(Deserialize)]
struct Sweep {
    texts: Vec<String>,
    answers: Vec<Answer>,
    cases: Vec<Swept>,
}

#[derive(Deserialize)]
struct Answer {
    class: String,
    special: BTreeMap<String, String>,
    ids: Vec<[Vec<u32>; 2]>,
    decoded: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Swept {
    file: String,
    tokenizer: Map<String, Value>,
    config: Option<Value>,
    files: Map<String, Value>,
    model_type: String,
    /// The place of its answer; none where transformers refuses the folder.
    answer: Option<usize>,
}

/// Every class on every model type, and every way to add tokens: `fixtures/tokenizers/sweep.py`.
#[test]
fn classes_and_added_tokens_are_those_of_transformers() {
    let sweep: Sweep =
        serde_json::from_value(json_of(&fixtures().join("tokenizers/sweep.json"))).unwrap();
    assert!(sweep.cases.len() > 600);
    let mut wrong = Vec::new();
    for case in &sweep.cases {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, value: &Value| {
            fs::write(folder.path().join(name), value.to_string()).unwrap();
        };
        let mut file = json_of(&fixtures().join("tokenizers").join(&case.file));
        file.as_object_mut().unwrap().extend(case.tokenizer.clone());
        write("tokenizer.json", &file);
        write("config.json", &json!({"model_type": case.model_type}));
        case.config.iter().for_each(|own| write("tokenizer_config.json", own));
        case.files.iter().for_each(|(name, own)| write(name, own));
        // A template that shows the special tokens.
        let Some(answer) = case.answer.map(|at| &sweep.answers[at]) else {
            let found = TextCodec::from_folder(folder.path())
                .and_then(|codec| sweep.texts.iter().try_for_each(|t| codec.verbatim(t).map(drop)));
            if found.is_ok() {
                wrong.push(format!("{case:?}: not refused"));
            }
            continue;
        };
        let shown: String =
            answer.special.keys().map(|name| format!("{{{{ {name} }}}}\u{1}")).collect();
        let absent =
            "{{ pad_token is defined }}{{ mask_token is defined }}{{ a_token is defined }}";
        fs::write(folder.path().join("chat_template.jinja"), shown + absent).unwrap();
        let codec = match TextCodec::from_folder(folder.path()) {
            Ok(codec) => codec,
            Err(error) => {
                wrong.push(format!("{} {case:?}: {error}", answer.class));
                continue;
            }
        };
        let defined = ["pad_token", "mask_token", "a_token"]
            .map(|name| if answer.special.contains_key(name) { "True" } else { "False" });
        let expected: String =
            answer.special.values().map(|own| format!("{own}\u{1}")).collect::<String>()
                + &defined.concat();
        let found = codec.render("").unwrap();
        if found != expected {
            wrong.push(format!("{} {case:?}: {found:?}, not {expected:?}", answer.class));
        }
        for ((text, [without, with]), decoded) in
            sweep.texts.iter().zip(&answer.ids).zip(&answer.decoded)
        {
            let found = codec.verbatim(text).unwrap();
            let special = codec.plain(text).unwrap().tokens().to_vec();
            if found != *without || special != *with {
                wrong.push(format!(
                    "{} {case:?}, {text:?}: {found:?} {special:?}, not {without:?} {with:?}",
                    answer.class
                ));
            } else if codec.decode(&found).unwrap() != *decoded {
                let found = codec.decode(&found).unwrap();
                wrong.push(format!("{} {case:?}: {found:?}, not {decoded:?}", answer.class));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[derive(Deserialize)]
struct Templated {
    files: Map<String, Value>,
    arguments: BTreeMap<String, Value>,
    text: Option<String>,
    refused: Option<String>,
}

/// Which template counts, and what it is told: `fixtures/tokenizers/templates.py`.
#[test]
fn the_template_is_the_one_that_transformers_takes() {
    let cases: Vec<Templated> =
        serde_json::from_value(json_of(&fixtures().join("tokenizers/templates.json"))).unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let folder = folder(&["tokenizers/tokenizer.json"]);
        fs::write(folder.path().join("config.json"), r#"{"model_type": "llama"}"#).unwrap();
        for (name, content) in &case.files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
            fs::write(path, text).unwrap();
        }
        let shown = format!("{:?} {:?}", case.files, case.arguments);
        let found = TextCodec::from_folder(folder.path())
            .and_then(|codec| codec.told(&case.arguments, None)?.render("hi"));
        match (&case.refused, &case.text) {
            (None, Some(text)) if text.is_empty() => {
                let error = found.unwrap_err().to_string();
                assert!(error.contains("the chat template is empty"), "{shown}: {error}");
            }
            (None, text) => {
                assert_eq!(found.unwrap(), text.as_deref().unwrap_or("hi"), "{shown}");
            }
            (Some(_), _) => assert!(found.is_err(), "{shown}"),
        }
    }
}

#[test]
fn classes_that_are_not_reproduced_are_refused_with_a_step() {
    let folder = folder(&["tokenizers/tokenizer.json"]);
    let write = |name: &str, value: Value| {
        fs::write(folder.path().join(name), value.to_string()).unwrap();
    };
    write("config.json", json!({"model_type": "llama"}));
    for class in ["BertTokenizer", "T5TokenizerFast", "XLMRobertaTokenizer", "ByT5Tokenizer"] {
        write("tokenizer_config.json", json!({"tokenizer_class": class}));
        let error = TextCodec::from_folder(folder.path()).unwrap_err().to_string();
        for part in ["tokenizer_config.json", class.trim_end_matches("Fast"), "backend_tokenizer"] {
            assert!(error.contains(part), "{error}");
        }
    }
    // These types take the file as it is.
    write("config.json", json!({"model_type": "mistral"}));
    assert!(TextCodec::from_folder(folder.path()).is_ok());
    for (key, value) in
        [("fix_mistral_regex", json!(true)), ("fast_tokenizer_files", json!(["tokenizer.4.json"]))]
    {
        write("tokenizer_config.json", json!({key: value}));
        let error = TextCodec::from_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn a_stored_dropout_changes_no_tokens() {
    let folder = folder(&["tokenizers/tokenizer.json"]);
    let path = folder.path().join("tokenizer.json");
    let tokens = || {
        let codec = TextCodec::from_folder(folder.path()).unwrap();
        codec.verbatim("Emily Becker sells a car for a price").unwrap()
    };
    let steady = tokens();
    let mut file = json_of(&path);
    file["model"]["dropout"] = json!(0.9);
    fs::write(&path, file.to_string()).unwrap();
    assert_eq!((tokens(), tokens()), (steady.clone(), steady));
}

/// The embedded model has 640 embeddings, all of which have a token.
#[test]
fn added_tokens_beyond_the_embeddings_are_refused_where_they_are_used() {
    let at =
        folder(&["emergent/config.json", "emergent/model.safetensors", "emergent/tokenizer.json"]);
    let settings = json!({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<new>"});
    fs::write(at.path().join("tokenizer_config.json"), settings.to_string()).unwrap();
    let model = LanguageModel::<Flex>::load(at.path(), &Default::default()).unwrap();
    assert_eq!(model.text().verbatim("<new>").unwrap(), [640]);
    let error = model.text().prefix_token().unwrap_err().to_string();
    assert!(error.contains("`<new>` has the id 640, and the model has 640"), "{error}");
    let batch = TokenBatch::new(&[model.text().plain("<new> Emily").unwrap()]).unwrap();
    let error = model.model().logits(&batch, &mut NoObserver).unwrap_err().to_string();
    assert!(error.contains("640"), "{error}");
}

#[test]
fn an_adapter_of_another_type_is_refused_unless_left_out() {
    let at = folder(&[CONFIG, WEIGHTS, TOKENIZER]);
    fs::write(at.path().join("adapter_config.json"), "{}").unwrap();
    let error = load(at.path()).to_string();
    assert!(error.contains("merge_and_unload") && error.contains("--accept-key"), "{error}");
    let options =
        LoadOptions { accepted_keys: vec!["adapter_config.json".into()], ..LoadOptions::default() };
    LanguageModel::<Flex>::load_with(at.path(), &options, &Default::default()).unwrap();
}

#[test]
fn keys_that_say_what_holds_anyway_are_harmless() {
    let folder = folder(&[CONFIG]);
    let path = folder.path().join("config.json");
    let config = json_of(&path);
    let with = |key: &str, value: Value| {
        let mut config = config.clone();
        config[key] = value;
        fs::write(&path, config.to_string()).unwrap();
        ModelConfig::from_folder(folder.path())
    };
    for (key, value) in [
        ("custom_pipelines", json!({"a": {"impl": "b"}})),
        ("eos_token_ids", json!([1, 2])),
        ("bos_token_ids", json!([1])),
        ("xla_device", json!(true)),
        ("vocab_size_or_config_json_file", json!(9)),
        ("keys_to_ignore_at_inference", json!(["past_key_values"])),
        ("max_batch_size", json!(8)),
        ("output_router_logits", json!(true)),
        ("params_dtype", json!("bfloat16")),
        ("make_vocab_size_divisible_by", json!(64)),
        ("residual_multiplier", json!(1)),
        ("logits_scaling", json!(1.0)),
        ("layer_types", json!(["full_attention", "full_attention"])),
    ] {
        assert!(with(key, value).is_ok(), "{key}");
    }
    for (key, value) in [
        ("residual_multiplier", json!(0.5)),
        ("attention_multiplier", json!(1)),
        ("layer_types", json!(["full_attention", "chunked_attention"])),
    ] {
        assert!(with(key, value).unwrap_err().to_string().contains(key));
    }
    assert!(with("eos_token_id", json!(-1)).unwrap().eos.is_empty());
    assert_eq!(with("eos_token_id", json!([-1, 2])).unwrap().eos, [2]);
}

/// Copies of these fixture files.
fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let name = Path::new(file).file_name().unwrap();
        fs::copy(fixtures().join(file), folder.path().join(name)).unwrap();
    }
    folder
}

const CONFIG: &str = "golden/wide_head_f16/config.json";
const WEIGHTS: &str = "golden/wide_head_f16/model.safetensors";
const TOKENIZER: &str = "golden/wide_head_f16/tokenizer.json";

fn load(folder: &Path) -> ModelError {
    LanguageModel::<Flex>::load(folder, &Default::default()).unwrap_err()
}

#[test]
fn other_forms_are_named_with_the_step_that_helps() {
    let cases: [(&[&str], &[&str], &[&str]); 18] = [
        (
            &[CONFIG, TOKENIZER],
            &["pytorch_model.bin"],
            &["pickle (pytorch_model.bin)", "save_pretrained"],
        ),
        (
            &[CONFIG, TOKENIZER],
            &["pytorch_model-00001-of-00002.bin"],
            &["pickle", "AutoModelForCausalLM"],
        ),
        (
            &[CONFIG, TOKENIZER],
            &["model-00001-of-00002.safetensors"],
            &["neither model.safetensors nor"],
        ),
        (
            &[CONFIG, TOKENIZER],
            &["tf_model.h5"],
            &["another framework (tf_model.h5)", "model.safetensors"],
        ),
        (
            &[TOKENIZER],
            &["adapter_config.json", "adapter_model.safetensors"],
            &["adapter_config.json", "`base_model_name_or_path` is missing"],
        ),
        (&[CONFIG, TOKENIZER], &["adapter_config.json"], &["`base_model_name_or_path` is missing"]),
        (&[TOKENIZER], &["small-q4.gguf"], &["a GGUF file", "small-q4.gguf"]),
        (&[], &["params.json", "consolidated.00.pth"], &["authors' own layout"]),
        (
            &[CONFIG, WEIGHTS],
            &["tokenizer.model"],
            &["a tokenizer as tokenizer.model", "AutoTokenizer"],
        ),
        (
            &[CONFIG, WEIGHTS],
            &["vocab.json", "merges.txt"],
            &["a tokenizer as vocab.json", "save_pretrained"],
        ),
        (&[CONFIG, WEIGHTS], &["vocab.txt"], &["a tokenizer as vocab.txt", "save_pretrained"]),
        (&[CONFIG, WEIGHTS], &["merges.txt"], &["merges.txt", "copy the missing files"]),
        (&[CONFIG, WEIGHTS], &["qwen.tiktoken"], &["qwen.tiktoken", "copy the tokenizer.json"]),
        (
            &[CONFIG, WEIGHTS],
            &["sentencepiece.bpe.model"],
            &["a tokenizer as sentencepiece.bpe.model"],
        ),
        (
            &[CONFIG, TOKENIZER],
            &["consolidated.safetensors"],
            &["authors' own layout (consolidated.safetensors)"],
        ),
        (
            &[CONFIG, TOKENIZER],
            &["model.fp16.safetensors"],
            &["model.fp16.safetensors", "rename it to model.safetensors"],
        ),
        (&[CONFIG, TOKENIZER], &[], &["model.safetensors"]),
        (&[CONFIG, WEIGHTS], &[], &["tokenizer.json"]),
    ];
    for (files, others, expected) in cases {
        let folder = folder(files);
        for other in others {
            fs::write(folder.path().join(other), "{}").unwrap();
        }
        let error = load(folder.path()).to_string();
        assert!(error.contains(&folder.path().display().to_string()), "{others:?}: {error}");
        for part in expected {
            assert!(error.contains(part), "{others:?}: {error}");
        }
    }
    let outer = tempfile::tempdir().unwrap();
    fs::create_dir(outer.path().join("checkpoint-500")).unwrap();
    fs::copy(fixtures().join(CONFIG), outer.path().join("checkpoint-500/config.json")).unwrap();
    let error = load(outer.path()).to_string();
    assert!(error.contains("name that folder") && error.contains("checkpoint-500"), "{error}");
}

#[test]
fn files_that_stand_in_for_others_are_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    let page = " <!DOCTYPE html><html><body>Sign in</body></html>";
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        for (content, expected) in [(pointer, "git lfs pull"), (page, "a web page")] {
            let folder = folder(&[CONFIG, WEIGHTS, TOKENIZER]);
            fs::write(folder.path().join(file), content).unwrap();
            let error = load(folder.path()).to_string();
            assert!(error.contains(file) && error.contains(expected), "{file}: {error}");
        }
    }
    let own = folder(&[CONFIG, WEIGHTS, TOKENIZER]);
    fs::write(own.path().join("chat_template.jinja"), pointer).unwrap();
    let error = load(own.path()).to_string();
    assert!(error.contains("chat_template.jinja") && error.contains("git lfs pull"), "{error}");
    let gguf = own.path().join("model.gguf");
    fs::write(&gguf, pointer).unwrap();
    assert!(load(&gguf).to_string().contains("git lfs pull"));
    let folder = folder(&[CONFIG]);
    fs::write(folder.path().join("model.safetensors.index.json"), pointer).unwrap();
    let error = Checkpoint::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("index.json") && error.contains("git lfs pull"), "{error}");
    assert!(ModelConfig::from_folder(folder.path()).is_ok());
}

/// A chat template that asks for its arguments and the day.
const TEMPLATE: &str = "{{ strftime_now('%Y-%m-%d') }}{% for m in messages %}<{{ m.role }}>{{ m.content }}\
    {% endfor %}{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}";

fn talking() -> TempDir {
    let folder = folder(&[CONFIG, WEIGHTS, TOKENIZER]);
    fs::write(folder.path().join("chat_template.jinja"), TEMPLATE).unwrap();
    folder
}

#[test]
fn templates_are_told_arguments_and_the_date() {
    let folder = talking();
    let options = LoadOptions {
        template_arguments: BTreeMap::from([("enable_thinking".into(), json!(false))]),
        date: Some("2024-02-29".parse().unwrap()),
        ..LoadOptions::default()
    };
    let load = |options: &LoadOptions| {
        LanguageModel::<Flex>::load_with(folder.path(), options, &Default::default())
    };
    let model = load(&options).unwrap();
    assert_eq!(model.text().render("Hi").unwrap(), "2024-02-29<user>Hi<think></think>");
    assert_eq!(model.text().date(), options.date);
    let model = load(&LoadOptions::default()).unwrap();
    let [before, after] = [model.text().date().unwrap(), Date::today()];
    assert!(before <= after && model.text().render("Hi").unwrap().starts_with(&before.to_string()));

    let wrong = LoadOptions {
        template_arguments: BTreeMap::from([("enable_thoughts".into(), json!(false))]),
        ..LoadOptions::default()
    };
    let error = load(&wrong).unwrap_err();
    let ModelError::Template { path, source } = &error else { panic!("{error}") };
    assert!(path.ends_with("chat_template.jinja"));
    assert!(source.to_string().contains("it takes enable_thinking"), "{source}");

    // A date that nothing tells.
    let path = folder.path().join("chat_template.jinja");
    let dated = LoadOptions { date: options.date, ..LoadOptions::default() };
    fs::write(&path, TEMPLATE.split_once("}}").unwrap().1).unwrap();
    let error = load(&dated).unwrap_err();
    assert!(matches!(&error, ModelError::NoDate { path: own } if *own == path), "{error}");

    fs::remove_file(path).unwrap();
    assert!(matches!(load(&dated).unwrap_err(), ModelError::NoDate { .. }));
    let error = load(&options).unwrap_err();
    assert!(
        matches!(&error, ModelError::NoTemplate { argument, .. } if argument == "enable_thinking"),
        "{error}"
    );
    assert_eq!(load(&LoadOptions::default()).unwrap().text().date(), None);
}

#[test]
fn special_tokens_that_mark_a_thought_stay_in_the_text() {
    let folder = folder(&[TOKENIZER]);
    let path = folder.path().join("tokenizer.json");
    let mut file = json_of(&path);
    let next = file["model"]["vocab"].as_object().unwrap().len() as u64 + 50;
    for (i, mark) in ["[THINK]", "[/THINK]", "<|other|>"].iter().enumerate() {
        file["added_tokens"].as_array_mut().unwrap().push(json!({
            "id": next + i as u64, "content": mark, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true
        }));
    }
    fs::write(&path, file.to_string()).unwrap();
    let codec = TextCodec::from_folder(folder.path()).unwrap();
    let tokens = codec.verbatim("[THINK] emily [/THINK]<|other|> offer").unwrap();
    let text = codec.decode(&tokens).unwrap();
    assert!(text.contains("[THINK]") && !text.contains("<|other|>"), "{text}");
    assert_eq!(thought::answer(&text, false).unwrap().trim(), "offer");
}
