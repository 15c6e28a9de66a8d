#!/usr/bin/env bash
# Runs a target of fuzz/ under libFuzzer, which is guided by coverage:
#   scripts/fuzz.sh TARGET [LIBFUZZER_OPTION...]
# The corpus grows in found/corpus/TARGET.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?"name a target, as cargo run -p bias-fuzz lists them"}
shift
corpus=$PWD/found/corpus/$target
cargo run --quiet --release -p bias-fuzz -- --target "$target" --save-seeds "$corpus"

# The same versions as here, and libFuzzer's crate.
cp Cargo.lock fuzz/libfuzzer/
cd fuzz/libfuzzer
# With a named platform the flags are those of the program, and not of build scripts.
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares \
-Ccodegen-units=1"
cargo build --release --target "$host"
export BIAS_FUZZ_TARGET=$target
exec "${CARGO_TARGET_DIR:-target}/$host/release/any" "$corpus" -rss_limit_mb=1024 -timeout=10 "$@"
