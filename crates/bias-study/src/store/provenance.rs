use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bias_files::{hex, read_file};
use bias_types::ModelDims;
use bias_types::prompt::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::folder::PROVENANCE;
use crate::StudyError;
use crate::results::{ModelInfo, Settings};
use crate::save::{Head, LARGEST, read};

/// Everything that decides the numbers of a study, and the name of its model. Two studies with the
/// same [`id`](Self::id) have the same results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// [`Provenance::FORMAT`].
    pub format: String,
    /// The program that computed it.
    pub program: Program,
    /// The model's fingerprint and sizes. Its name is for people; another name does not make
    /// another study.
    pub model: Audited,
    /// How the model was run.
    pub run: Run,
    /// SHA-256 over the prompts as read, and not over their file: line ends, quotes and rows about
    /// other groups do not make another study.
    pub prompts: String,
    /// SHA-256 over all people and the keys of all questions
    /// ([`Respond::key`](bias_ask::Respond::key)). For a model it covers every token, and so
    /// tokenizer, chat template, system message, and the people left out.
    pub questions: String,
    /// SHA-256 over the neutral text.
    pub neutral: String,
    /// The settings.
    pub settings: Settings,
    /// The two contexts of the named experiments.
    pub focus: [Context; 2],
}

/// The model or other responder that was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audited {
    /// Its name.
    pub name: String,
    /// SHA-256 over its weight files; empty if there are none, and then nothing is kept.
    pub fingerprint: String,
    /// Its sizes, for a model whose sizes are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dims: Option<ModelDims>,
}

impl Audited {
    /// Its fingerprint, if it has one.
    pub(crate) fn known_fingerprint(&self) -> Option<&str> {
        Some(self.fingerprint.as_str()).filter(|own| !own.is_empty())
    }

    /// Its entry in results.
    pub(crate) fn info(&self) -> Result<ModelInfo, StudyError> {
        let dims = self.dims.ok_or(StudyError::NoSizes)?;
        Ok(ModelInfo { name: self.name.clone(), fingerprint: self.fingerprint.clone(), dims })
    }
}

/// How a model was run, apart from its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// SHA-256 over its configuration.
    pub config: String,
    /// The identity of its tokenizer: SHA-256 of its file.
    pub tokenizer: String,
    /// The type of the weights in memory.
    pub weights: String,
    /// Tokens that end an answer.
    pub stop: Vec<u32>,
    /// The number of prompts that ran together: sums are rounded differently in other batches.
    pub batch_rows: usize,
    /// The date that the chat template told the model, if it told one. A study that goes on another
    /// day tells the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// The version of the numbers. It is raised whenever a change of the code changes any number of a
/// study, so that work from before and after is never mixed. A release alone does not raise it.
pub const NUMBERS: u32 = 3;

/// The program that computed a study, as far as it decides numbers. Any build of it is equivalent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Version of this crate.
    pub version: String,
    /// [`NUMBERS`] of it.
    pub numbers: u32,
    /// The backend that computed.
    pub backend: String,
}

impl Program {
    pub(crate) fn this(backend: String) -> Self {
        Self { version: env!("CARGO_PKG_VERSION").into(), numbers: NUMBERS, backend }
    }
}

impl Provenance {
    /// The format that this version writes.
    pub const FORMAT: &str = "bias-provenance/3";

    /// The provenance of the study in this folder.
    ///
    /// # Errors
    /// [`StudyError::Read`] if there is none; [`StudyError::OtherVersion`] for the folder of an
    /// earlier or later version.
    pub fn of(folder: &Path) -> Result<Self, StudyError> {
        Self::load(&folder.join(PROVENANCE))
    }

    /// The id of the study: SHA-256 over everything here but the model's name.
    ///
    /// # Errors
    /// [`StudyError::Write`] if it cannot be written as JSON.
    pub fn id(&self) -> Result<String, StudyError> {
        Ok(hex(&Sha256::digest(self.nameless().to_json()?)))
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>, StudyError> {
        serde_json::to_vec_pretty(self)
            .map_err(|e| StudyError::Write { path: PROVENANCE.into(), source: e.into() })
    }

    /// The same with an empty name for the model.
    fn nameless(&self) -> Self {
        Self { model: Audited { name: String::new(), ..self.model.clone() }, ..self.clone() }
    }

    pub(crate) fn load(path: &Path) -> Result<Self, StudyError> {
        let bytes = read_file(path, LARGEST)
            .map_err(|source| StudyError::Read { path: path.into(), source })?;
        if let Ok(Head { format }) = serde_json::from_slice(&bytes)
            && format != Self::FORMAT
        {
            let folder = path.parent().unwrap_or(path).into();
            return Err(StudyError::OtherVersion { folder, found: format, reads: Self::FORMAT });
        }
        read(path, Self::FORMAT, |own: &Self| &own.format)
    }

    /// Checks that the folder of this study does not belong to another. `self` is what the folder
    /// holds, and `other` what is to go on there.
    pub(crate) fn check(&self, other: &Self, folder: &Path) -> Result<(), StudyError> {
        let what = [
            (self.program != other.program, "program (version, numbers or backend)"),
            (self.nameless().model != other.nameless().model, "model"),
            (self.run.config != other.run.config, "configuration"),
            (self.run.tokenizer != other.run.tokenizer, "tokenizer"),
            (self.prompts != other.prompts, "prompts"),
            (
                self.questions != other.questions,
                "questions (names, tokenizer, chat template or system message)",
            ),
            (self.neutral != other.neutral, "neutral text"),
        ];
        let differ =
            what.into_iter().filter(|(differ, _)| *differ).map(|(_, what)| what.to_owned());
        let differ: Vec<String> = differ.chain(differences(self, other)?).collect();
        if differ.is_empty() {
            return Ok(());
        }
        Err(StudyError::OtherStudy { folder: folder.into(), differ: differ.join(", ") })
    }
}

/// The settings that differ, each with what the folder holds and what is asked for here, and
/// the argument that sets it. Hashes say nothing to a reader, and are left out.
fn differences(held: &Provenance, now: &Provenance) -> Result<Vec<String>, StudyError> {
    let values = |own: &Provenance| -> Result<BTreeMap<String, Value>, StudyError> {
        let json = |own: serde_json::Result<Value>| {
            own.map_err(|e| StudyError::Write { path: PROVENANCE.into(), source: e.into() })
        };
        let mut all = BTreeMap::new();
        flatten("", &json(serde_json::to_value(&own.settings))?, &mut all);
        flatten("", &json(serde_json::to_value(&own.run))?, &mut all);
        flatten("focus", &json(serde_json::to_value(&own.focus))?, &mut all);
        all.retain(|key, _| !["config", "tokenizer"].contains(&key.as_str()));
        Ok(all)
    };
    let (held, now) = (values(held)?, values(now)?);
    let keys: BTreeSet<&String> = held.keys().chain(now.keys()).collect();
    let shown = |own: Option<&Value>| own.map_or_else(|| "none".to_owned(), plain);
    let differ = keys.into_iter().filter(|key| held.get(*key) != now.get(*key)).map(|key| {
        let flag = FLAGS.iter().find(|(own, _)| own == key);
        let name = flag.map_or(key.as_str(), |(_, flag)| flag);
        format!("{name} ({} there, {} here)", shown(held.get(key)), shown(now.get(key)))
    });
    Ok(differ.collect())
}

/// The arguments of `bias study` that set the settings of a provenance.
const FLAGS: [(&str, &str); 17] = [
    ("seed", "--seed"),
    ("decoding.exact.unexplored", "--unexplored"),
    ("decoding.exact.tokens", "--budget-tokens"),
    ("decoding.exact.seed", "seed of the draws"),
    ("decoding.sampled.samples", "--samples"),
    ("decoding.sampled.seed", "seed of the samples"),
    ("resamples", "resamples (--quick)"),
    ("choice", "--choice-value"),
    ("attributed_names", "--attribution-names"),
    ("sampling.temperature", "--temperature"),
    ("sampling.top_k", "--top-k"),
    ("sampling.top_p", "--top-p"),
    ("sampling.min_p", "--min-p"),
    ("max_new_tokens", "--max-new-tokens"),
    ("date", "--date"),
    ("focus", "--focus"),
    ("weights", "type of the weights"),
];

/// Every value of nested objects, by the path of its keys. Lists are values.
fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(own) => {
            for (key, value) in own {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, into);
            }
        }
        Value::Null => {}
        other => drop(into.insert(path.to_owned(), other.clone())),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(own) => own.escape_debug().to_string(),
        Value::Array(own) => own.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use bias_types::ModelDims;

    use super::*;

    fn provenance() -> Provenance {
        let dims = ModelDims {
            layers: 1,
            d_model: 2,
            heads: 1,
            kv_heads: 1,
            d_head: 2,
            d_mlp: 4,
            gated: true,
            vocab: 8,
            experts: None,
        };
        Provenance {
            format: Provenance::FORMAT.into(),
            program: Program::this("flex".into()),
            model: Audited { name: "one".into(), fingerprint: "ab".into(), dims: Some(dims) },
            run: Run {
                config: String::new(),
                tokenizer: String::new(),
                weights: "f32".into(),
                stop: vec![1],
                batch_rows: 8,
                date: None,
            },
            prompts: "cd".into(),
            questions: "ef".into(),
            neutral: String::new(),
            settings: Settings::default(),
            focus: ["a", "b"].map(|own| own.parse().unwrap()),
        }
    }

    #[test]
    fn a_study_is_named_by_what_changes_its_numbers() {
        let own = provenance();
        let folder = Path::new("study");
        let mut renamed = own.clone();
        renamed.model.name = "another".into();
        assert_eq!(own.id().unwrap(), renamed.id().unwrap());
        own.check(&renamed, folder).unwrap();
        let mut others = vec![own.clone(); 5];
        others[0].program.version = "9.9.9".into();
        others[1].program.numbers += 1;
        others[2].program.backend = "cuda".into();
        others[3].model.fingerprint = "ac".into();
        others[4].prompts = "ce".into();
        for other in others {
            assert_ne!(own.id().unwrap(), other.id().unwrap());
            assert!(
                matches!(own.check(&other, folder), Err(StudyError::OtherStudy { .. })),
                "{other:?}"
            );
        }
        // Nothing of the build is in it: any build of this version goes on.
        let json = String::from_utf8(own.to_json().unwrap()).unwrap();
        assert!(!json.contains("executable"), "{json}");
    }

    /// Which settings differ is said with both values, and by the argument that sets them.
    #[test]
    fn settings_that_differ_are_named_with_both_values() {
        let held = provenance();
        let differ = |change: &dyn Fn(&mut Provenance)| {
            let mut now = held.clone();
            change(&mut now);
            match held.check(&now, Path::new("study")) {
                Err(StudyError::OtherStudy { differ, .. }) => differ,
                other => panic!("{other:?}"),
            }
        };
        let date = |own: &mut Provenance| own.run.date = Some("2024-01-02".into());
        assert_eq!(differ(&date), "--date (none there, 2024-01-02 here)");
        let warm = |own: &mut Provenance| {
            let sampling = own.settings.sampling.clone();
            own.settings.sampling = sampling.with_temperature(0.5).unwrap().with_top_k(Some(20));
        };
        assert_eq!(
            differ(&warm),
            "--temperature (1.0 there, 0.5 here), --top-k (none there, 20 here)"
        );
        let sampled = |own: &mut Provenance| {
            own.settings.decoding = bias_model::Decoding::Sampled { samples: 9, seed: 0 };
        };
        let said = differ(&sampled);
        assert!(said.contains("--samples (none there, 9 here)"), "{said}");
        assert!(said.contains("--unexplored (0.01 there, none here)"), "{said}");
        let focus = |own: &mut Provenance| own.focus.reverse();
        assert_eq!(differ(&focus), "--focus (a,b there, b,a here)");
        let batches = |own: &mut Provenance| own.run.batch_rows = 1;
        assert_eq!(differ(&batches), "batch_rows (8 there, 1 here)");
        let other = |own: &mut Provenance| {
            (own.run.tokenizer, own.settings.seed) = ("ab".into(), 1);
        };
        assert_eq!(differ(&other), "tokenizer, --seed (0 there, 1 here)");
    }

    #[test]
    fn a_folder_of_another_version_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(PROVENANCE), b"{\"format\": \"bias-provenance/2\"}")
            .unwrap();
        let error = Provenance::of(folder.path()).unwrap_err().to_string();
        for said in ["bias-provenance/2", Provenance::FORMAT, "name another folder"] {
            assert!(error.contains(said), "{error}");
        }
    }
}
