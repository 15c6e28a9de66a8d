#!/usr/bin/env python3
"""Prints the peak memory of each command of `bias` on one model as a table.

    scripts/memory.py BIAS MODEL

BIAS is the program (`cargo build --release --bin bias`), MODEL a folder or GGUF file of a chat
model. Questions are those of fixtures/real in two contexts about 16 people, so that the table is about
the model's memory; more questions cost time. Peaks are resident memory as the system counts it,
including pages of the mapped file. Linux.
"""
import argparse
import csv
import os
import pathlib
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
PEOPLE = 2
GIB = 1 << 30


def few(path):
    """The questions about two people of each half of every group, in two contexts."""
    with open(TOP / "fixtures/real/prompts.csv", newline="") as file:
        rows = csv.DictReader(file)
        fields = rows.fieldnames
        names, kept = {}, []
        for row in rows:
            own = names.setdefault((row["name_group"], row["name_split"]), [])
            if row["name"] not in own:
                own.append(row["name"])
            if row["scenario"] in ("hiring", "financial") and own.index(row["name"]) < PEOPLE:
                kept.append(row)
    with open(path, "w", newline="") as file:
        out = csv.DictWriter(file, fields)
        out.writeheader()
        out.writerows(kept)


def commands(model):
    """What is measured: a name, and the arguments."""
    asked = ["--model", model, "--prompts", "few.csv", "--temperature", "0.6"]
    drawn = [*asked, "--budget-tokens", "160"]
    one = ["attribute", *drawn, "--context", "hiring"]
    neutral = ["--neutral", str(TOP / "fixtures/real/neutral.txt")]
    yield "audit", ["audit", *drawn]
    yield "audit --stored", ["audit", *drawn, "--stored"]
    yield "audit --stream", ["audit", *asked, "--samples", "2", "--stream"]
    for method in ("wanda", "signed-gap", "gap-pursuit"):
        more = neutral if method == "gap-pursuit" else []
        yield f"attribute --method {method}", [*one, *more, "--method", method, "--out", method]
    yield "attribute --method wanda --stream", [
        *["attribute", *asked, "--samples", "2", "--context", "hiring"],
        *["--method", "wanda", "--stream", "--out", "streamed"],
    ]
    yield "prune", ["prune", "--model", model, "--mask", "signed-gap", "--out", "pruned"]
    yield "capture", [
        *["capture", "--model", model, "--prompt", "Should Emily Becker get the job?"],
        *["--name", "Emily Becker", "--out", "captured"],
    ]
    crows = str(TOP / "fixtures/frameworks/crows.csv")
    yield "frameworks --crows", ["frameworks", "--model", model, "--crows", crows]
    yield "study --plan short", [
        *["study", *drawn, *neutral, "--plan", "short", "--attribution-names", "2"],
        *["--out", "study"],
    ]


def measured(program, args, folder):
    """Peak of resident memory, and seconds."""
    begun = time.monotonic()
    with open(pathlib.Path(folder) / "said.txt", "wb") as said:
        child = subprocess.Popen(
            [program, *args], cwd=folder, stdout=said, stderr=said, stdin=subprocess.DEVNULL
        )
        _, status, used = os.wait4(child.pid, 0)
    if status != 0:
        text = (pathlib.Path(folder) / "said.txt").read_text(errors="replace")
        raise SystemExit(f"bias {' '.join(args)}: status {status}\n{text[-2000:]}")
    return used.ru_maxrss * 1024, time.monotonic() - begun


def table(program, model):
    yield "| command | peak, GiB |"
    yield "|---|---|"
    with tempfile.TemporaryDirectory() as folder:
        few(pathlib.Path(folder) / "few.csv")
        for name, args in commands(model):
            peak, seconds = measured(program, args, folder)
            print(f"{name}: {seconds:.0f} s", file=sys.stderr, flush=True)
            yield f"| {name} | {peak / GIB:.2f} |"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", metavar="BIAS")
    parser.add_argument("model", metavar="MODEL")
    args = parser.parse_args()
    program, model = (os.path.abspath(own) for own in (args.program, args.model))
    for line in table(program, model):
        print(line, flush=True)


if __name__ == "__main__":
    main()
