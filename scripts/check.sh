#!/usr/bin/env bash
# Everything that must pass before a change lands; CI runs this and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "other backends compile"
cargo check -p bias-examples --examples --features ndarray,cuda,hub --locked

step "docs"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# The command of the README.
step "tests"
cargo test --workspace --locked

step "hub"
# With the whole workspace in view, so that little has to be built again.
cargo clippy --workspace --all-targets --features bias-model/hub --locked -- -D warnings
cargo test --workspace --features bias-model/hub --locked --lib --test hub

step "parity of backends"
cargo test -p bias-examples --features ndarray --locked --test backends

step "done"
