#!/usr/bin/env bash
# Everything that must pass before a change lands; CI runs this, and `cargo deny check` beside it.
set -euo pipefail
cd "$(dirname "$0")/.."

# A clean clone is built once: what incremental builds keep would only fill the disk.
export CARGO_INCREMENTAL="${CARGO_INCREMENTAL:-0}"

step() {
    printf '\n== %s (%ss, %s built)\n' "$1" "$SECONDS" "$(du -sh target 2>/dev/null | cut -f1)"
}

step "format"
cargo fmt --all --check
cargo fmt --manifest-path examples/outside/Cargo.toml --check

step "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings

# What is checked above has remote, which parity switches on.
step "the command compiles without features and with all"
cargo clippy -p bias-cli --bins --no-default-features --locked -- -D warnings
cargo clippy -p bias-cli -p bias-parity -p bias-benches --bins --locked \
    --features bias-cli/cuda,bias-cli/ndarray \
    --features bias-parity/cuda,bias-parity/ndarray,bias-benches/cuda -- -D warnings
cargo clippy -p bias-cube --all-targets --features cuda --locked -- -D warnings
cargo clippy -p bias-cube -p bias-model --lib --test kernels --test gpu \
    --features bias-cube/wgpu,bias-model/wgpu --locked -- -D warnings

# Built together, a crate may live on the features that another one switches on.
step "each library compiles by itself"
for crate in types files ask chat metrics frameworks hosted probe mask model study; do
    cargo check --quiet -p "bias-$crate" --locked
done

step "docs"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked \
    --features bias-attrib/ndarray-views

# The command of the README. bias-cli switches the hub on and parity burn's remote backend, so their
# tests run too.
step "tests"
cargo test --workspace --locked

step "packages, and a crate outside that is built on them"
scripts/package.sh

step "done"
