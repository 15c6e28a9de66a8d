#!/usr/bin/env bash
# Measures on a machine with an NVIDIA GPU and prints Markdown: whether our kernels are right,
# logits against transformers' on all golden models, then speed and memory on a random model of
# Llama-3-8B's shape, beside PyTorch.
#
# That machine needs no Rust and no network: build elsewhere, and carry the repository (scripts,
# benches/peers, fixtures/golden) and four programs in one folder:
#
#     cargo build --release --locked -p bias-parity --features cuda
#     cargo build --release --locked -p bias-benches --features cuda \
#         --bin accelerator --bin random_model
#     # says where it is:
#     cargo test --release --locked -p bias-cube --features cuda --test kernels --no-run
#     mkdir bin && cp target/release/{parity,accelerator,random_model} bin
#     cp target/release/deps/kernels-… bin/kernels && strip bin/*
#
# It needs the driver, NVRTC, and CUDA's headers, with CUDA_PATH set to where include/cuda_runtime.h
# is; Python with torch, transformers and accelerate; and for 8B 20 GB of disk.
#
#     # DEVICE=cuda:0 PRESET=large WORK=a new folder PYTHON=python3 by default:
#     scripts/gpu.sh bin
#     # tries the script itself:
#     DEVICE=cpu PRESET=small ROWS=2 WIDTH=64 ANSWER=8 scripts/gpu.sh bin
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $# == 1 ]] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 2; }
bin=$1
device=${DEVICE:-cuda:0}
preset=${PRESET:-large}
python=${PYTHON:-python3}
if [[ -n ${WORK:-} ]]; then
    work=$WORK
    mkdir -p "$work"
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
programs="parity accelerator random_model"
[[ $device != cuda* ]] || programs+=" kernels"
for program in $programs; do
    [[ -x $bin/$program ]] || {
        echo "error: $bin/$program is missing; the head of $0 says how to build it" >&2
        exit 1
    }
done
if [[ $device == cuda* && -z ${CUDA_PATH:-} ]]; then
    echo "note: CUDA_PATH is not set; kernels may not compile without CUDA's headers" >&2
fi

if [[ $device == cuda* ]]; then
    echo "### Kernels against sums in f64"
    echo
    "$bin/kernels" --test-threads 1
    echo
fi
echo "### Logits against transformers, $device in f32"
echo
"$bin/parity" --cases fixtures/golden --device "$device"
if [[ $device == cuda* ]]; then
    echo
    echo "### Logits against transformers, $device in bf16"
    echo
    "$bin/parity" --cases fixtures/golden --device "$device" --compute bf16
fi
echo
echo "### Speed, a random model of the $preset shape"
# Kept in WORK if one is named, to run again.
[[ -d $work/$preset ]] || "$bin/random_model" --preset "$preset" --out "$work/$preset" >&2
"$python" benches/peers/gpu.py "$bin" "$work/$preset" --device "$device" \
    --rows "${ROWS:-8}" --width "${WIDTH:-512}" --answer "${ANSWER:-64}"
