# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "torch==2.15.0"]
# ///
"""The paper's set difference, by this workspace and by PyTorch and NumPy, on the same scores.

Top 15 % of A's scores less the top 15 % of B's, 4096x14336 in f32. One after the other,
three times:

    uv run benches/peers/selection.py

Scores and both programs' choices are compared: where they differ, a score must be equal
to the lowest one chosen, among which torch.topk does not say whom it takes.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]


def ours(program, folder, args):
    sizes = ["--rows", str(args.rows), "--columns", str(args.columns), "--fraction", str(args.fraction)]
    done = subprocess.run([program, folder, *sizes], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def theirs(a, b, k):
    started = time.perf_counter()
    tops = [torch.topk(scores, k, sorted=False).indices.numpy() for scores in (a, b)]
    chosen = np.setdiff1d(*tops, assume_unique=True)
    return time.perf_counter() - started, chosen


def read_mask(path, count):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        packed = np.frombuffer(file.read(), np.uint8)
    (entry,) = (value for key, value in header.items() if key != "__metadata__")
    bits = packed[slice(*entry["data_offsets"])]
    return np.unpackbits(bits, bitorder="little")[:count].astype(bool)


def agree(folder, a, b, k, chosen):
    """How many choices differ; all of them between equal scores."""
    differ = read_mask(folder / "ours.safetensors", a.size)
    differ[chosen] ^= True
    lowest = [np.partition(scores, scores.size - k)[scores.size - k] for scores in (a, b)]
    tied = (a[differ] == lowest[0]) | (b[differ] == lowest[1])
    assert tied.all(), f"{(~tied).sum()} weights are chosen by one only, and no tie explains it"
    return int(differ.sum())


def spread(values, unit=""):
    return f"{statistics.median(values):.3g}{unit} ({min(values):.3g}–{max(values):.3g})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=14336)
    parser.add_argument("--fraction", type=float, default=0.15)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    build = ["cargo", "build", "--release", "--locked", "-p", "bias-benches", "--bin", "selection"]
    subprocess.run(build, cwd=ROOT, check=True)
    program = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "selection"
    k = int(args.fraction * args.rows * args.columns)
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        ours(program, folder, args)  # writes the scores
        a, b = (np.fromfile(folder / name, np.float32) for name in ("a.f32", "b.f32"))
        for i in range(args.rounds):
            mine = ours(program, folder, args)
            seconds, chosen = theirs(torch.from_numpy(a), torch.from_numpy(b), k)
            rounds.append((mine, seconds))
            print(
                f"round {i + 1}: ours {mine['stored']['seconds']:.3f} s, "
                f"torch.topk + numpy.setdiff1d {seconds:.3f} s",
                flush=True,
            )
        different = agree(folder, a, b, k, chosen)
    column = lambda kind, key: [mine[kind][key] for mine, _ in rounds]  # noqa: E731
    print(f"\n{args.rows}x{args.columns}, top {args.fraction:.0%}, {torch.get_num_threads()} threads")
    print("| | seconds | peak extra memory |\n|---|---|---|")
    for kind, name in [("stored", "ours"), ("scaled", "ours, scores made on the fly")]:
        memory = max(column(kind, "peak_bytes")) / 1e6, max(column(kind, "bits_per_weight"))
        print(f"| {name} | {spread(column(kind, 'seconds'))} | {memory[0]:.0f} MB, {memory[1]:.2f} bits per weight |")
    print(f"| torch.topk + numpy.setdiff1d | {spread([s for _, s in rounds])} | |")
    print(f"\nours is {spread([s / m['stored']['seconds'] for m, s in rounds], 'x')} as fast (median, range)")
    print(f"{len(chosen)} weights chosen; {different} choices differ, all between equal scores")


if __name__ == "__main__":
    main()
