use sha2::{Digest as _, Sha256};

/// A seed of its own for each thing drawn, from the study's.
pub(crate) fn derived_seed(seed: u64, what: &str) -> u64 {
    let hash = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(what).finalize();
    hash.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}
