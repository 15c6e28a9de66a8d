#!/usr/bin/env bash
# Runs the simulation of intervals and tests and writes its table into docs/method.md.
set -euo pipefail
cd "$(dirname "$0")/.."
table=$(cargo run --release --locked -p bias-fixtures --bin calibrate -- "$@")
{
    sed '/<!-- calibration:begin -->/q' docs/method.md
    echo "$table"
    sed -n '/<!-- calibration:end -->/,$p' docs/method.md
} > docs/method.md.new
mv docs/method.md.new docs/method.md
