//! Mixtral (Jiang et al. 2024): Mistral's blocks with a mixture of experts for an MLP.

use super::expert_layout::{ExpertForm, ExpertLayout, STACKED};
use super::gated::{self, Defaults};
use super::keys::Keys;
use super::layout::{LLAMA, Layout};
use super::mixture;
use super::plan::Draft;
use crate::error::ModelError;

const LAYOUT: Layout = Layout {
    experts: Some(&ExpertLayout {
        routers: &["block_sparse_moe.gate", "mlp.gate"],
        shared: None,
        forms: &[
            ExpertForm::Listed { list: "block_sparse_moe.experts", names: ["w1", "w3", "w2"] },
            STACKED,
        ],
    }),
    ..LLAMA
};

pub(super) fn read(keys: &Keys) -> Result<Draft, ModelError> {
    let defaults = Defaults {
        layout: &LAYOUT,
        kv_heads: Some(8),
        positions: 131_072,
        eps: 1e-5,
        theta: 1_000_000.0,
        ..Defaults::default()
    };
    let mut draft = gated::read(keys, &defaults)?;
    gated::window_everywhere(&mut draft.plan, keys.size("sliding_window")?);
    mixture::divide(keys, draft, "intermediate_size", 0)
}
