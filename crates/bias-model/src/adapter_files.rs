//! The names of the files of an adapter.

/// The file that names an adapter's settings, and the key that accepts it unread.
pub(crate) const CONFIG: &str = "adapter_config.json";

/// The file with an adapter's tensors.
pub(crate) const WEIGHTS: &str = "adapter_model.safetensors";
