#!/usr/bin/env bash
# Packages every published crate, without compiling the packages (--no-verify). Then compiles and runs
# examples/outside, a crate outside the workspace, against packages instead of sources, so that a file
# which is missing in one is noticed.
#
# Compiled from their packages are bias-attrib and the crates that it depends on: bias-cube,
# bias-files, bias-mask, bias-probe and bias-types. Not compiled from their packages are bias-ask,
# bias-chat, bias-cli, bias-frameworks, bias-metrics, bias-model and bias-study: a file that one of
# these lacks is noticed only by `cargo publish`. The script says so when it is done.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
rm -f "$target"/package/*.crate
cargo package --workspace --exclude bias-examples --exclude bias-benches --exclude bias-fixtures \
    --exclude bias-parity --exclude bias-fuzz --no-verify --allow-dirty --locked --quiet

outside=$target/outside
rm -rf "$outside" && mkdir -p "$outside/.cargo"
cp -r examples/outside/Cargo.toml examples/outside/src "$outside"
# The same versions as here.
cp Cargo.lock "$outside"
echo "[patch.crates-io]" > "$outside/.cargo/config.toml"
compiled=() packaged=()
for package in "$target"/package/bias-*.crate; do
    tar -xzf "$package" -C "$outside"
    name=$(basename "$package" .crate)
    # Only those that it depends on: cargo warns of others.
    case ${name%-*} in
        bias-attrib | bias-cube | bias-files | bias-mask | bias-probe | bias-types)
            compiled+=("${name%-*}")
            echo "${name%-*} = { path = \"$name\" }" >> "$outside/.cargo/config.toml" ;;
        *) packaged+=("${name%-*}") ;;
    esac
done
ls "$target"/package/bias-*.crate
# In a target folder of its own: a user does not get the features that the workspace switches on.
cd "$outside" && cargo run --quiet --target-dir ../outside-build
echo "compiled from packages: ${compiled[*]}"
echo "packaged, and not compiled: ${packaged[*]}"
