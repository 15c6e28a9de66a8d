//! A finished study as a bundle that others can check, without the model and without a network.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bias_files::{read_file, sha256_of_file};
use bias_mask::Mask;
use serde::{Deserialize, Serialize};

use crate::StudyError;
use crate::plan::{What, jobs};
use crate::prompts::PromptSet;
use crate::report::{FIGURES, figures, report};
use crate::results::Results;
use crate::save::{LARGEST, UNFINISHED, read, write};
use crate::statistics::assemble;
use crate::store::{
    JobFound, MASKS, PIECES, PROMPTS, PROVENANCE, Piece, Provenance, Record, Store, piece_name,
};

/// The content of a finished study's folder: every file with its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`Manifest::FORMAT`].
    pub format: String,
    /// [`Provenance::id`]: covers model, tokenizer, prompts, settings, seeds, and the program's version.
    pub study: String,
    /// Every file by its path in the folder, with `/` between its parts. The manifest itself is not
    /// among them, nor is `timing.json`, which differs each time.
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
/// The parts of a bundle besides the manifest. Other files in the folder do not belong to it.
const FILES: [&str; 4] = [PROVENANCE, PROMPTS, RESULTS, PAGE];
const FOLDERS: [&str; 3] = [PIECES, MASKS, FIGURES];
const RESULTS: &str = "results.json";
const PAGE: &str = "report.html";
/// More than any useful number of resamples.
const MOST_RESAMPLES: usize = 100_000;

impl Manifest {
    /// The format that this version writes.
    pub const FORMAT: &str = "bias-manifest/1";

    /// Writes `manifest.json` over all files that a study has written into its folder so far.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn seal(folder: &Path) -> Result<Self, StudyError> {
        let study = Provenance::of(folder)?.id()?;
        let (files, odd) = files(folder)?;
        if !odd.is_empty() {
            return Err(StudyError::NotAsWritten { folder: folder.into(), problems: odd });
        }
        let own = Self { format: Self::FORMAT.into(), study, files };
        own.write(&folder.join(MANIFEST))?;
        Ok(own)
    }

    /// Checks the finished work of a study that is to go on, and takes out of its manifest what was
    /// deleted to be done again. What was changed would be taken over, and the next
    /// [`seal`](Self::seal) would call it right. A study that was never finished has no manifest.
    ///
    /// # Errors
    /// [`StudyError::NotAsWritten`] names what was changed; files that cannot be read or written.
    pub(crate) fn reopen(folder: &Path) -> Result<(), StudyError> {
        let path = folder.join(MANIFEST);
        if there(&path)?.is_none() {
            return Ok(());
        }
        let mut own = Self::load(folder)?;
        let (found, mut problems) = files(folder)?;
        let work = |name: &str| [PIECES, MASKS].iter().any(|part| name.starts_with(part));
        for (name, expected) in own.files.iter().filter(|(name, _)| work(name)) {
            if found.get(name).is_some_and(|now| now != expected) {
                let name = name.escape_debug();
                problems.push(format!(
                    "{name} was changed since the study was finished; delete it, and run the study again"
                ));
            }
        }
        if !problems.is_empty() {
            return Err(StudyError::NotAsWritten { folder: folder.into(), problems });
        }
        let before = own.files.len();
        own.files.retain(|name, _| !work(name) || found.contains_key(name));
        if own.files.len() == before { Ok(()) } else { own.write(&path) }
    }

    fn write(&self, path: &Path) -> Result<(), StudyError> {
        let json = serde_json::to_vec_pretty(self)
            .map_err(|e| StudyError::Write { path: path.into(), source: e.into() })?;
        write(path, &json)
    }

    /// Reads a folder's `manifest.json`.
    ///
    /// # Errors
    /// [`StudyError::Read`] for a file that is missing, damaged or of another version.
    pub fn load(folder: &Path) -> Result<Self, StudyError> {
        read(&folder.join(MANIFEST), Self::FORMAT, |own: &Self| &own.format)
    }
}

/// Checks a bundle from end to end. Every file must be the one that the manifest names, and no
/// other may be among them. Every piece of work must match its name, and masks must be those that
/// were tested. The statistics, computed again from the pieces, must give `results.json` bit for
/// bit, and the report must follow from it.
///
/// # Errors
/// [`StudyError::NotAsWritten`] with all differences; files that cannot be read.
pub fn verify(folder: &Path) -> Result<(Manifest, Results), StudyError> {
    plain(&folder.join(MANIFEST))?;
    let manifest = Manifest::load(folder)?;
    let (found, mut problems) = files(folder)?;
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
    let dims = provenance.model.dims.is_none_or(|dims| dims.validate().is_ok())
        && provenance.settings.resamples <= MOST_RESAMPLES;
    if provenance.id()? != manifest.study || !dims {
        problems.push(format!("{PROVENANCE} is of another study than {MANIFEST}, or of none"));
        return failed(problems);
    }
    for name in found.keys().filter_map(|name| name.strip_prefix("pieces/")) {
        let path = folder.join(PIECES).join(name);
        let record = Record::<serde::de::IgnoredAny>::of_bytes(&path, &bytes(&path)?)?;
        // Other experiments on the same model may have left theirs.
        if record.study != manifest.study || piece_name(&record.study, &record.piece) != name {
            problems.push(format!("pieces/{name} is not the piece that its name says"));
        }
    }
    let results = Results::load(&folder.join(RESULTS))?;
    let prompts: PromptSet = parse(&folder.join(PROMPTS))?;
    if prompts.digest()? != provenance.prompts || !prompts.is_whole() {
        problems.push(format!("{PROMPTS} is not what was asked"));
        return failed(problems);
    }
    let store = Store::reading(folder, &provenance)?;
    for job in jobs(&prompts, results.plan, &provenance.focus, &results.experiments) {
        for own in store.finished::<JobFound>(&Piece::Found(&job))?.found {
            let odd = own.strategy.experiment != job.what.experiment();
            let Some(name) = &own.mask else {
                if odd || !matches!(job.what, What::Alternative(_)) {
                    problems.push(format!("{} has no mask", own.strategy.id.escape_debug()));
                }
                continue;
            };
            if odd || !manifest.files.contains_key(&format!("{MASKS}/{name}")) {
                problems.push(format!(
                    "{} names a mask that is not in the manifest",
                    own.strategy.id.escape_debug()
                ));
                continue;
            }
            let mask = Mask::load(&folder.join(MASKS).join(name), None)?;
            let model = mask.fingerprint() == provenance.model.known_fingerprint();
            if mask.digest() != own.strategy.mask || mask.count() != own.strategy.weights || !model
            {
                problems.push(format!("masks/{name} is not the mask that was tested"));
            }
        }
    }
    if !problems.is_empty() {
        return failed(problems);
    }
    let also = results.also.as_ref().map_or(&[][..], |own| &own.sets);
    let again = assemble(&prompts, &provenance, &results.experiments, results.plan, also, &store)?;
    let path = folder.join(RESULTS);
    if again.to_json(&path)? != bytes(&path)? {
        problems.push("results.json is not what the pieces give".into());
    }
    if report(&again)?.as_bytes() != bytes(&folder.join(PAGE))? {
        problems.push("report.html is not made of results.json by this version".into());
    }
    for figure in figures(&again)? {
        let csv = folder.join(FIGURES).join(format!("{}.csv", figure.name));
        if figure.csv.as_bytes() != bytes(&csv)? {
            problems.push(format!(
                "{FIGURES}/{}.csv does not have the numbers of results.json",
                figure.name
            ));
        }
        let svg = folder.join(FIGURES).join(format!("{}.svg", figure.name));
        let there = manifest.files.contains_key(&format!("{FIGURES}/{}.svg", figure.name));
        let as_drawn = match figure.svg.filter(|_| there) {
            Some(drawn) => bytes(&svg)? == drawn.as_bytes(),
            None => false,
        };
        if there && !as_drawn {
            problems.push(format!(
                "{FIGURES}/{}.svg is not drawn from results.json by this version",
                figure.name
            ));
        }
    }
    if problems.is_empty() { Ok((manifest, results)) } else { failed(problems) }
}

fn bytes(path: &Path) -> Result<Vec<u8>, StudyError> {
    read_file(path, LARGEST).map_err(|source| StudyError::Read { path: path.into(), source })
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, StudyError> {
    serde_json::from_slice(&bytes(path)?)
        .map_err(|e| StudyError::Damaged { path: path.into(), reason: e.to_string() })
}

/// Refuses anything but an ordinary file: links point elsewhere, and pipes never end.
fn plain(path: &Path) -> Result<u64, StudyError> {
    let failed = |source| StudyError::Read { path: path.into(), source };
    let found = fs::symlink_metadata(path).map_err(failed)?;
    if found.is_file() {
        return Ok(found.len());
    }
    Err(StudyError::Damaged { path: path.into(), reason: "it is not an ordinary file".into() })
}

/// The metadata of a path, if it exists. A link is not followed.
fn there(path: &Path) -> Result<Option<fs::Metadata>, StudyError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StudyError::Read { path: path.into(), source }),
    }
}

/// The content of a bundle's folder.
#[derive(Default)]
struct Listing {
    files: BTreeMap<String, FileHash>,
    /// Files and folders that should not be there.
    odd: Vec<String>,
}

impl Listing {
    fn add(&mut self, path: &Path, name: String) -> Result<(), StudyError> {
        let bytes = match plain(path) {
            Ok(bytes) => bytes,
            Err(StudyError::Damaged { .. }) => {
                self.odd.push(format!("{} is no ordinary file", name.escape_debug()));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let sha256 = sha256_of_file(path)
            .map_err(|source| StudyError::Read { path: path.into(), source })?;
        self.files.insert(name, FileHash { bytes, sha256 });
        Ok(())
    }
}

/// Every file of a bundle, and those that should not be there.
fn files(folder: &Path) -> Result<(BTreeMap<String, FileHash>, Vec<String>), StudyError> {
    let mut found = Listing::default();
    for name in FILES {
        let path = folder.join(name);
        if there(&path)?.is_some() {
            found.add(&path, name.into())?;
        }
    }
    for part in FOLDERS {
        let inner = folder.join(part);
        let Some(kind) = there(&inner)? else { continue };
        if !kind.is_dir() {
            found.odd.push(format!("{part} is no ordinary file or folder"));
            continue;
        }
        let failed = |source| StudyError::Read { path: inner.clone(), source };
        for entry in fs::read_dir(&inner).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with(UNFINISHED) {
                found.add(&entry.path(), format!("{part}/{name}"))?;
            }
        }
    }
    Ok((found.files, found.odd))
}
