//! A study's folder: results and what is shown of them, manifest, pieces, truth.

use std::fs;
use std::path::{Path, PathBuf};

use bias_ask::Sampling;
use bias_ask::generate::DecodeOptions;
use bias_files::hex;
use bias_study::compare::{Side, side_by_side};
use bias_study::find::Truth;
use bias_study::report::{
    compared, figures, generalization_chart, generalization_details, generalization_markdown,
    generalization_tables, markdown,
};
use bias_study::results::{Attribute, Generalization};
use bias_study::run::verify;
use bias_study::{Audit, PromptSet, Results, Settings, StudyOptions, report, tables};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::scratch::{folder, with_file, written};
use crate::toy::Toy;
use crate::{fixtures, made_up};

/// Results, and everything that shows them.
pub(crate) fn results(bytes: &[u8]) -> bool {
    with_file("results.json", bytes, |path| {
        let Ok(own) = Results::load(path) else { return false };
        let shown = report(&own).is_ok() & figures(&own).is_ok();
        let _ = (tables(&own), markdown(&own), compared(&[own.clone(), own]));
        let sides = Side::document(path, &["all".into()]);
        if let Ok(sides) = sides {
            drop(side_by_side(&sides, &settings()));
        }
        shown
    })
}

pub(crate) fn result_files() -> Vec<Vec<u8>> {
    [made_up::results("financial"), made_up::emptied(made_up::results(made_up::HOSTILE))]
        .map(|own| written(|path| own.save(path).unwrap()))
        .into()
}

pub(crate) fn generalization(bytes: &[u8]) -> bool {
    with_file("generalize.json", bytes, |path| {
        let Ok(own) = Generalization::load(path) else { return false };
        let _ = (generalization_markdown(&own, 2), generalization_details(&own, 2));
        let _ = generalization_tables(&own);
        generalization_chart(&own).is_ok()
    })
}

pub(crate) fn generalization_files() -> Vec<Vec<u8>> {
    let own = serde_json::to_value(made_up::results("financial")).unwrap();
    let home = json!({"home": "financial"});
    let approach = json!("signed-gap@neuron");
    let estimate = json!({"value": 0.5, "interval": [0.25, 0.75]});
    let all = json!({
        "format": Generalization::FORMAT, "model": own["model"], "prompts": own["prompts"], "settings": own["settings"],
        "protocol": {"approaches": [approach], "homes": ["financial"], "limits": [0.01], "most": 0.1, "probes": 4,
            "formats": ["rendering", "preamble"], "rival": "signed-gap@head", "tasks": null},
        "names": {"held_out": true, "seen": [4, 4], "tested": [4, 4], "told_by_surname": 0.5, "surnames": [8, 2]},
        "neutral_log_loss": 2.5,
        "power": [{"target": {"elsewhere": "commercial"}, "variations": 3, "gap": estimate, "p": 0.01,
            "smallest_reduction": 0.1, "measurable": true, "reason": null}],
        "changes": [{"id": "a", "approach": approach, "seen": home, "control": "own", "limit": 0.01, "strength": 0.5,
            "limited": true, "weights": 10, "share": 0.01, "mask": "00", "log_loss": 2.6}],
        "absent": [{"approach": approach, "seen": home, "control": "own", "limit": 0.1, "cause": "refused", "reason": "no gap"}],
        "outcomes": [{"change": "a", "target": {"elsewhere": "commercial"}, "before": 0.5, "after": estimate,
            "reduction": estimate, "unsigned": estimate, "size_after": 0.25, "size_by_chance": 0.1, "p": 0.01, "p_placebo": 0.05,
            "inlier": estimate, "inlier_before": 0.75, "inlier_change": estimate, "degenerate": 0, "reason": null}],
        "elsewhere": [{"change": "a", "contexts": ["commercial"], "reduction": estimate,
            "over_contexts": [0.25, 0.75], "inlier": 0.75, "p_placebo": 0.05, "reason": null}],
        "also": [], "rows": [], "claims": [],
    });
    vec![all.to_string().into_bytes()]
}

/// A manifest beside a study of a responder that answers everything alike.
pub(crate) fn manifest(bytes: &[u8]) -> bool {
    let own = kept();
    fs::write(own.join("manifest.json"), bytes).unwrap();
    // An audit has no results to verify: what is wrong is found one by one up to there.
    let found = verify(&own).err().map(|error| error.to_string());
    fs::remove_file(own.join("manifest.json")).unwrap();
    found.is_none_or(|said| said.contains("results.json"))
}

pub(crate) fn manifest_files() -> Vec<Vec<u8>> {
    let own = kept();
    bias_study::run::Manifest::seal(&own).unwrap();
    let bytes = fs::read(own.join("manifest.json")).unwrap();
    fs::remove_file(own.join("manifest.json")).unwrap();
    vec![bytes]
}

pub(crate) fn truth(bytes: &[u8]) -> bool {
    with_file("truth.json", bytes, |path| Truth::load(path).is_ok_and(|own| !own.all().is_empty()))
}

pub(crate) fn truth_files() -> Vec<Vec<u8>> {
    fixtures::all("planted", "truth.json")
}

/// The content of a finished piece, with the hash that it should have: a study that goes on reads it.
pub(crate) fn piece(bytes: &[u8]) -> bool {
    let own = kept();
    let path = first_piece(&own);
    let kept = fs::read(&path).unwrap();
    fs::write(&path, sealed(&head(&kept), bytes)).unwrap();
    let read = audit(&own);
    fs::write(&path, kept).unwrap();
    read
}

pub(crate) fn pieces() -> Vec<Vec<u8>> {
    let piece = fs::read(first_piece(&kept())).unwrap();
    let content = &piece[BEGIN.len() + 66 + head(&piece).len()..piece.len() - 1];
    vec![content.to_vec()]
}

const BEGIN: &[u8] = br#"{"sha256":""#;

/// What stands between the hash and the content.
fn head(piece: &[u8]) -> Vec<u8> {
    let rest = &piece[BEGIN.len() + 66..];
    let key = b"\"content\":";
    let at = rest.windows(key.len()).position(|own| own == key).unwrap();
    rest[..at + key.len()].to_vec()
}

fn sealed(head: &[u8], content: &[u8]) -> Vec<u8> {
    let rest = [head, content, b"}"].concat();
    let hash = hex(&Sha256::digest(&rest));
    [BEGIN, hash.as_bytes(), b"\",", &rest].concat()
}

fn first_piece(folder: &Path) -> PathBuf {
    let all = fs::read_dir(folder.join("pieces")).unwrap().map(|own| own.unwrap().path());
    all.min().unwrap()
}

/// The folder of a finished audit.
fn kept() -> PathBuf {
    folder("study", |own| assert!(audit(own)))
}

fn settings() -> Settings {
    Settings { resamples: 10, ..Settings::default() }
}

fn audit(out: &Path) -> bool {
    let prompts = folder("study-prompts", |own| {
        fs::write(own.join("prompts.csv"), fixtures::head("emergent/prompts.csv", 41)).unwrap();
    });
    let race = Attribute::before("race", "_");
    let prompts =
        PromptSet::from_csv(&prompts.join("prompts.csv"), &race, ["white", "black"]).unwrap();
    let toy = Toy(DecodeOptions {
        sampling: Sampling::default(),
        stop: vec![1],
        max_new_tokens: 8,
        batch_rows: 1,
        threads: 1,
    });
    let options = StudyOptions {
        settings: settings(),
        threads: 1,
        out: Some(out.into()),
        ..StudyOptions::default()
    };
    Audit::new(toy, "toy", &prompts, options).is_ok_and(|mut audit| {
        drop(audit.group_differences());
        audit.audit().is_ok()
    })
}
