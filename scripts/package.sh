#!/usr/bin/env bash
# Packages every published crate. Then builds and runs tests/outside, a crate outside the workspace, against the packages
# instead of the sources, so that a file which is missing in a package is noticed.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
rm -f "$target"/package/*.crate
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
# In a target folder of its own: a user does not get the features that the workspace switches on.
cd "$outside" && cargo run --quiet --target-dir ../outside-build
