use sha2::{Digest as _, Sha256};

/// Derives the seed of one random draw from the study's seed and the draw's name.
pub(crate) fn derived_seed(seed: u64, what: &str) -> u64 {
    let hash = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(what).finalize();
    hash.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}
