#!/usr/bin/env bash
# Runs the study on the embedded model and writes what it found into docs/results.md and
# the README, so that no number there is typed by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo run --release --locked --example study -- --out "$work/out" --markdown "$work/found.md" "$@"
{
    sed '/<!-- results:begin -->/q' docs/results.md
    cat "$work/found.md"
    sed -n '/<!-- results:end -->/,$p' docs/results.md
} > "$work/results.md"
{
    sed '/<!-- results:begin -->/q' README.md
    sed '/^```/,$d' "$work/found.md"
    sed -n '/<!-- results:end -->/,$p' README.md
} > "$work/README.md"
cp "$work/results.md" docs/results.md
cp "$work/README.md" README.md
