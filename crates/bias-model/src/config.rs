use std::path::{Path, PathBuf};

use bias_core::{ModelDims, Projection};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::ModelError;
use crate::activation::Activation;
use crate::arch::Architecture;
use crate::frequencies::Frequencies;
use crate::gguf::{self, Gguf};
use crate::keys::Keys;
use crate::layout::Layout;

/// A model's settings, checked: what is in `config.json`, less what does not matter here.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// Sizes.
    pub dims: ModelDims,
    /// Positions the model can be asked about.
    pub max_positions: usize,
    /// Whether the embedding also serves as the output head.
    pub tied: bool,
    /// Tokens that end an answer, from `config.json`.
    pub eos: Vec<u32>,
    /// Token that begins a text, if any.
    pub bos: Option<u32>,
    pub(crate) architecture: Architecture,
    pub(crate) plan: Plan,
    json: Map<String, Value>,
}

/// How the blocks compute: what differs between architectures.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub layout: &'static Layout,
    pub norm: NormKind,
    pub eps: f64,
    pub activation: Activation,
    /// Norm of queries and keys before they are turned.
    pub qk_norm: Option<QkNorm>,
    /// Biases of q, k and v; of o; of the MLP.
    pub qkv_bias: bool,
    pub o_bias: bool,
    pub mlp_bias: bool,
    /// Attention and MLP read the same residual stream, and both are added to it.
    pub parallel: bool,
    /// Embeddings are multiplied by this.
    pub embedding_scale: Option<f64>,
    /// Queries are multiplied by this before they meet the keys.
    pub query_scale: f64,
    /// They are also divided by the layer's number, counted from 1.
    pub scale_by_layer: bool,
    /// `cap · tanh(x / cap)` on attention scores, and on logits.
    pub score_cap: Option<f64>,
    pub logit_cap: Option<f64>,
    /// Rotary embeddings; none where positions are learned.
    pub rotary: Vec<Frequencies>,
    /// Attention windows in use; `None` sees everything.
    pub windows: Vec<Option<usize>>,
    /// For each layer, which of `rotary` and of `windows` it uses.
    pub layers: Vec<LayerPlan>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerPlan {
    pub rotary: usize,
    pub window: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormKind {
    /// `x / rms(x) · gain`
    Rms,
    /// `x / rms(x) · (1 + gain)`
    RmsPlusOne,
    /// `(x - mean) / deviation · gain + bias`
    Layer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QkNorm {
    /// Each head by itself; one gain for all.
    PerHead,
    /// All heads together.
    Whole,
}

/// No published model has wider heads; rotary tables grow with their square.
const MAX_HEAD: usize = 4096;
/// Nor more blocks. Kept small because plans are made before any weight is seen.
const MAX_LAYERS: usize = 4096;
const MAX_SIZE: usize = 1 << 31;

/// A token id, several, or none: all three are found in the wild.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(untagged)]
pub(crate) enum TokenIds {
    One(u32),
    Many(Vec<u32>),
    #[default]
    None,
}

impl TokenIds {
    pub(crate) fn into_vec(self) -> Vec<u32> {
        match self {
            Self::One(id) => vec![id],
            Self::Many(ids) => ids,
            Self::None => Vec::new(),
        }
    }
}

pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let bytes = std::fs::read(path).map_err(|source| ModelError::Read { path: path.into(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| ModelError::Json { path: path.into(), source })
}

impl ModelConfig {
    /// Reads and checks `config.json` of a model folder, or the metadata of a GGUF file.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json), and a missing or malformed file.
    pub fn from_folder(folder: &Path) -> Result<Self, ModelError> {
        Self::accepting(folder, &[])
    }

    /// The same, passing over these keys although nothing is known of them.
    ///
    /// # Errors
    /// As [`from_folder`](Self::from_folder).
    pub fn accepting(folder: &Path, keys: &[String]) -> Result<Self, ModelError> {
        if gguf::is_file(folder) {
            return Self::check(Gguf::open(folder)?.config(keys)?, folder.into(), keys);
        }
        let path = folder.join("config.json");
        Self::check(read_json(&path)?, path, keys)
    }

    /// Checks the contents of a `config.json`.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] for an architecture or setting that is not computed
    /// here, and for any key that might change the result and is not known;
    /// [`ModelError::Config`] for impossible sizes.
    pub fn from_json(json: Map<String, Value>) -> Result<Self, ModelError> {
        Self::check(json, PathBuf::from("config.json"), &[])
    }

    fn check(json: Map<String, Value>, path: PathBuf, accepted: &[String]) -> Result<Self, ModelError> {
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

    /// The prefix of a checkpoint's names: some leave the base module out.
    pub(crate) fn base(&self, has: impl Fn(&str) -> bool) -> &'static str {
        let layout = self.plan.layout;
        if has(&format!("{}.weight", layout.embedding)) { "" } else { layout.base }
    }

    /// The `config.json` that describes this model.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.json.clone())
    }
}

impl Plan {
    /// Whether a linear map has a bias.
    pub(crate) fn has_bias(&self, projection: Projection) -> bool {
        match projection {
            Projection::Q | Projection::K | Projection::V => self.qkv_bias,
            Projection::O => self.o_bias,
            Projection::Gate | Projection::Up | Projection::Down => self.mlp_bias,
        }
    }
}

/// Sizes as a config states them, refused if a forward pass could not be made of them.
pub(crate) fn check_dims(keys: &Keys, dims: ModelDims) -> Result<ModelDims, ModelError> {
    if let Err(e) = dims.validate() {
        return Err(keys.impossible(e.to_string()));
    }
    if dims.d_head > MAX_HEAD {
        return Err(keys.impossible(format!("head_dim {} is beyond {MAX_HEAD}", dims.d_head)));
    }
    if dims.layers > MAX_LAYERS {
        return Err(keys.impossible(format!("{} layers are beyond {MAX_LAYERS}", dims.layers)));
    }
    // Sizes are checked against the weights' own before anything is allocated; this
    // only keeps their products within what the machine can count.
    if [dims.d_model, dims.heads, dims.d_mlp, dims.vocab].iter().any(|s| *s > MAX_SIZE)
        || dims.heads.saturating_mul(dims.d_head) > MAX_SIZE
    {
        return Err(keys.impossible(format!("a size is beyond {MAX_SIZE}: {dims:?}")));
    }
    Ok(dims)
}
