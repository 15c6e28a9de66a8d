//! Mistral Small 3.1 and later, Ministral 3: a vision tower before a text model with the blocks of
//! Mistral (`mistral`) or of Ministral 3 (`ministral3`).

use super::wrapper::Wrapper;

/// The multimodal folder.
pub(super) const WRAPPER: Wrapper = Wrapper {
    model_type: "mistral3",
    text: &["mistral", "ministral3"],
    keys: &[
        "image_token_id",
        "image_token_index",
        "multimodal_projector_bias",
        "projector_hidden_act",
        "spatial_merge_size",
        "vision_config",
        "vision_feature_layer",
    ],
};
