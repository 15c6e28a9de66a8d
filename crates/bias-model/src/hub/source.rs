use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

#[cfg(feature = "hub")]
use super::cache::Hub;
use super::id::HubId;
use crate::error::ModelError;
use crate::on_disk;

/// The source of a model: a folder, a GGUF file, or the Hugging Face hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// A model folder.
    Folder(PathBuf),
    /// A GGUF file.
    Gguf(PathBuf),
    /// A model of the hub.
    Hub(HubId),
}

impl ModelSource {
    /// An existing directory is a folder, whatever its name. A file must be named `….gguf`. Any
    /// other text must be a hub id, `org/name` or `org/name@revision`.
    ///
    /// # Errors
    /// [`ModelError::HubId`]; [`ModelError::Read`] for a path that cannot be looked at.
    pub fn parse(text: impl AsRef<OsStr>) -> Result<Self, ModelError> {
        let text = text.as_ref();
        let path = Path::new(text);
        if on_disk::is_folder(path)? {
            return Ok(Self::Folder(path.into()));
        }
        let gguf = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"));
        if gguf && on_disk::is_file(path)? {
            return Ok(Self::Gguf(path.into()));
        }
        let refused = if on_disk::exists(path)? {
            Some("it is a file; name the folder that holds it, or a file that ends with .gguf")
        } else {
            gguf.then_some("there is no such GGUF file")
        };
        if let Some(reason) = refused {
            return Err(ModelError::HubId { id: path.display().to_string(), reason });
        }
        text.to_string_lossy().parse().map(Self::Hub)
    }

    /// The model folder, or the GGUF file. A hub id is looked up in the hub's cache, and downloaded
    /// if it is incomplete there, with the settings of the environment. A terminal shows the
    /// progress.
    ///
    /// # Errors
    /// [`ModelError::HubFeature`] for a hub id when this crate is built without the feature
    /// `hub`; with it, see `Hub::resolve`.
    pub fn resolve(&self) -> Result<PathBuf, ModelError> {
        match self {
            Self::Folder(path) | Self::Gguf(path) => Ok(path.clone()),
            #[cfg(feature = "hub")]
            Self::Hub(id) => Hub::from_env()?.progress(true).resolve(id),
            #[cfg(not(feature = "hub"))]
            Self::Hub(id) => Err(ModelError::HubFeature { id: id.to_string() }),
        }
    }

    /// The name of the model: the folder's name, the file's name without its extension, or the hub
    /// id.
    #[must_use]
    pub fn name(&self) -> String {
        let named = |path: &Path, name: Option<&OsStr>| {
            name.map_or_else(
                || path.display().to_string(),
                |name| name.to_string_lossy().into_owned(),
            )
        };
        match self {
            Self::Folder(folder) => named(folder, folder.file_name()),
            Self::Gguf(file) => named(file, file.file_stem()),
            Self::Hub(id) => id.to_string(),
        }
    }
}

impl FromStr for ModelSource {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        Self::parse(text)
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) | Self::Gguf(path) => path.display().fmt(f),
            Self::Hub(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_a_folder_whatever_it_is_called() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["org--name", "a b", "x@y", ".hidden"] {
            let folder = parent.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            let source = ModelSource::parse(&folder).unwrap();
            assert_eq!(source, ModelSource::Folder(folder.clone()));
            assert_eq!(source.resolve().unwrap(), folder);
            assert_eq!(source.name(), name);
        }
        assert!(matches!(".".parse(), Ok(ModelSource::Folder(_))));
    }

    #[test]
    fn a_file_is_neither() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = ModelSource::parse(file.path()).unwrap_err();
        assert!(matches!(error, ModelError::HubId { reason, .. } if reason.contains("is a file")));
    }

    #[test]
    fn a_file_is_a_model_if_its_name_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("Small.Q4_K.GGUF");
        let error = ModelSource::parse(&file).unwrap_err();
        assert!(
            matches!(error, ModelError::HubId { reason, .. } if reason.contains("no such GGUF file"))
        );
        std::fs::write(&file, "").unwrap();
        let source = ModelSource::parse(&file).unwrap();
        assert_eq!(source, ModelSource::Gguf(file.clone()));
        assert_eq!((source.resolve().unwrap(), source.name()), (file, "Small.Q4_K".into()));
    }

    #[test]
    fn hub_ids_are_read_and_written_alike() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        for (text, name, revision) in [
            ("org/name", "org/name", "main"),
            ("Qwen/Qwen2.5-0.5B_x@v1.0", "Qwen/Qwen2.5-0.5B_x", "v1.0"),
            ("org/name@refs/pr/1", "org/name", "refs/pr/1"),
            (&format!("a/b@{commit}"), "a/b", commit),
        ] {
            let source: ModelSource = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
            assert_eq!(source.name(), text);
            let ModelSource::Hub(id) = source else { panic!("{text} is no folder") };
            assert_eq!((id.name(), id.revision()), (name, revision));
        }
    }

    #[cfg(not(feature = "hub"))]
    #[test]
    fn without_the_feature_a_hub_id_says_what_to_do() {
        let error = "org/name".parse::<ModelSource>().unwrap().resolve().unwrap_err();
        assert!(matches!(&error, ModelError::HubFeature { id } if id == "org/name"));
        assert!(error.to_string().contains("--features hub"), "{error}");
    }
}
