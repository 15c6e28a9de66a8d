use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use bias_files::read_file;

use super::id::HubId;
use crate::adapter_files;
use crate::error::ModelError;
use crate::index::{INDEX, SINGLE, shards};
use crate::on_disk;

pub(super) const CONFIG: &str = "config.json";
pub(super) const TOKENIZER: &str = "tokenizer.json";
/// The most bytes of a token or a ref.
const LONGEST: u64 = 1 << 16;
/// The files of an adapter without its base.
pub(super) const ADAPTER: [&str; 2] = [adapter_files::CONFIG, adapter_files::WEIGHTS];

/// The Hugging Face hub, through the cache folder that all its tools share.
///
/// A model that is complete in the cache is taken from there, without asking the hub for a newer
/// version. To move on, name a revision, or fetch the model with the hub's own tools. Complete
/// means config.json, tokenizer.json and all weights in safetensors, or for an adapter its two
/// files; chat template and generation settings are used if the snapshot has them.
#[derive(Clone)]
pub struct Hub {
    pub(super) cache: PathBuf,
    pub(super) offline: bool,
    pub(super) token: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) progress: bool,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("cache", &self.cache)
            .field("offline", &self.offline)
            // Never the token itself.
            .field("token", &self.token.is_some())
            .field("endpoint", &self.endpoint)
            .field("progress", &self.progress)
            .finish()
    }
}

impl Hub {
    /// The hub with its cache in this folder, online and without a token.
    #[must_use]
    pub fn at(cache: impl Into<PathBuf>) -> Self {
        Self { cache: cache.into(), offline: false, token: None, endpoint: None, progress: false }
    }

    /// The hub with the settings of the environment, as its own tools read them.
    ///
    /// - cache: `HF_HUB_CACHE`, `HF_HOME/hub`, `XDG_CACHE_HOME/huggingface/hub` or
    ///   `~/.cache/huggingface/hub`, the first that is set;
    /// - offline when `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE` is 1, true, yes or on;
    /// - token: `HF_TOKEN`, or the file `token` in `HF_HOME` (`~/.cache/huggingface`);
    /// - `HF_ENDPOINT`: a mirror.
    ///
    /// # Errors
    /// [`ModelError::NoHubCache`], [`ModelError::HubVariable`]; [`ModelError::HubToken`] for a
    /// token file that exists but cannot be read.
    pub fn from_env() -> Result<Self, ModelError> {
        Self::from_variables(|name| std::env::var_os(name), std::env::home_dir())
    }

    fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
        user: Option<PathBuf>,
    ) -> Result<Self, ModelError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &'static str| {
            let value = set(name).map(OsString::into_string).transpose();
            let value = value.map_err(|_| ModelError::HubVariable { name })?;
            Ok::<_, ModelError>(value.map(|value| value.trim().to_owned()))
        };
        let home = set("HF_HOME").map(PathBuf::from).or_else(|| {
            let caches = set("XDG_CACHE_HOME").map(PathBuf::from);
            let user = user.filter(|folder| !folder.as_os_str().is_empty());
            Some(caches.or_else(|| Some(user?.join(".cache")))?.join("huggingface"))
        });
        let cache = set("HF_HUB_CACHE")
            .map(PathBuf::from)
            .or_else(|| Some(home.as_ref()?.join("hub")))
            .ok_or(ModelError::NoHubCache)?;
        let stored = || {
            let Some(path) = home.as_ref().map(|home| home.join("token")) else { return Ok(None) };
            match read_file(&path, LONGEST).and_then(text_of) {
                Ok(token) => Ok(Some(token.trim().to_owned())),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(source) => Err(ModelError::HubToken { path, source }),
            }
        };
        let token = match text("HF_TOKEN")? {
            Some(token) => Some(token),
            None => stored()?,
        };
        let offline = match text("HF_HUB_OFFLINE")? {
            Some(word) => Some(word),
            None => text("TRANSFORMERS_OFFLINE")?,
        };
        Ok(Self {
            cache,
            offline: offline
                .is_some_and(|v| ["1", "true", "yes", "on"].contains(&&*v.to_lowercase())),
            token: token.filter(|token| !token.is_empty()),
            endpoint: text("HF_ENDPOINT")?,
            progress: false,
        })
    }

    /// Whether to use only the cache.
    #[must_use]
    pub fn offline(self, offline: bool) -> Self {
        Self { offline, ..self }
    }

    /// The access token, for models that ask for one.
    #[must_use]
    pub fn token(self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// An address other than `https://huggingface.co`.
    #[must_use]
    pub fn endpoint(self, endpoint: impl Into<String>) -> Self {
        Self { endpoint: Some(endpoint.into()), ..self }
    }

    /// Whether downloads show their progress on a terminal.
    #[must_use]
    pub fn progress(self, progress: bool) -> Self {
        Self { progress, ..self }
    }

    /// The snapshot of a revision, complete or not.
    pub(super) fn cached(&self, id: &HubId) -> Result<Option<PathBuf>, ModelError> {
        let revision = id.revision();
        let commit = if is_commit(revision) {
            revision.to_owned()
        } else {
            let path = revision
                .split('/')
                .fold(self.folder(id).join("refs"), |path, part| path.join(part));
            if !on_disk::is_file(&path)? {
                return Ok(None);
            }
            let bytes = read_file(&path, LONGEST)
                .map_err(|source| ModelError::Read { path: path.clone(), source })?;
            let found = String::from_utf8_lossy(&bytes).trim().to_owned();
            if !is_plain(&found) {
                return Err(ModelError::HubRef { path, found: found.chars().take(80).collect() });
            }
            found
        };
        let snapshot = self.snapshot(id, &commit);
        Ok(if on_disk::is_folder(&snapshot)? { Some(snapshot) } else { None })
    }

    pub(super) fn folder(&self, id: &HubId) -> PathBuf {
        self.cache.join(format!("models--{}", id.name().replace('/', "--")))
    }

    pub(super) fn snapshot(&self, id: &HubId, commit: &str) -> PathBuf {
        self.folder(id).join("snapshots").join(commit)
    }
}

fn text_of(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a commit is a plain name and not a path.
pub(super) fn is_plain(commit: &str) -> bool {
    !commit.is_empty() && commit.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The files that a snapshot lacks. A link whose target is gone counts as missing. An adapter has
/// its base's config, weights and, if it has none, tokenizer.
pub(super) fn missing_files(folder: &Path) -> Result<Vec<String>, ModelError> {
    let mut needed = vec![CONFIG.to_owned(), TOKENIZER.to_owned()];
    let index = folder.join(INDEX);
    let (single, sharded) = (on_disk::is_file(&folder.join(SINGLE))?, on_disk::is_file(&index)?);
    if !single && !sharded && on_disk::is_file(&folder.join(ADAPTER[0]))? {
        needed = ADAPTER.map(str::to_owned).into();
    } else if single || !sharded {
        needed.push(SINGLE.into());
    } else {
        needed.extend(shards(&index)?);
    }
    let mut missing = Vec::new();
    for name in needed {
        if !on_disk::is_file(&folder.join(&name))? {
            missing.push(name);
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn hub(variables: &[(&str, &str)]) -> Result<Hub, ModelError> {
        let find =
            |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, v)| v.into());
        Hub::from_variables(find, None)
    }

    #[test]
    fn the_cache_folder_is_the_first_that_is_set() {
        let variables = [("HF_HUB_CACHE", "/a"), ("HF_HOME", "/b"), ("XDG_CACHE_HOME", "/c")];
        for (i, expected) in ["/a", "/b/hub", "/c/huggingface/hub"].into_iter().enumerate() {
            assert_eq!(hub(&variables[i..]).unwrap().cache, Path::new(expected));
            // Set to nothing is not set.
            let mut emptied = variables;
            emptied[..i].iter_mut().for_each(|(_, value)| *value = "");
            assert_eq!(hub(&emptied).unwrap().cache, Path::new(expected));
        }
        assert!(matches!(hub(&[]), Err(ModelError::NoHubCache)));
        let own = Hub::from_variables(|_| None, Some("/home/me".into())).unwrap();
        assert_eq!(own.cache, Path::new("/home/me/.cache/huggingface/hub"));
    }

    #[test]
    fn offline_is_asked_for_in_four_words() {
        for (value, offline) in
            [("1", true), ("True", true), ("yes", true), ("ON", true), ("0", false), ("", false)]
        {
            assert_eq!(
                hub(&[("HF_HOME", "/b"), ("HF_HUB_OFFLINE", value)]).unwrap().offline,
                offline
            );
            assert_eq!(
                hub(&[("HF_HOME", "/b"), ("TRANSFORMERS_OFFLINE", value)]).unwrap().offline,
                offline
            );
        }
    }

    #[test]
    fn the_token_is_found_and_not_shown() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("token"), "from-file\n").unwrap();
        let mut variables =
            vec![("HF_HOME", home.path().to_str().unwrap()), ("HF_HUB_CACHE", "/elsewhere")];
        assert_eq!(hub(&variables).unwrap().token.unwrap(), "from-file");
        variables.push(("HF_TOKEN", "from-variable"));
        let hub = hub(&variables).unwrap();
        assert!(!format!("{hub:?}").contains("from-variable"));
        assert_eq!(hub.token.unwrap(), "from-variable");
    }

    /// An unreadable token is not the same as no token: the hub would answer 401.
    #[test]
    fn a_token_that_cannot_be_read_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let variables = [("HF_HOME", home.path().to_str().unwrap())];
        assert_eq!(hub(&variables).unwrap().token, None);
        fs::create_dir(home.path().join("token")).unwrap();
        let refused = hub(&variables);
        assert!(
            matches!(refused, Err(ModelError::HubToken { path, .. }) if path.ends_with("token"))
        );
    }
}
