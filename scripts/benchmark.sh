#!/usr/bin/env bash
# Runs the benchmark of all methods, and of gap pursuit with one part changed at a time, and writes
# tables and curves into docs/, so that no number there is typed by hand. `--quick` runs the short
# form.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --release --locked --bin bias
bias=${CARGO_TARGET_DIR:-target}/release/bias
"$bias" benchmark --out "$work/out" "$@" | tee "$work/log"
"$bias" benchmark --variants --out "$work/variants" | tee "$work/log-variants"
mkdir -p docs/curves
cp "$work"/out/*.svg docs/curves/
curve() {
    echo "![Reduction of mean |SMD| on $3 against the share of weights pruned, $1](curves/$1-$2.svg)"
    echo
}
{
    sed '/<!-- benchmark:begin -->/q' docs/results.md
    echo
    tail -n 1 "$work/log" | sed 's/; .*/./'
    echo
    echo "## How far it carries"
    echo
    cat "$work/out/transfer.md"
    echo
    echo "## Model by model"
    echo
    for model in emergent shared-0 shared-40 shared-100; do
        [ -f "$work/out/$model.md" ] || continue
        cat "$work/out/$model.md"
        echo
        curve "$model" held-out "held-out variations"
        curve "$model" other-contexts "other contexts"
    done
    echo "## Gap pursuit with one part changed"
    echo
    cat "$work/variants/emergent.md"
    echo
    sed -n '/<!-- benchmark:end -->/,$p' docs/results.md
} > "$work/results.md"
cp "$work/results.md" docs/results.md
