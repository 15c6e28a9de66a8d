//! What the example binaries share. Run them with `cargo run --release --example NAME`.

pub mod alibi;
pub mod cli;
pub mod device;
pub mod folder;
pub mod norm_gap;
pub mod planted;
pub mod promises;
#[cfg(any(feature = "cuda", feature = "remote", test))]
mod reach;
#[cfg(feature = "remote")]
pub mod server;
pub mod training;
pub mod variants;
pub mod world;

/// Tensors come and go by the megabyte; the system's allocator gives such memory back and
/// has it cleared again each time, which costs more than the arithmetic.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
