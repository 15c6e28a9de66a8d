//! Holds the example binaries; run them with `cargo run --release --example NAME`.
