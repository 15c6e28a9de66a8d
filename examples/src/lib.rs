//! What the example binaries share. Run them with `cargo run --release --example NAME`.

pub mod world;
