#!/usr/bin/env bash
# Writes the parity table of docs/architectures.md.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo run --release --locked -p bias-parity > "$work/table.md"
{
    sed '/<!-- parity:begin -->/q' docs/architectures.md
    cat "$work/table.md"
    sed -n '/<!-- parity:end -->/,$p' docs/architectures.md
} > "$work/page.md"
cp "$work/page.md" docs/architectures.md
