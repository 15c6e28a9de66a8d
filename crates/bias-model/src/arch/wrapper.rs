//! Multimodal folders, whose text model is computed as if it stood alone.

use serde_json::{Map, Value};

use super::keys::Keys;
use super::layout::Names;
use super::plan::Draft;
use crate::error::ModelError;

/// A `config.json` that holds another one, of a text model, under `text_config`. Without images,
/// transformers computes the text model alone.
#[derive(Debug)]
pub(crate) struct Wrapper {
    pub model_type: &'static str,
    /// The `model_type` of the text models that it may hold. The first, if `text_config` has none.
    pub text: &'static [&'static str],
    /// Keys that concern images.
    pub keys: &'static [&'static str],
}

/// The key of the text model's config.
pub(crate) const TEXT: &str = "text_config";

impl Wrapper {
    /// The `model_type` of the text model, whose config this is.
    pub(crate) fn text_type(&self, text: &Keys) -> Result<&'static str, ModelError> {
        let Some(found) = text.text("model_type")? else { return Ok(self.text[0]) };
        self.text.iter().copied().find(|own| *own == found).ok_or_else(|| {
            let known = self.text.join(" or ");
            let reason = format!("computed inside `{}` is {known}", self.model_type);
            text.unsupported("model_type", &Value::from(found), &reason)
        })
    }

    /// Applies what the outer config and class say of the head.
    pub(crate) fn apply(&self, keys: &Keys, draft: &mut Draft) -> Result<(), ModelError> {
        // transformers 5 asks the outer config alone, and ties where it says nothing.
        draft.tied = keys.flag("tie_word_embeddings")?.unwrap_or(true);
        // Around a text model, transformers applies no cap to logits, whatever `text_config` says.
        draft.plan.logit_cap = None;
        Ok(())
    }

    /// Makes a `text_config` that of a model that stands alone: its class would apply a cap.
    pub(crate) fn release(text: &mut Map<String, Value>) {
        if let Some(cap) = text.get_mut("final_logit_softcapping") {
            *cap = Value::Null;
        }
    }

    /// The names of the text model's parts: as transformers 4 and 5 write them.
    pub(crate) fn names(&self) -> [Names; 2] {
        [
            Names { base: "language_model.model.", head: "language_model.lm_head" },
            Names { base: "model.language_model.", head: "lm_head" },
        ]
    }

    /// Whether a tensor belongs to another part than the text model.
    pub(crate) fn is_elsewhere(&self, name: &str) -> bool {
        let name = name.strip_prefix("model.").unwrap_or(name);
        ["vision_tower.", "multi_modal_projector."].iter().any(|part| name.starts_with(part))
    }
}
