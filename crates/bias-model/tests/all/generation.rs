//! What is made of generation settings: the distribution that transformers' `generate` draws from
//! (`fixtures/config/generation.py`), or a refusal that says what helps.

use std::fs;
use std::path::{Path, PathBuf};

use bias_ask::Sampling;
use bias_model::checkpoint::GenerationSettings;
use bias_model::{Decoding, LanguageModel, LoadOptions, ModelError, SamplingOptions};
use burn::backend::Flex;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

#[derive(Deserialize)]
struct Written {
    logits: Vec<f32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    generation_config: Option<Map<String, Value>>,
    config: Map<String, Value>,
    mode: String,
    #[serde(default)]
    probabilities: Vec<f64>,
    error: Option<String>,
}

fn write(folder: &Path, generation: Option<&Map<String, Value>>, config: &Map<String, Value>) {
    fs::write(folder.join("config.json"), serde_json::to_vec(config).unwrap()).unwrap();
    let path = folder.join("generation_config.json");
    match generation {
        Some(own) => fs::write(path, serde_json::to_vec(own).unwrap()).unwrap(),
        None => drop(fs::remove_file(path)),
    }
}

/// Of folders that hold this `generation_config.json` alone.
fn read(settings: Value, asked: &SamplingOptions) -> Result<GenerationSettings, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), Some(settings.as_object().unwrap()), &Map::new());
    GenerationSettings::from_folder(folder.path(), asked)
}

fn usual() -> SamplingOptions {
    SamplingOptions::default()
}

/// Settings that are refused rather than applied, by the key that they are refused for.
const REFUSED: [(&str, &str); 21] = [
    ("temperature 0", "temperature"),
    ("temperature below 0", "temperature"),
    ("top_k -1", "top_k"),
    ("min_p above 1", "min_p"),
    ("repetition_penalty", "repetition_penalty"),
    ("repetition_penalty, greedy", "repetition_penalty"),
    ("encoder_repetition_penalty", "encoder_repetition_penalty"),
    ("no_repeat_ngram_size", "no_repeat_ngram_size"),
    ("encoder_no_repeat_ngram_size", "encoder_no_repeat_ngram_size"),
    ("bad words of two tokens", "bad_words_ids"),
    ("begin_suppress_tokens", "begin_suppress_tokens"),
    ("sequence_bias", "sequence_bias"),
    ("min_length", "min_length"),
    ("min_new_tokens", "min_new_tokens"),
    ("typical_p", "typical_p"),
    ("epsilon_cutoff", "epsilon_cutoff"),
    ("eta_cutoff", "eta_cutoff"),
    ("top_h", "top_h"),
    ("stop_strings", "stop_strings"),
    ("num_beams", "num_beams"),
    ("top_p 0", "top_p"),
];

/// Every case is applied exactly, refused by name, or read as the model's own distribution where
/// `generate` would draw nothing.
#[test]
fn answers_are_drawn_from_what_transformers_draws_from() {
    let written = fs::read(fixtures().join("config/generation.json")).unwrap();
    let written: Written = serde_json::from_slice(&written).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut drawn, mut own_distribution, mut refused) = (0, 0, 0);
    for case in &written.cases {
        write(folder.path(), case.generation_config.as_ref(), &case.config);
        let found = GenerationSettings::from_folder(folder.path(), &usual()).unwrap();
        if let Some((_, key)) = REFUSED.iter().find(|(name, _)| *name == case.name) {
            let error = found.check(true).unwrap_err();
            assert!(
                matches!(&error, ModelError::Unsupported { key: own, .. } if own == key),
                "{}: {error}",
                case.name
            );
            refused += 1;
            continue;
        }
        found.check(true).unwrap();
        assert_eq!(case.error, None, "{}", case.name);
        let said = case.generation_config.as_ref().unwrap_or(&case.config);
        // Said without `do_sample`: what there is where somebody does sample.
        let stated =
            ["temperature", "top_k", "top_p", "min_p"].iter().any(|k| said.contains_key(*k));
        let unsaid = said.get("do_sample").is_none_or(Value::is_null);
        if case.mode != "sample" && !(stated && unsaid) {
            let suppressed = found.sampling().suppressed().to_vec();
            let own = Sampling::default().with_suppressed(suppressed);
            assert_eq!(*found.sampling(), own, "{}", case.name);
            own_distribution += 1;
            continue;
        }
        let mut all = vec![0.0; written.logits.len()];
        for (token, p) in found.sampling().distribution(&written.logits, 0.0) {
            all[token as usize] = p;
        }
        for (token, (own, expected)) in all.iter().zip(&case.probabilities).enumerate() {
            assert_eq!(*own > 0.0, *expected > 0.0, "{}: token {token}", case.name);
            assert!((own - expected).abs() < 1e-6, "{}: {own} for {expected}", case.name);
        }
        drawn += 1;
    }
    assert_eq!((drawn + own_distribution + refused), written.cases.len());
    assert!(
        drawn > 20 && own_distribution > 5 && refused > 15,
        "{drawn} {own_distribution} {refused}"
    );
}

/// Whatever is refused is refused only of answers that it would change, says what helps, and is done
/// without where that is asked for.
#[test]
fn what_is_refused_says_the_flag_that_helps() {
    for (name, settings, key, flag, greedily) in [
        (
            "temperature 0",
            json!({"do_sample": true, "temperature": 0}),
            "temperature",
            "--temperature T",
            false,
        ),
        ("no number", json!({"temperature": -0.5}), "temperature", "--temperature T", false),
        ("top_k −1", json!({"do_sample": true, "top_k": -1}), "top_k", "--top-k K", false),
        ("top_k 2.5", json!({"do_sample": true, "top_k": 2.5}), "top_k", "--top-k K", false),
        ("top_p 0", json!({"do_sample": true, "top_p": 0.0}), "top_p", "--top-p P", false),
        ("min_p 2", json!({"do_sample": true, "min_p": 2}), "min_p", "--min-p P", false),
        ("typical", json!({"do_sample": true, "typical_p": 0.9}), "typical_p", "", false),
        ("top_h", json!({"do_sample": true, "top_h": 0.4}), "top_h", "", false),
        ("beams", json!({"do_sample": true, "num_beams": 4}), "num_beams", "", false),
        ("penalty", json!({"repetition_penalty": 1.1}), "repetition_penalty", "", true),
        ("stop", json!({"stop_strings": "\n"}), "stop_strings", "", true),
        ("stops", json!({"stop_strings": ["\n", "END"]}), "stop_strings", "", true),
        ("guidance", json!({"guidance_scale": 1.5}), "guidance_scale", "", true),
        ("forced", json!({"forced_eos_token_id": 2}), "forced_eos_token_id", "", true),
        (
            "decay",
            json!({"exponential_decay_length_penalty": [5, 1.1]}),
            "exponential_decay_length_penalty",
            "",
            true,
        ),
        ("healing", json!({"token_healing": true}), "token_healing", "", true),
        (
            "watermark",
            json!({"watermarking_config": {"bias": 2.0}}),
            "watermarking_config",
            "",
            true,
        ),
        ("dola", json!({"dola_layers": "high"}), "dola_layers", "", true),
        ("time", json!({"max_time": 3.0}), "max_time", "", true),
        ("words", json!({"bad_words_ids": [[3], [4, 5]]}), "bad_words_ids", "", true),
    ] {
        let found = read(settings.clone(), &usual()).unwrap();
        let error = found.check(true).unwrap_err().to_string();
        let ignore = format!("--ignore-generation-key {key}");
        let stands = settings[key].to_string();
        for said in [
            "generation_config.json",
            key,
            &stands,
            flag,
            &ignore,
            "`SamplingOptions::ignored_keys`",
        ] {
            assert!(error.contains(said), "{name}: no `{said}` in {error}");
        }
        assert_eq!(found.check(false).is_err(), greedily, "{name}");
        for ignored in [key, "all"] {
            let asked = SamplingOptions { ignored_keys: vec![ignored.into()], ..usual() };
            read(settings.clone(), &asked).unwrap().check(true).unwrap();
        }
    }
    for (settings, asked) in [
        (
            json!({"do_sample": true, "temperature": 0}),
            SamplingOptions { temperature: Some(0.7), ..usual() },
        ),
        (json!({"do_sample": true, "top_k": -1}), SamplingOptions { top_k: Some(0), ..usual() }),
        (json!({"do_sample": true, "top_p": 0}), SamplingOptions { top_p: Some(0.9), ..usual() }),
        (json!({"do_sample": true, "min_p": 7}), SamplingOptions { min_p: Some(0.0), ..usual() }),
    ] {
        read(settings, &asked).unwrap().check(true).unwrap();
    }
}

#[test]
fn values_of_another_type_are_refused_where_they_count() {
    for (settings, key, must) in [
        (json!({"temperature": "hot"}), "temperature", "a number"),
        (json!({"do_sample": "yes"}), "do_sample", "true or false"),
        (json!({"top_k": [1]}), "top_k", "a number"),
        (json!({"suppress_tokens": [-3]}), "suppress_tokens", "a list of token ids"),
        (json!({"bad_words_ids": [3]}), "bad_words_ids", "a list of lists of token ids"),
        (json!({"eos_token_id": "</s>"}), "eos_token_id", "a token id, or a list of them"),
        (json!({"repetition_penalty": "much"}), "repetition_penalty", "a number"),
    ] {
        let error = read(settings.clone(), &usual()).unwrap().check(false).unwrap_err().to_string();
        let stands = settings[key].to_string();
        for said in ["generation_config.json", key, &stands, must, "--ignore-generation-key"] {
            assert!(error.contains(said), "{error}");
        }
    }
    for asked in [
        SamplingOptions { temperature: Some(0.0), ..usual() },
        SamplingOptions { top_p: Some(0.0), ..usual() },
        SamplingOptions { min_p: Some(2.0), ..usual() },
    ] {
        assert!(matches!(read(json!({}), &asked), Err(ModelError::Ask(_))), "{asked:?}");
    }
}

/// The line says what is in force, and neither a setting that is not nor the lack of one that is
/// there.
#[test]
fn what_is_ignored_or_impossible_is_said() {
    let ignoring = |keys: &[&str]| SamplingOptions {
        ignored_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        ..usual()
    };
    for (settings, stands) in [
        (json!({"do_sample": true, "temperature": 0.0}), "temperature 0.0"),
        (json!({"do_sample": true, "top_k": -1}), "top_k -1"),
        (json!({"do_sample": true, "top_p": 0, "temperature": 0}), "temperature 0, top_p 0"),
        (json!({"temperature": "warm"}), "temperature \"warm\""),
    ] {
        let said = read(settings, &usual()).unwrap().to_string();
        let expected =
            format!("none, since nothing can be drawn with {stands} (generation_config.json)");
        assert_eq!(said, expected);
    }
    let penalty =
        json!({"do_sample": true, "top_k": 0, "repetition_penalty": 1.1, "eos_token_id": 2});
    let said = read(penalty.clone(), &usual()).unwrap().to_string();
    assert!(said.ends_with("; not computed: repetition_penalty 1.1"), "{said}");
    let own = read(penalty.clone(), &ignoring(&["repetition_penalty"])).unwrap();
    let said = own.to_string();
    assert!(said.starts_with("temperature 1, nothing cut off (generation_config.json)"), "{said}");
    assert!(said.ends_with("; ignored as asked for: repetition_penalty 1.1"), "{said}");
    let said = read(penalty.clone(), &ignoring(&["all"])).unwrap().to_string();
    assert!(!said.contains("no file") && !said.contains("eos_token_id"), "{said}");
    assert!(said.contains("do_sample true") && said.contains("top_k 0"), "{said}");
    // A key that is not there is told; one that does not exist is refused.
    let own = read(penalty.clone(), &ignoring(&["top_h"])).unwrap();
    assert!(own.notes().join("\n").contains("has no `top_h`"), "{:?}", own.notes());
    let error = read(penalty, &ignoring(&["repetition_penality"])).unwrap_err();
    assert!(
        matches!(&error, ModelError::NoSuchKey { near: Some(near), .. } if near == "repetition_penalty")
    );
    let error = error.to_string();
    assert!(error.contains("`repetition_penalty` is meant") && error.contains("it has"), "{error}");
}

/// What is in force is said with where it comes from, and so is what is not applied.
#[test]
fn what_is_in_force_is_said() {
    let said = |settings: Value, asked: &SamplingOptions| {
        let found = read(settings, asked).unwrap();
        (found.to_string(), found.notes().join("\n"))
    };
    let (own, notes) = said(json!({"do_sample": true, "temperature": 0.6, "top_p": 0.9}), &usual());
    assert_eq!(
        own,
        "temperature 0.6, top-k 50, top-p 0.9 (generation_config.json; top-k 50 is transformers' default)"
    );
    assert_eq!(notes, "");
    let (own, _) = said(json!({"do_sample": true, "top_k": 7}), &usual());
    assert_eq!(own, "temperature 1, top-k 7 (generation_config.json)");
    let asked = SamplingOptions { temperature: Some(0.3), min_p: Some(0.1), ..usual() };
    let (own, _) = said(json!({"do_sample": true, "top_k": 7}), &asked);
    assert_eq!(
        own,
        "temperature 0.3, top-k 7, min-p 0.1 (temperature, min-p as asked for; otherwise generation_config.json)"
    );
    let (own, notes) = said(json!({"do_sample": false, "temperature": 0.6}), &usual());
    assert_eq!(
        own,
        "temperature 1, nothing cut off (the model's own distribution: generation_config.json says do_sample false)"
    );
    assert!(
        notes.contains("do_sample is false, so temperature")
            && notes.contains("generation_config.json"),
        "{notes}"
    );
    let (own, _) =
        said(json!({"do_sample": false}), &SamplingOptions { top_k: Some(5), ..usual() });
    assert!(
        own.starts_with("temperature 1, top-k 5 (top-k as asked for; otherwise the model's own"),
        "{own}"
    );
    let (own, notes) = said(json!({"_from_model_config": true, "eos_token_id": 2}), &usual());
    assert_eq!(
        own,
        "temperature 1, nothing cut off (the model's own distribution: no file says how to sample)"
    );
    assert_eq!(notes, "");
    // Other programs' settings, and misspelt ones.
    let (_, notes) =
        said(json!({"presence_penalty": 1.5, "temprature": 0.1, "chat_format": null}), &usual());
    assert!(
        notes.contains("presence_penalty, temprature mean nothing") && !notes.contains("chat"),
        "{notes}"
    );
    let (_, notes) = said(json!({"num_beams": 4, "penalty_alpha": 0.6}), &usual());
    assert!(
        notes.contains("num_beams is not applied") && notes.contains("penalty_alpha is not"),
        "{notes}"
    );
}

/// A model folder with these settings.
fn model(generation: Option<&Value>, config: &[(&str, Value)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixtures().join("golden/tied_bf16")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = folder.path().join("config.json");
    let mut json: Map<String, Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    json.extend(config.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    write(folder.path(), generation.and_then(Value::as_object), &json);
    folder
}

fn load(folder: &TempDir, sampling: SamplingOptions) -> LanguageModel<Flex> {
    let options = LoadOptions { sampling, ..LoadOptions::default() };
    LanguageModel::load_with(folder.path(), &options, &Default::default()).unwrap()
}

/// A folder whose settings cannot be applied loads, answers what they do not change, and refuses the
/// rest until it is told to do without.
#[test]
fn a_model_refuses_only_what_its_settings_would_change() {
    let prompt = |model: &LanguageModel<Flex>| {
        let roles = vec![bias_types::TokenRole::Prompt; 3];
        assert!(model.options().max_new_tokens > 0);
        bias_probe::Sequence::chain(vec![1, 5, 9], roles).unwrap()
    };
    let ask = |model: &LanguageModel<Flex>, decoding| model.answers(&[prompt(model)], decoding);
    let drawn = Decoding::Sampled { samples: 3, seed: 0 };
    let zero = json!({"do_sample": true, "temperature": 0.0});
    let own = load(&model(Some(&zero), &[]), usual());
    assert!(ask(&own, Decoding::Greedy).is_ok());
    for decoding in [drawn, Decoding::exact()] {
        let error = ask(&own, decoding).unwrap_err();
        assert!(
            matches!(&error, ModelError::Unsupported { key, .. } if key == "temperature"),
            "{error}"
        );
    }
    let told = SamplingOptions { temperature: Some(0.5), ..usual() };
    let own = load(&model(Some(&zero), &[]), told);
    assert_eq!(own.options().sampling.temperature(), 0.5);
    assert_eq!(own.options().sampling.top_k(), Some(50));
    assert!(ask(&own, drawn).is_ok());
    let penalty = json!({"do_sample": true, "repetition_penalty": 1.1});
    let own = load(&model(Some(&penalty), &[]), usual());
    for decoding in [Decoding::Greedy, drawn] {
        assert!(ask(&own, decoding).is_err());
    }
    let told = SamplingOptions { ignored_keys: vec!["repetition_penalty".into()], ..usual() };
    assert!(ask(&load(&model(Some(&penalty), &[]), told), drawn).is_ok());
}

/// A token that is suppressed is not said, whether answers are drawn or not.
#[test]
fn suppressed_tokens_are_not_said() {
    let first = |model: &LanguageModel<Flex>, decoding| {
        let roles = vec![bias_types::TokenRole::Prompt; 3];
        let prompt = bias_probe::Sequence::chain(vec![1, 5, 9], roles).unwrap();
        let answers = model.answers(&[prompt], decoding).unwrap();
        answers[0].answers.iter().map(|own| own.tokens[0]).collect::<Vec<u32>>()
    };
    let sampled = Decoding::Sampled { samples: 200, seed: 1 };
    let usually = load(&model(Some(&json!({})), &[]), usual());
    let top = first(&usually, Decoding::Greedy)[0];
    assert!(first(&usually, sampled).contains(&top));
    let own = load(&model(Some(&json!({"suppress_tokens": [top]})), &[]), usual());
    assert_ne!(first(&own, Decoding::Greedy)[0], top);
    assert!(!first(&own, sampled).contains(&top));
}

/// `generation_config.json` says which tokens end an answer, `config.json` where it does not.
#[test]
fn the_tokens_that_end_an_answer_are_those_of_generate() {
    for (generation, expected) in [
        (None, vec![7]),
        (Some(json!({})), vec![7]),
        (Some(json!({"eos_token_id": 4})), vec![4]),
        (Some(json!({"eos_token_id": [9, 4, 9]})), vec![4, 9]),
        (Some(json!({"eos_token_id": null})), vec![7]),
    ] {
        let folder = model(generation.as_ref(), &[("eos_token_id", json!(7))]);
        assert_eq!(load(&folder, usual()).options().stop, expected, "{generation:?}");
        let all = SamplingOptions { ignored_keys: vec!["all".into()], ..usual() };
        assert_eq!(load(&folder, all).options().stop, expected, "{generation:?}");
    }
}

/// What was written before there was more to say is read, and written, as it was.
#[test]
fn sampling_is_kept_as_it_was() {
    let json = r#"{"temperature":0.6,"top_k":null,"top_p":0.9}"#;
    let own: Sampling = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&own).unwrap(), json);
    let more = own.with_min_p(0.1).unwrap().with_top_k(Some(5)).with_suppressed(vec![7]);
    let json = serde_json::to_string(&more).unwrap();
    assert_eq!(serde_json::from_str::<Sampling>(&json).unwrap(), more, "{json}");
}
