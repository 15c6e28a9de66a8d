#!/usr/bin/env bash
# Everything that must pass before a change lands; CI runs this and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

# A clean clone is built once: what incremental builds keep would only fill the disk.
export CARGO_INCREMENTAL="${CARGO_INCREMENTAL:-0}"

step() { printf '\n== %s (%ss, %s built)\n' "$1" "$SECONDS" "$(du -sh target 2>/dev/null | cut -f1)"; }

step "format"
cargo fmt --all --check
cargo fmt --manifest-path tests/outside/Cargo.toml --check

step "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "other backends compile, and the library without the hub"
cargo clippy -p bias-examples -p bias-benches --examples --bins --locked \
    --features bias-examples/ndarray,bias-examples/cuda,bias-examples/remote,bias-benches/cuda -- -D warnings
cargo clippy -p bias-cube --all-targets --features cuda --locked -- -D warnings
cargo clippy -p bias-cube -p bias-model --lib --test kernels --test gpu \
    --features bias-cube/wgpu,bias-model/wgpu --locked -- -D warnings
cargo check -p bias-model --locked

step "docs"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --features bias-attrib/ndarray-views

# The command of the README. The examples switch the hub on, so its tests run too.
step "tests"
cargo test --workspace --locked

step "parity of backends, and the example that lends one"
cargo build --workspace --features bias-examples/ndarray,bias-examples/remote --locked --example serve
cargo test --workspace --features bias-examples/ndarray,bias-examples/remote --locked --test backends --test remote --test serve

step "packages, and a crate outside that is built on them"
scripts/package.sh

step "done"
