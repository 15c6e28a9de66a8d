use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::adapter_files::CONFIG;
use crate::error::ModelError;
use crate::hub::source::ModelSource;
use crate::index::{INDEX, SINGLE};
use crate::json::read_json;
use crate::on_disk;

/// The part of `adapter_config.json` that names the base.
#[derive(Deserialize)]
struct Named {
    base_model_name_or_path: Option<String>,
    revision: Option<String>,
}

/// The folder of the model that the adapter in a folder changes, if it holds one. `None` if there
/// is no adapter, or if `adapter_config.json` is among the `accepted` keys: the model is asked
/// without it.
///
/// As in transformers, an adapter beside a whole model belongs to that model. Any other belongs to
/// the model that it names: a folder, from the adapter's own or from the working directory, or a
/// model of the hub.
///
/// # Errors
/// [`ModelError::AdapterBase`] if there is no such model; [`ModelError::Adapter`] if it is none
/// that an adapter can be merged into.
pub(crate) fn base(folder: &Path, accepted: &[String]) -> Result<Option<PathBuf>, ModelError> {
    let path = folder.join(CONFIG);
    if accepted.iter().any(|own| own == CONFIG) || !on_disk::exists(&path)? {
        return Ok(None);
    }
    // Some trainers copy the config of the base, and nothing else of it.
    let has = |name: &str| on_disk::exists(&folder.join(name));
    if has("config.json")? && (has(SINGLE)? || has(INDEX)?) {
        return Ok(Some(folder.into()));
    }
    let named: Named = read_json(&path)?;
    let refused = |reason: String| ModelError::Adapter { path: path.clone(), reason };
    let Some(name) = named.base_model_name_or_path.filter(|name| !name.is_empty()) else {
        return Err(refused(
            "`base_model_name_or_path` is missing, which names the model that the adapter changes; \
             set it to that model's folder"
                .into(),
        ));
    };
    let beside = folder.join(&name);
    let found = if on_disk::is_folder(&beside)? {
        beside
    } else {
        find(&name, named.revision.as_deref()).map_err(|source| ModelError::AdapterBase {
            path: path.clone(),
            name: name.clone(),
            source: Box::new(source),
        })?
    };
    if !on_disk::is_folder(&found)? {
        let what = "a file; adapters are merged into model folders with safetensors";
        return Err(refused(format!("`base_model_name_or_path` is {}, {what}", found.display())));
    }
    if on_disk::exists(&found.join(CONFIG))? {
        return Err(refused(format!(
            "its base, {}, is a model with an adapter itself; merge that one first",
            found.display()
        )));
    }
    Ok(Some(found))
}

fn find(name: &str, revision: Option<&str>) -> Result<PathBuf, ModelError> {
    let source = ModelSource::parse(name)?;
    match (source, revision) {
        (ModelSource::Hub(id), Some(revision)) => {
            ModelSource::Hub(format!("{}@{revision}", id.name()).parse()?).resolve()
        }
        (source, _) => source.resolve(),
    }
}
