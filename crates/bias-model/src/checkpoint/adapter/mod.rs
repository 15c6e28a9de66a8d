//! LoRA adapters as peft stores them: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! An adapter is merged while its base is read: a matrix `W` becomes `W + s · B · A`. `s` is
//! `alpha / r`, or `alpha / √r` where the config says `use_rslora`.
//!
//! Sources: Hu et al. 2021 (LoRA); Kalajdzievski 2023 (`use_rslora`); Liu et al. 2024 (`use_dora`).
//!
//! | file | what for |
//! |---|---|
//! | settings | `adapter_config.json`: which adapters are merged, and their scales |
//! | files | [`Adapter`](files::Adapter): settings and tensors |
//! | overlay | the base's tensors, changed |
//! | names | what an adapter calls its tensors |

pub(crate) mod files;
mod names;
mod overlay;
mod settings;
