use std::path::{Path, PathBuf};

use bias_types::model::Sublayer;
use bias_types::{ModelDims, Projection};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::base::base;
use super::gguf;
use super::gguf::file::Gguf;
use super::other_forms::refuse;
use super::quantized::{method, settings};
use crate::arch::architecture::Architecture;
use crate::arch::keys::Keys;
use crate::arch::layout::Names;
use crate::arch::plan::Plan;
use crate::arch::wrapper::{self, Wrapper};
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
    /// The multimodal model around it, if any.
    pub(crate) wrapper: Option<&'static Wrapper>,
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
    /// Reads and checks `config.json` of a model folder, or the metadata of a GGUF file. Of a folder
    /// with an adapter alone, the config of its base.
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
        let base = base(folder, keys)?;
        let folder = base.as_deref().unwrap_or(folder);
        refuse(folder)?;
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
        let wrapper = Architecture::wrapper(&keys)?;
        let nested = wrapper.map(|_| keys.nested(wrapper::TEXT)).transpose()?;
        let text = nested.as_ref().unwrap_or(&keys);
        let architecture = Architecture::of(text, wrapper)?;
        let mut draft = architecture.read(text)?;
        if let Some(wrapper) = wrapper {
            wrapper.apply(&keys, &mut draft)?;
        }
        if let Some(value) = json.get(method::KEY).filter(|value| !value.is_null())
            && !accepted.iter().any(|key| key == method::KEY)
        {
            settings::method(value)
                .map_err(|reason| keys.unsupported(method::KEY, value, &reason))?;
            keys.value(method::KEY);
        }
        let ids = |key: &str| -> Result<Vec<u32>, ModelError> {
            // The outer config speaks first.
            let found = keys.value(key).map(|value| (&keys, value));
            let Some((own, value)) = found.or_else(|| Some((text, text.value(key)?))) else {
                return Ok(Vec::new());
            };
            let ids: TokenIds = serde_json::from_value(value.clone())
                .map_err(|_| own.impossible(format!("`{key}` is {value}, not a token id")))?;
            Ok(ids.into_vec())
        };
        let (eos, bos) = (ids("eos_token_id")?, ids("bos_token_id")?.first().copied());
        for keys in [Some(&keys), nested.as_ref()].into_iter().flatten() {
            // The one flag of all architectures that is on where it is absent.
            keys.only("is_causal", true.into(), "only causal attention is computed")?;
            keys.finish(accepted)?;
        }
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
            wrapper,
            json,
        })
    }

    /// The architecture.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// The rows of the table of learned positions.
    pub(crate) fn table_rows(&self) -> usize {
        self.max_positions.saturating_add(self.plan.position_offset)
    }

    /// What a checkpoint calls its parts. Some checkpoints leave out the base module.
    pub(crate) fn names(&self, has: impl Fn(&str) -> bool) -> Names {
        let layout = self.plan.layout;
        // The embedding may be stored by the name of the head alone.
        let under = |base: &str| {
            [layout.embedding, layout.norm].iter().any(|own| has(&format!("{base}{own}.weight")))
        };
        if let Some(wrapper) = self.wrapper {
            let all = wrapper.names();
            return all.into_iter().find(|own| under(own.base)).unwrap_or(all[0]);
        }
        let others = layout.other_bases.iter().copied();
        let base = others.chain([""]).find(|base| under(base)).unwrap_or(layout.base);
        Names { base, head: layout.head }
    }

    /// What a checkpoint calls the embedding and the head.
    pub(crate) fn table_names(&self, names: Names) -> (String, String) {
        let embedding = self.plan.layout.embedding;
        (format!("{}{embedding}.weight", names.base), format!("{}.weight", names.head))
    }

    /// The same model, its embedding and its head kept apart, as `config.json` then says too. In a
    /// nested config, transformers 5 asks the outer part, and transformers 4 the inner one.
    pub(crate) fn untied(mut self) -> Self {
        self.tied = false;
        let key = "tie_word_embeddings";
        self.json.insert(key.into(), false.into());
        if self.wrapper.is_some()
            && let Some(text) = self.json.get_mut(wrapper::TEXT).and_then(Value::as_object_mut)
        {
            text.insert(key.into(), false.into());
        }
        self
    }

    /// The same model with a bias at these projections, if its architecture has a key for one.
    pub(crate) fn with_biases(&self, at: &[Projection]) -> Option<Self> {
        let lacks = |own: &Self| at.iter().any(|projection| !own.plan.has_bias(*projection));
        let mut json = self.json.clone();
        for (sublayer, key) in
            [(Sublayer::Attention, "attention_bias"), (Sublayer::Mlp, "mlp_bias")]
        {
            let wanted =
                |own: &&Projection| own.sublayer() == sublayer && !self.plan.has_bias(**own);
            if at.iter().any(|own| wanted(&own)) {
                json.insert(key.into(), true.into());
            }
        }
        let tied = self.tied;
        let own = Self { tied, ..Self::from_json(json).ok()? };
        (self.wrapper.is_none() && !lacks(&own)).then_some(own)
    }

    /// The same model, its weights dequantized: in f32, if `widened`.
    pub(crate) fn unpacked(mut self, widened: bool) -> Self {
        self.json.remove(method::KEY);
        if widened {
            for key in ["dtype", "torch_dtype"] {
                let text = self.json.get_mut(wrapper::TEXT).and_then(Value::as_object_mut);
                text.and_then(|text| text.get_mut(key))
                    .into_iter()
                    .for_each(|own| *own = "float32".into());
            }
            let old = self.json.contains_key("torch_dtype");
            self.json.insert(if old { "torch_dtype" } else { "dtype" }.into(), "float32".into());
        }
        self
    }

    /// The `config.json` of the text model alone.
    pub(crate) fn to_text_json(&self) -> Value {
        let text = self.json.get(wrapper::TEXT).and_then(Value::as_object);
        let Some((text, _)) = text.zip(self.wrapper) else { return self.to_json() };
        let mut text = text.clone();
        Wrapper::release(&mut text);
        text.insert("model_type".into(), self.architecture.model_type().into());
        text.insert("tie_word_embeddings".into(), self.tied.into());
        let dims = &self.dims;
        for (key, size) in [
            ("vocab_size", dims.vocab),
            ("hidden_size", dims.d_model),
            ("num_hidden_layers", dims.layers),
            ("num_attention_heads", dims.heads),
            ("num_key_value_heads", dims.kv_heads),
            ("head_dim", dims.d_head),
            ("intermediate_size", dims.d_mlp),
        ] {
            // A config that stands alone names its sizes.
            text.insert(key.into(), size.into());
        }
        for key in ["bos_token_id", "eos_token_id", "pad_token_id", "dtype", "torch_dtype"] {
            if let Some(value) = self.json.get(key).filter(|value| !value.is_null()) {
                text.insert(key.into(), value.clone());
            }
        }
        Value::Object(text)
    }

    /// The `config.json` that describes this model: of a multimodal folder, the outer one.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.json.clone())
    }
}
