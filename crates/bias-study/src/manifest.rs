//! A finished study as a bundle that others can check, without the model and without a network.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bias_mask::Mask;
use serde::{Deserialize, Serialize};

use crate::bundle::{Found, assemble};
use crate::experiment::jobs;
use crate::provenance::sha256_of_file;
use crate::save::{UNFINISHED, read, write};
use crate::store::{MASKS, PIECES, PROMPTS, PROVENANCE, Piece, Record, Store, piece_name};
use crate::{FIGURES, PromptSet, Provenance, Results, StudyError, figures, report};

/// What a finished study's folder holds: every file with its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`Manifest::FORMAT`].
    pub format: String,
    /// [`Provenance::id`]: covers model, tokenizer, prompts, settings, seeds and program.
    pub study: String,
    /// Every file by its path in the folder, with `/` between its parts. Not the manifest itself and not
    /// `timing.json`, which is another every time.
    pub files: BTreeMap<String, FileHash>,
}

/// A file's size and hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash {
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// The manifest's own name.
const MANIFEST: &str = "manifest.json";
/// Files that are no part of a bundle.
const LEFT_OUT: [&str; 3] = [MANIFEST, "timing.json", ".lock"];
/// How deep folders may lie in each other.
const DEEPEST: usize = 4;

impl Manifest {
    /// The format this version writes.
    pub const FORMAT: &str = "bias-manifest/1";

    /// Writes `manifest.json` over all that lies in a study's folder by now.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn seal(folder: &Path) -> Result<Self, StudyError> {
        let study = Provenance::of(folder)?.id();
        let own = Self { format: Self::FORMAT.into(), study, files: files(folder)? };
        let path = folder.join(MANIFEST);
        let json = serde_json::to_vec_pretty(&own)
            .map_err(|e| StudyError::Write { path: path.clone(), source: e.into() })?;
        write(&path, &json)?;
        Ok(own)
    }

    /// Reads a folder's `manifest.json`.
    ///
    /// # Errors
    /// [`StudyError::Read`] for a file that is missing, damaged or of another version.
    pub fn load(folder: &Path) -> Result<Self, StudyError> {
        read(&folder.join(MANIFEST), Self::FORMAT, |own: &Self| &own.format)
    }
}

/// Checks a bundle from end to end: that every file is the one the manifest names and no other is there,
/// that every piece of work is what its name says, that masks are those that were tested, that `results.json` is what the
/// statistics make of those pieces once more, bit for bit, and that the report is made of that.
///
/// # Errors
/// [`StudyError::NotAsWritten`] with all that is wrong; files that cannot be read.
pub fn verify(folder: &Path) -> Result<(Manifest, Results), StudyError> {
    let manifest = Manifest::load(folder)?;
    let mut problems = Vec::new();
    let found = files(folder)?;
    for (name, expected) in &manifest.files {
        match found.get(name) {
            None => problems.push(format!("{name} is missing")),
            Some(own) if own != expected => problems.push(format!("{name} was changed")),
            Some(_) => {}
        }
    }
    let extra = found.keys().filter(|name| !manifest.files.contains_key(*name));
    problems.extend(extra.map(|name| format!("{name} is not in the manifest")));
    let failed = |problems| Err(StudyError::NotAsWritten { folder: folder.into(), problems });
    if !problems.is_empty() {
        return failed(problems);
    }

    let provenance = Provenance::of(folder)?;
    if provenance.id() != manifest.study {
        problems.push(format!("{PROVENANCE} is of another study than {MANIFEST}"));
    }
    for name in found.keys().filter_map(|name| name.strip_prefix("pieces/")) {
        let path = folder.join(PIECES).join(name);
        let record: Record<serde::de::IgnoredAny> = parse(&path)?;
        // Other experiments on the same model may have left theirs.
        if record.study != manifest.study || piece_name(&record.study, &record.piece) != name {
            problems.push(format!("pieces/{name} is not the piece that its name says"));
        }
    }
    let results = Results::load(&folder.join("results.json"))?;
    let prompts: PromptSet = parse(&folder.join(PROMPTS))?;
    let store = Store::reading(folder, &provenance);
    for job in jobs(&prompts, provenance.settings.quick, &provenance.focus, &results.experiments) {
        for own in store.finished::<Vec<Found>>(&Piece::Found(&job))? {
            let Some(name) = &own.mask else { continue };
            let mask = Mask::load(&folder.join(MASKS).join(name))?;
            let model = mask.fingerprint().unwrap_or_default() == provenance.model.fingerprint;
            if mask.digest() != own.strategy.mask || mask.count() != own.strategy.weights || !model {
                problems.push(format!("masks/{name} is not the mask that was tested"));
            }
        }
    }
    let again = assemble(&prompts, &provenance, &results.experiments, &store)?;
    let path = folder.join("results.json");
    if again.to_json(&path)? != bytes(&path)? {
        problems.push("results.json is not what the pieces give".into());
    }
    if report(&again)?.as_bytes() != bytes(&folder.join("report.html"))? {
        problems.push("report.html is not made of results.json by this version".into());
    }
    for figure in figures(&again)? {
        let csv = folder.join(FIGURES).join(format!("{}.csv", figure.name));
        if figure.csv.as_bytes() != bytes(&csv)? {
            problems.push(format!("{FIGURES}/{}.csv does not have the numbers of results.json", figure.name));
        }
    }
    if problems.is_empty() { Ok((manifest, results)) } else { failed(problems) }
}

fn bytes(path: &Path) -> Result<Vec<u8>, StudyError> {
    fs::read(path).map_err(|source| StudyError::Read { path: path.into(), source })
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, StudyError> {
    serde_json::from_slice(&bytes(path)?)
        .map_err(|e| StudyError::Damaged { path: path.into(), reason: e.to_string() })
}

/// Every file of a folder and those in it.
fn files(folder: &Path) -> Result<BTreeMap<String, FileHash>, StudyError> {
    let mut found = BTreeMap::new();
    add(folder, "", DEEPEST, &mut found)?;
    found.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
    Ok(found)
}

fn add(
    folder: &Path,
    prefix: &str,
    deeper: usize,
    found: &mut BTreeMap<String, FileHash>,
) -> Result<(), StudyError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StudyError::Read { path, source }
    };
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let entry = entry.map_err(failed(folder))?;
        let (path, name) = (entry.path(), format!("{prefix}{}", entry.file_name().to_string_lossy()));
        // Links could lead anywhere.
        let kind = entry.file_type().map_err(failed(&path))?;
        if kind.is_dir() && deeper > 0 {
            add(&path, &format!("{name}/"), deeper - 1, found)?;
        } else if kind.is_file() && !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let bytes = entry.metadata().map_err(failed(&path))?.len();
            let sha256 = sha256_of_file(&path).map_err(failed(&path))?;
            found.insert(name, FileHash { bytes, sha256 });
        }
    }
    Ok(())
}
