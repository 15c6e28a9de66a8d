#!/usr/bin/env bash
# Runs the benchmark of all methods and writes its tables and curves into docs/, so that no
# number there is typed by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo run --release --locked --example benchmark -- --out "$work/out" "$@"
mkdir -p docs/curves
cp "$work"/out/*.svg docs/curves/
curve() {
    echo "![Reduction of mean |SMD| on $3 against the share of weights pruned, $1](curves/$1-$2.svg)"
    echo
}
{
    sed '/<!-- benchmark:begin -->/q' docs/results.md
    echo
    cat "$work/out/transfer.md"
    echo
    for model in emergent shared-0 shared-40 shared-100; do
        [ -f "$work/out/$model.md" ] || continue
        cat "$work/out/$model.md"
        echo
        curve "$model" held-out "held-out variations"
        curve "$model" other-contexts "other contexts"
    done
    sed -n '/<!-- benchmark:end -->/,$p' docs/results.md
} > "$work/results.md"
cp "$work/results.md" docs/results.md
