# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "transformers==5.23.0", "lm_eval==0.4.13", "statsmodels==0.15.0", "numpy==2.4.6",
#                 "gguf==0.19.0", "sentencepiece==0.2.1"]
# ///
"""Benchmark files scored by `bias frameworks` and by lm-evaluation-harness, in turn, in one run.

    uv run benches/peers/frameworks.py                       # the embedded model, this project's own files
    uv run benches/peers/frameworks.py --model DIR/SmolLM2-135M-Instruct.Q4_1.gguf --bbq Religion.jsonl --crows crows.csv

Prints a Markdown table: seconds as median (least–most) over rounds, ratios as that of the rounds' own ratios. Ours is the
whole command, with loading the model; the harness' is its evaluation alone, with the model loaded. Every option of every
item is compared, and the run stops where log-likelihoods differ by more than --tolerance nats (a GGUF file's weights are
held in another form by transformers) or another option is the likeliest.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from ours import ROOT, THREADS, bias, spread

KINDS = ["crows", "stereoset", "bbq", "winogender", "winobias", "hellaswag", "arc", "mmlu", "piqa", "boolq", "lambada",
         "tasks"]
OWN = {"bbq": ["bbq.jsonl"], "crows": ["crows.csv"], "winogender": ["winogender.tsv"], "tasks": ["tasks_embedded.jsonl"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "fixtures/emergent", help="model folder or GGUF file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tolerance", type=float, default=1e-2)
    parser.add_argument("--batch", type=int, default=16, help="sequences that the harness runs together")
    parser.add_argument("--program", type=pathlib.Path, help="the command bias, unless it is to be built")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=pathlib.Path, nargs="+", default=[])
    args = parser.parse_args()
    files = {kind: getattr(args, kind) for kind in KINDS if getattr(args, kind)}
    if not files:
        files = {kind: [ROOT / "fixtures/frameworks" / name for name in names] for kind, names in OWN.items()}
    program = args.program or bias()
    environment = os.environ | {"OMP_NUM_THREADS": str(THREADS), "RAYON_NUM_THREADS": str(THREADS), "HF_HUB_OFFLINE": "1"}
    print("| items | ours, s | lm-evaluation-harness, s | ratio | aim |\n|---|---|---|---|---|", flush=True)
    for kind, paths in files.items():
        flags = [f"--{kind}", *map(str, paths)]
        mine, theirs = [], []
        for _ in range(args.rounds):
            with tempfile.TemporaryDirectory() as folder:
                scores = pathlib.Path(folder) / "scores.csv"
                started = time.perf_counter()
                ours = [program, "frameworks", "--model", args.model, "--items", scores, *flags]
                subprocess.run(list(map(str, ours)), check=True, capture_output=True, env=environment)
                mine.append(time.perf_counter() - started)
                make = ROOT / "fixtures/frameworks/make.py"
                other = [sys.executable, make, "--model", args.model, "--check", scores, "--batch", args.batch, *flags]
                done = subprocess.run(list(map(str, other)), check=True, capture_output=True, text=True, env=environment)
                theirs.append(float(re.search(r"the harness took ([0-9.]+) s", done.stdout).group(1)))
        count, worst, best = re.search(
            r": (\d+) items, largest difference ([0-9.e+-]+) nats, (\d+) other likeliest", done.stdout).groups()
        if not float(worst) <= args.tolerance or int(best):
            sys.exit(f"{kind}: log-likelihoods differ by {worst}, {best} of {count} items have another likeliest option")
        ratio = spread([b / a for a, b in zip(mine, theirs, strict=True)])
        print(f"| {kind}, {count} items | {spread(mine)} | {spread(theirs)} | {ratio} | ≥ 2 |", flush=True)


if __name__ == "__main__":
    main()
