"""This workspace's side of a comparison: its programs, built as they are needed, and how figures are printed."""

import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
THREADS = 2


@functools.cache
def program(name):
    build = ["cargo", "build", "--release", "--locked", "-p", "bias-benches", "--bin", name]
    subprocess.run(build, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / name


@functools.cache
def bias():
    """The command."""
    build = ["cargo", "build", "--release", "--locked", "-p", "bias-cli"]
    subprocess.run(build, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "bias"


class Program:
    """A program of benches/src/bin that holds a model and answers each line of JSON with one."""

    def __init__(self, name, *args):
        args = [program(name), *map(str, args), "--threads", str(THREADS)]
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.line()

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("our program ended")
        return json.loads(line)

    def ask(self, **request):
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self.line()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def spread(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g}–{max(values):.3g})"
