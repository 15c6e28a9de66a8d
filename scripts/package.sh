#!/usr/bin/env bash
# Packages every crate that is published, and builds and runs a crate outside the workspace (tests/outside) against the
# packages, not the sources: what is missing in a package is missing there.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
cargo package --workspace --exclude bias-examples --exclude bias-benches --no-verify --allow-dirty --locked --quiet

outside=$target/outside
rm -rf "$outside" && mkdir -p "$outside/.cargo"
cp -r tests/outside/Cargo.toml tests/outside/src "$outside"
# The same versions as here.
cp Cargo.lock "$outside"
echo "[patch.crates-io]" > "$outside/.cargo/config.toml"
for package in "$target"/package/bias-*.crate; do
    tar -xzf "$package" -C "$outside"
    name=$(basename "$package" .crate)
    # Only those that it depends on: cargo warns of others.
    case ${name%-*} in
        bias-attrib | bias-cube | bias-files | bias-mask | bias-probe | bias-types)
            echo "${name%-*} = { path = \"$name\" }" >> "$outside/.cargo/config.toml" ;;
    esac
done
ls "$target"/package/bias-*.crate
# Built on its own: what features the workspace has switched on is not what a user gets.
cd "$outside" && cargo run --quiet --target-dir ../outside-build
