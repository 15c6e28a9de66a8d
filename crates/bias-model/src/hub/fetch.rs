use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bias_files::sha256_of_file;
use hf_hub::api::sync::{ApiBuilder, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

use super::cache::{ADAPTER, CONFIG, Hub, TOKENIZER, is_plain, missing_files};
use super::id::HubId;
use crate::error::ModelError;
use crate::index::{INDEX, SINGLE, shards};
use crate::on_disk;

/// The files that a model may lack.
const OPTIONAL: [&str; 4] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
];

impl Hub {
    /// The folder of a model: its snapshot in the cache, which is downloaded first if it is
    /// incomplete.
    ///
    /// # Errors
    /// Offline [`ModelError::NotCached`] and [`ModelError::IncompleteSnapshot`], online
    /// [`ModelError::Download`] and [`ModelError::IncompleteModel`]; a cache that points elsewhere:
    /// [`ModelError::HubRef`], [`ModelError::EscapingShard`].
    pub fn resolve(&self, id: &HubId) -> Result<PathBuf, ModelError> {
        let cached = self.cached(id)?;
        let mut missing = Vec::new();
        if let Some(folder) = &cached {
            missing = missing_files(folder)?;
            if missing.is_empty() {
                return Ok(folder.clone());
            }
        }
        if !self.offline {
            return fetch(self, id);
        }
        let named = id.to_string();
        Err(match cached {
            Some(folder) => ModelError::IncompleteSnapshot { id: named, folder, missing },
            None => ModelError::NotCached { id: named, folder: self.folder(id) },
        })
    }
}

/// Downloads the files that loading a model needs, and nothing else of its repository.
///
/// All files belong to the commit that the revision points to now. The revision's ref is written
/// when all files are there. Optional files come first, so that a snapshot without them does not
/// count as complete.
fn fetch(hub: &Hub, id: &HubId) -> Result<PathBuf, ModelError> {
    let cache = Cache::new(hub.cache.clone());
    let mut builder = ApiBuilder::from_cache(cache.clone())
        .with_token(hub.token.clone())
        .with_progress(hub.progress);
    if let Some(endpoint) = &hub.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').into());
    }
    let repo =
        |revision: &str| Repo::with_revision(id.name().into(), RepoType::Model, revision.into());
    let listing = |source: Box<dyn Error + Send + Sync>| failed(id, "the list of files", source);
    let api = builder.build().map_err(|e| listing(e.into()))?;
    let info = api.repo(repo(id.revision())).info().map_err(|e| listing(e.into()))?;
    let commit = info.sha;
    if !is_plain(&commit) {
        return Err(listing(format!("the hub calls the commit `{commit}`").into()));
    }
    let listed: BTreeSet<String> = info.siblings.into_iter().map(|s| s.rfilename).collect();
    let all_listed = |files: &[&str]| {
        let missing: Vec<String> =
            files.iter().filter(|f| !listed.contains(**f)).map(|f| (*f).into()).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(ModelError::IncompleteModel { id: id.to_string(), missing })
        }
    };
    let weights = if !listed.contains(SINGLE) && listed.contains(INDEX) { INDEX } else { SINGLE };
    // An adapter has the config and the weights of its base, and often its tokenizer.
    let adapter = !listed.contains(weights) && listed.contains(ADAPTER[0]);
    let (needed, tokenizer) = if adapter {
        (ADAPTER.to_vec(), listed.contains(TOKENIZER).then_some(TOKENIZER))
    } else {
        (vec![CONFIG, TOKENIZER, weights], None)
    };
    all_listed(&needed)?;
    let from = Snapshot { id, folder: hub.snapshot(id, &commit), repo: api.repo(repo(&commit)) };
    let optional = OPTIONAL.into_iter().filter(|f| listed.contains(*f)).chain(tokenizer);
    for file in optional.chain(needed) {
        from.download(file)?;
    }
    if weights == INDEX && !adapter {
        let shards = shards(&from.folder.join(INDEX))?;
        let shards: Vec<&str> = shards.iter().map(String::as_str).collect();
        all_listed(&shards)?;
        shards.into_iter().try_for_each(|shard| from.download(shard))?;
    }
    cache
        .repo(repo(id.revision()))
        .create_ref(&commit)
        .map_err(|e| failed(id, "its ref", e.into()))?;
    Ok(from.folder)
}

/// One commit of a repository.
struct Snapshot<'a> {
    id: &'a HubId,
    folder: PathBuf,
    repo: ApiRepo,
}

impl Snapshot<'_> {
    fn download(&self, file: &str) -> Result<(), ModelError> {
        let path = self.folder.join(file);
        if on_disk::is_file(&path)? {
            return Ok(());
        }
        let written = self.repo.download(file).map_err(|e| failed(self.id, file, e.into()))?;
        if written != path {
            let reason = format!("the hub sent a file of another commit, {}", written.display());
            return Err(failed(self.id, file, reason.into()));
        }
        check(&path).map_err(|e| failed(self.id, file, e.into()))
    }
}

fn failed(id: &HubId, file: &str, source: Box<dyn Error + Send + Sync>) -> ModelError {
    ModelError::Download { id: id.to_string(), file: file.into(), source }
}

/// The cache names large files by their SHA-256. A file with another hash, such as a download that
/// was resumed wrongly, is removed.
fn check(path: &Path) -> io::Result<()> {
    let blob = fs::canonicalize(path)?;
    let expected = blob.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if expected.len() != 64 || !expected.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(());
    }
    let found = sha256_of_file(&blob)?;
    if found == expected.to_lowercase() {
        return Ok(());
    }
    fs::remove_file(path)?;
    fs::remove_file(&blob)?;
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "what arrived is not what the hub has (SHA-256); it was removed, try again",
    ))
}
