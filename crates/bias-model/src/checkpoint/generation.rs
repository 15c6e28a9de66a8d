use std::fmt;
use std::path::{Path, PathBuf};

use bias_ask::Sampling;
use serde_json::{Map, Value};

use super::config::TokenIds;
use super::generation_keys::{NOT_APPLIED, Off, SAMPLING, counts, near};
use super::gguf;
use super::sampling_options::SamplingOptions;
use crate::arch::known_keys::GENERATION;
use crate::error::ModelError;
use crate::json::read_json;
use crate::on_disk;

const FILE: &str = "generation_config.json";
/// What transformers keeps of the most probable tokens where it samples and nothing is said.
const TOP_K: usize = 50;

/// How a checkpoint's author has answers drawn, as transformers' `generate` reads it:
/// `generation_config.json`, or the same keys of `config.json` where there is no such file. A GGUF
/// file says nothing of it.
///
/// - With `do_sample` true, or a sampling setting and no `do_sample`, answers are drawn as
///   `generate(do_sample=True)` draws them, which keeps the 50 most probable tokens unless `top_k`
///   says otherwise.
/// - With `do_sample` false, or nothing said, `generate` takes the most probable token. That is no
///   distribution of answers, so the model's own is taken: temperature 1, nothing cut off.
///
/// What is neither applied nor without effect is refused, once answers are asked for that it would
/// change: choices, sentence pairs and activations need none of it.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationSettings {
    sampling: Sampling,
    stop: Vec<u32>,
    refused: Vec<Refused>,
    notes: Vec<String>,
    source: String,
    /// Keys of the file that were to be ignored, and their values.
    ignored: Vec<(String, String)>,
}

/// A setting that is not applied and would change answers.
#[derive(Debug, Clone, PartialEq)]
struct Refused {
    path: PathBuf,
    key: String,
    value: String,
    reason: String,
    /// It changes the most probable answer too, and not only what is drawn.
    always: bool,
    /// Nothing can be drawn with this value: it is a temperature of 0, and not a penalty.
    impossible: bool,
}

impl Default for GenerationSettings {
    fn default() -> Self {
        Self {
            sampling: Sampling::default(),
            stop: Vec::new(),
            refused: Vec::new(),
            notes: Vec::new(),
            source: "the model's own distribution".into(),
            ignored: Vec::new(),
        }
    }
}

/// The sampling in force and where it comes from, in a line, with what is not applied. With settings
/// that no answer can be drawn with, no sampling is in force, and the line says so.
impl fmt::Display for GenerationSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |impossible: bool| -> Vec<String> {
            let own = self.refused.iter().filter(|own| own.impossible == impossible);
            own.map(|own| format!("{} {}", own.key, own.value)).collect()
        };
        let (impossible, not_computed) = (of(true), of(false));
        if impossible.is_empty() {
            write!(f, "{} ({})", self.sampling, self.source)?;
        } else {
            let file = self.refused.first().and_then(|own| own.path.file_name());
            let file = file.unwrap_or_default().to_string_lossy();
            write!(f, "none, since nothing can be drawn with {} ({file})", impossible.join(", "))?;
        }
        if !not_computed.is_empty() {
            write!(f, "; not computed: {}", not_computed.join(", "))?;
        }
        if !self.ignored.is_empty() {
            let ignored: Vec<String> =
                self.ignored.iter().map(|(key, value)| format!("{key} {value}")).collect();
            write!(f, "; ignored as asked for: {}", ignored.join(", "))?;
        }
        Ok(())
    }
}

impl GenerationSettings {
    /// Reads what a folder says. A value of another type than its key has is refused as settings are
    /// that are not computed: only where it would count.
    ///
    /// # Errors
    /// [`ModelError::Ask`] for impossible values in `asked`; [`ModelError::NoSuchKey`] for a key to
    /// ignore that neither the file nor transformers knows; a file that cannot be read.
    pub fn from_folder(path: &Path, asked: &SamplingOptions) -> Result<Self, ModelError> {
        let of = |map, path| Settings { map, path, asked, stated: Vec::new() }.read();
        if gguf::is_file(path)? {
            return of(Map::new(), path.into());
        }
        let own = path.join(FILE);
        let path = if on_disk::exists(&own)? { own } else { path.join("config.json") };
        match of(read_json(&path)?, path) {
            Err(ModelError::Unsupported { path, key, value, reason }) => {
                let refused =
                    vec![Refused { path, key, value, reason, always: true, impossible: true }];
                Ok(Self { refused, ..Self::default() })
            }
            found => found,
        }
    }

    /// How the next token is drawn.
    #[must_use]
    pub fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    /// Tokens that end an answer.
    #[must_use]
    pub fn stop(&self) -> &[u32] {
        &self.stop
    }

    /// What the files say and is not applied, and other things that a reader of results should
    /// know; a sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Refuses to take answers that a setting would change which is not applied. Of answers that
    /// are not `drawn`, the most probable ones, fewer settings change any.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] with the first such setting, and how to do without it.
    pub fn check(&self, drawn: bool) -> Result<(), ModelError> {
        match self.refused.iter().find(|own| own.always || drawn) {
            None => Ok(()),
            Some(Refused { path, key, value, reason, .. }) => Err(ModelError::Unsupported {
                path: path.clone(),
                key: key.clone(),
                value: value.clone(),
                reason: reason.clone(),
            }),
        }
    }
}

/// What a file says, key by key.
struct Settings<'a> {
    map: Map<String, Value>,
    path: PathBuf,
    asked: &'a SamplingOptions,
    /// Keys that say how tokens are drawn.
    stated: Vec<String>,
}

impl Settings<'_> {
    fn value(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null() && !self.asked.ignores(key))
    }

    fn typed<T>(
        &self,
        key: &str,
        must: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, ModelError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| ModelError::Unsupported {
            path: self.path.clone(),
            key: key.into(),
            value: value.to_string(),
            reason: format!("it must be {must}; correct it, or {}", without(key)),
        })
    }

    fn number(&self, key: &str) -> Result<Option<f64>, ModelError> {
        self.typed(key, "a number", Value::as_f64)
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, ModelError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    fn refused(&self, key: &str, always: bool, reason: String) -> Refused {
        let value = self.value(key).map(Value::to_string).unwrap_or_default();
        let path = self.path.clone();
        Refused { path, key: key.into(), value, reason, always, impossible: false }
    }

    /// The keys of the file that are to be ignored. One that the file lacks is told, or refused if
    /// it is no setting at all.
    fn ignored(&self, notes: &mut Vec<String>) -> Result<Vec<(String, String)>, ModelError> {
        for key in self.asked.ignored_keys.iter().filter(|key| *key != "all") {
            if self.map.contains_key(key) {
                continue;
            }
            if !GENERATION.contains(&key.as_str()) {
                let held: Vec<&str> =
                    self.map.keys().map(String::as_str).filter(|own| counts(own)).collect();
                return Err(ModelError::NoSuchKey {
                    path: self.path.clone(),
                    key: key.clone(),
                    near: near(key, &held).or_else(|| near(key, GENERATION)).map(str::to_owned),
                    held: held.join(", "),
                });
            }
            notes.push(format!(
                "{} has no `{key}`, so that --ignore-generation-key {key} changes nothing",
                self.path.display()
            ));
        }
        let named = |key: &str| self.asked.ignored_keys.iter().any(|own| own == key);
        let ignored = self.map.iter().filter(|(key, value)| {
            !value.is_null() && self.asked.ignores(key) && (named(key) || counts(key))
        });
        Ok(ignored.map(|(key, value)| (key.clone(), value.to_string())).collect())
    }

    fn read(mut self) -> Result<GenerationSettings, ModelError> {
        let (asked, mut refused, mut notes) = (self.asked, Vec::new(), Vec::new());
        for key in SAMPLING {
            if self.value(key).is_some() {
                self.stated.push(key.into());
            }
        }
        let ignored = self.ignored(&mut notes)?;
        let does = self.flag("do_sample")?;
        let draws = does.unwrap_or(!self.stated.is_empty());
        let file = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (mut sampling, said) = (Sampling::default(), !self.map.is_empty());
        let mut source = if draws {
            let (found, defaulted) = self.drawn(sampling, &mut refused)?;
            sampling = found;
            let default = format!("; top-k {TOP_K} is transformers' default");
            format!("{file}{}", if defaulted { default.as_str() } else { "" })
        } else if does == Some(false) && said {
            format!("the model's own distribution: {file} says do_sample false")
        } else if ignored.is_empty() {
            "the model's own distribution: no file says how to sample".into()
        } else {
            "the model's own distribution".into()
        };
        if !draws && !self.stated.is_empty() {
            notes.push(format!(
                "{}: do_sample is false, so {} of that file are not applied, as in transformers",
                self.path.display(),
                self.stated.join(", ")
            ));
        }
        self.beams(draws, &mut refused, &mut notes)?;
        sampling = sampling.with_suppressed(self.suppressed(&mut refused)?);
        for (key, off, always) in &NOT_APPLIED {
            if (*always || draws) && self.is_on(key, off)? {
                let reason = format!(
                    "it changes answers and is not computed; to do without it, {}",
                    pass(key)
                );
                refused.push(self.refused(key, *always, reason));
            }
        }
        if let Some(temperature) = asked.temperature {
            sampling = sampling.with_temperature(temperature)?;
        }
        if let Some(k) = asked.top_k {
            sampling = sampling.with_top_k(Some(k));
        }
        if let Some(top_p) = asked.top_p {
            sampling = sampling.with_top_p(top_p)?;
        }
        if let Some(min_p) = asked.min_p {
            sampling = sampling.with_min_p(min_p)?;
        }
        let given = asked.given();
        if !given.is_empty() {
            source = format!("{} as asked for; otherwise {source}", given.join(", "));
        }
        self.unknown(&mut notes);
        let stop = self.typed("eos_token_id", "a token id, or a list of them", |value| {
            serde_json::from_value::<TokenIds>(value.clone()).ok()
        })?;
        let stop = stop.map_or_else(Vec::new, TokenIds::into_vec);
        Ok(GenerationSettings { sampling, stop, refused, notes, source, ignored })
    }

    /// Temperature and what is cut off, where answers are drawn; whether top-k is that of
    /// transformers.
    fn drawn(
        &self,
        mut sampling: Sampling,
        refused: &mut Vec<Refused>,
    ) -> Result<(Sampling, bool), ModelError> {
        let asked = self.asked;
        let temperature = self.number("temperature")?.unwrap_or(1.0);
        let mut impossible = |key: &str, must: &str, flag: &str, given: bool| {
            if !given {
                let reason = format!(
                    "{must} where answers are drawn or enumerated; pass {flag}, or {}",
                    pass(key)
                );
                refused.push(Refused { impossible: true, ..self.refused(key, false, reason) });
            }
        };
        match sampling.clone().with_temperature(temperature) {
            Ok(own) => sampling = own,
            Err(_) => {
                let given = asked.temperature.is_some();
                impossible("temperature", "it must be above 0", "--temperature T", given);
            }
        }
        let top_k = self.number("top_k")?;
        match top_k {
            None => sampling = sampling.with_top_k(Some(TOP_K)),
            Some(k) if k >= 0.0 && k.fract() == 0.0 => {
                sampling = sampling.with_top_k(Some(k as usize));
            }
            Some(_) => {
                let must = "it must be a whole number of at least 0, which keeps all,";
                impossible("top_k", must, "--top-k K", asked.top_k.is_some());
            }
        }
        // What is 1 or more cuts nothing off.
        match sampling.clone().with_top_p(self.number("top_p")?.unwrap_or(1.0).min(1.0)) {
            Ok(own) => sampling = own,
            Err(_) => {
                let must = "it must be above 0, and 1 keeps all,";
                impossible("top_p", must, "--top-p P", asked.top_p.is_some());
            }
        }
        match sampling.clone().with_min_p(self.number("min_p")?.unwrap_or(0.0)) {
            Ok(own) => sampling = own,
            Err(_) => {
                let must = "it must be at least 0, which keeps all, and at most 1";
                impossible("min_p", must, "--min-p P", asked.min_p.is_some());
            }
        }
        Ok((sampling, top_k.is_none() && asked.top_k.is_none()))
    }

    /// Beams and contrastive search choose one answer. Where nothing is drawn they stand for the
    /// most probable one.
    fn beams(
        &self,
        draws: bool,
        refused: &mut Vec<Refused>,
        notes: &mut Vec<String>,
    ) -> Result<(), ModelError> {
        if self.number("num_beams")?.is_some_and(|beams| beams > 1.0) {
            if draws {
                let reason = format!(
                    "answers are drawn one by one, not from beams; to do without it, {}",
                    pass("num_beams")
                );
                refused.push(self.refused("num_beams", false, reason));
            } else {
                notes.push(format!("{}: num_beams is not applied", self.path.display()));
            }
        }
        if !draws && self.number("penalty_alpha")?.is_some_and(|alpha| alpha > 0.0) {
            notes.push(format!("{}: penalty_alpha is not applied", self.path.display()));
        }
        Ok(())
    }

    /// Tokens that are never drawn: suppressed ones, and bad words of one token. Those that end an
    /// answer are no bad words.
    fn suppressed(&self, refused: &mut Vec<Refused>) -> Result<Vec<u32>, ModelError> {
        let ids = |value: &Value| serde_json::from_value::<Vec<u32>>(value.clone()).ok();
        let mut tokens =
            self.typed("suppress_tokens", "a list of token ids", ids)?.unwrap_or_default();
        let ends = self.value("eos_token_id").and_then(|value| {
            Some(serde_json::from_value::<TokenIds>(value.clone()).ok()?.into_vec())
        });
        let ends = ends.unwrap_or_default();
        let words = |value: &Value| serde_json::from_value::<Vec<Vec<u32>>>(value.clone()).ok();
        let words = self.typed("bad_words_ids", "a list of lists of token ids", words)?;
        for word in words.unwrap_or_default() {
            match word[..] {
                [token] if ends.contains(&token) => {}
                [token] => tokens.push(token),
                _ => {
                    let reason = format!(
                        "bad words of several tokens are not computed; to do without them, {}",
                        pass("bad_words_ids")
                    );
                    refused.push(self.refused("bad_words_ids", true, reason));
                    break;
                }
            }
        }
        Ok(tokens)
    }

    fn is_on(&self, key: &str, off: &Off) -> Result<bool, ModelError> {
        Ok(match off {
            Off::At(neutral) => self.number(key)?.is_some_and(|own| own != *neutral),
            Off::UpTo(most) => self.number(key)?.is_some_and(|own| own > *most),
            Off::From(least) => self.number(key)?.is_some_and(|own| own < *least),
            Off::OutsideOne => self.number(key)?.is_some_and(|own| own > 0.0 && own < 1.0),
            Off::Empty => self.value(key).is_some_and(|value| match value {
                Value::Bool(own) => *own,
                Value::Array(items) => !items.is_empty(),
                Value::Object(items) => !items.is_empty(),
                Value::String(own) => !own.is_empty(),
                Value::Number(_) => true,
                Value::Null => false,
            }),
        })
    }

    /// Keys that mean nothing to `generate`: other programs' settings, or misspelt ones. A
    /// `config.json` has others for other purposes.
    fn unknown(&self, notes: &mut Vec<String>) {
        if !self.path.ends_with(FILE) {
            return;
        }
        let on = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
        let odd = |key: &str| !GENERATION.contains(&key) && !key.starts_with('_');
        let unknown = self.map.iter().filter(|(key, value)| odd(key) && on(value));
        let unknown: Vec<&str> = unknown.map(|(key, _)| key.as_str()).collect();
        if !unknown.is_empty() {
            notes.push(format!(
                "{}: {} mean nothing to transformers' generate and are not applied",
                self.path.display(),
                unknown.join(", ")
            ));
        }
    }
}

/// How to do without a key.
fn pass(key: &str) -> String {
    format!("pass --ignore-generation-key {key} (in Rust, `SamplingOptions::ignored_keys`)")
}

fn without(key: &str) -> String {
    format!("to do without it, {}", pass(key))
}
