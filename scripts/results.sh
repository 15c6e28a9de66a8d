#!/usr/bin/env bash
# Runs the study with all its experiments on the embedded model, and the short form on the same task
# taught to decoders of other kinds and sizes, and writes what it found into docs/results.md and the
# README, so that no number there is typed by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --release --locked --bin bias
bias=${CARGO_TARGET_DIR:-target}/release/bias
"$bias" study --experiments all --out "$work/out" --markdown "$work/found.md" "$@"
models=(fixtures/emergent fixtures/kinds/*/)
for model in "${models[@]}"; do
    "$bias" study --quick --experiments transfer --model "$model" \
        --out "$work/$(basename "$model")" > "$work/log"
    tail -n 1 "$work/log"
done
compared=()
for model in "${models[@]}"; do compared+=("$work/$(basename "$model")/results.json"); done
"$bias" study --compare "${compared[@]}" --markdown "$work/compared.md" > /dev/null
{
    sed '/<!-- results:begin -->/q' docs/results.md
    cat "$work/found.md"
    sed -n '/<!-- results:end -->/,/<!-- compared:begin -->/p' docs/results.md
    cat "$work/compared.md"
    sed -n '/<!-- compared:end -->/,$p' docs/results.md
} > "$work/results.md"
{
    sed '/<!-- results:begin -->/q' README.md
    sed '/^```/,$d' "$work/found.md"
    sed -n '/<!-- results:end -->/,$p' README.md
} > "$work/README.md"
cp "$work/results.md" docs/results.md
cp "$work/README.md" README.md
cp "$work/out/figures/focus-transfer.svg" docs/report.svg
