use std::path::{Path, PathBuf};

use bias_types::ModelDims;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::gguf;
use super::gguf::file::Gguf;
use super::other_forms::{refuse, refuse_adapter};
use crate::arch::architecture::Architecture;
use crate::arch::keys::Keys;
use crate::arch::plan::Plan;
use crate::error::ModelError;
use crate::json::read_json;

/// A model's checked settings: the parts of `config.json` that matter here.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// Sizes.
    pub dims: ModelDims,
    /// The number of positions that the model supports.
    pub max_positions: usize,
    /// Whether the embedding also serves as the output head. A loaded model whose files hold two
    /// different tensors is not tied, whatever its `config.json` says.
    pub tied: bool,
    /// Tokens that end an answer, from `config.json`.
    pub eos: Vec<u32>,
    /// The token that begins a text, if any.
    pub bos: Option<u32>,
    pub(crate) architecture: Architecture,
    pub(crate) plan: Plan,
    json: Map<String, Value>,
}

/// A token id, several, or none: published configs have all three.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(untagged)]
pub(crate) enum TokenIds {
    One(i64),
    Many(Vec<i64>),
    #[default]
    None,
}

impl TokenIds {
    pub(crate) fn into_vec(self) -> Vec<u32> {
        let ids = match self {
            Self::One(id) => vec![id],
            Self::Many(ids) => ids,
            Self::None => Vec::new(),
        };
        // No token has an id below 0, so that −1 says *none*.
        ids.into_iter().filter_map(|id| u32::try_from(id).ok()).collect()
    }
}

impl ModelConfig {
    /// Reads and checks `config.json` of a model folder, or the metadata of a GGUF file.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json), and a missing or malformed file.
    pub fn from_folder(folder: &Path) -> Result<Self, ModelError> {
        Self::accepting(folder, &[])
    }

    /// Reads and checks the folder, and ignores these keys although their effect is unknown.
    ///
    /// # Errors
    /// As [`from_folder`](Self::from_folder).
    pub fn accepting(folder: &Path, keys: &[String]) -> Result<Self, ModelError> {
        if gguf::is_file(folder)? {
            return Self::check(Gguf::open(folder)?.config(keys)?, folder.into(), keys);
        }
        refuse(folder)?;
        refuse_adapter(folder, keys)?;
        let path = folder.join("config.json");
        Self::check(read_json(&path)?, path, keys)
    }

    /// Checks the contents of a `config.json`.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] for an architecture or setting that this crate does not compute,
    /// and for any unknown key that might change the result; [`ModelError::Config`] for impossible
    /// sizes.
    pub fn from_json(json: Map<String, Value>) -> Result<Self, ModelError> {
        Self::check(json, PathBuf::from("config.json"), &[])
    }

    fn check(
        json: Map<String, Value>,
        path: PathBuf,
        accepted: &[String],
    ) -> Result<Self, ModelError> {
        let keys = Keys::new(json.clone(), path);
        let architecture = Architecture::of(&keys)?;
        let draft = architecture.read(&keys)?;
        let ids = |key: &str| -> Result<Vec<u32>, ModelError> {
            let Some(value) = keys.value(key) else { return Ok(Vec::new()) };
            let ids: TokenIds = serde_json::from_value(value.clone())
                .map_err(|_| keys.impossible(format!("`{key}` is {value}, not a token id")))?;
            Ok(ids.into_vec())
        };
        let (eos, bos) = (ids("eos_token_id")?, ids("bos_token_id")?.first().copied());
        // The one flag of all architectures that is on where it is absent.
        keys.only("is_causal", true.into(), "only causal attention is computed")?;
        keys.finish(accepted)?;
        let dims = draft.dims;
        let plan = draft.plan;
        let max_positions = plan.rotary.iter().map(|f| f.reach(draft.positions)).max();
        Ok(Self {
            dims,
            max_positions: max_positions.unwrap_or(draft.positions),
            tied: draft.tied,
            eos,
            bos,
            architecture,
            plan,
            json,
        })
    }

    /// The architecture.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// The prefix of a checkpoint's names. Some checkpoints leave out the base module.
    pub(crate) fn base(&self, has: impl Fn(&str) -> bool) -> &'static str {
        let layout = self.plan.layout;
        // The embedding may be stored by the name of the head alone.
        let bare = |module: &str| has(&format!("{module}.weight"));
        if bare(layout.embedding) || bare(layout.norm) { "" } else { layout.base }
    }

    /// What a checkpoint calls the embedding and the head.
    pub(crate) fn table_names(&self, base: &str) -> (String, String) {
        let layout = self.plan.layout;
        (format!("{base}{}.weight", layout.embedding), format!("{}.weight", layout.head))
    }

    /// The same model, its embedding and its head kept apart, as `config.json` then says too.
    pub(crate) fn untied(mut self) -> Self {
        self.tied = false;
        self.json.insert("tie_word_embeddings".into(), false.into());
        self
    }

    /// The `config.json` that describes this model.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.json.clone())
    }
}
