#!/usr/bin/env bash
# A model far larger than memory, audited layer by layer from its file: writes a random one of
# Llama-3-8B's shape (16 GB, once) with the embedded model's tokenizer and prompts, scores it for
# two groups of 40, prunes the set difference, and asks it again. The table is
# docs/performance.md's.
#
#   scripts/large.sh DIR [small|medium|large] [OPTIONS of `large`]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?a folder for the model, on a disk with 16 GB free}
preset=${2:-large}
cargo build --release --locked -p bias-benches --bin random_model --bin large
bin=${CARGO_TARGET_DIR:-target}/release
[ -e "$folder" ] || "$bin/random_model" --preset "$preset" --answers \
    --text fixtures/emergent --out "$folder"
exec "$bin/large" "$folder" "${@:3}"
