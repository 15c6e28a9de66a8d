# /// script
# requires-python = ">=3.10"
# dependencies = ["torch==2.15.0", "transformers==5.23.0", "accelerate"]
# ///
"""What a GPU does, by PyTorch and by this workspace, one after the other. scripts/gpu.sh calls it.

Nothing here is a figure: whatever could not be run is said, not guessed.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import torch
import transformers


class Memory:
    """The most memory in use on the card beside what was in use before, looked at every 50 ms."""

    def __init__(self, index):
        self.index, self.peak, self.done = index, None, threading.Event()

    def used(self):
        ask = ["nvidia-smi", "-i", str(self.index), "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        try:
            return int(subprocess.run(ask, check=True, capture_output=True, text=True).stdout) * 2**20
        except (OSError, ValueError, subprocess.CalledProcessError):
            return None

    def take(self):
        """The peak since this was last asked."""
        now = self.used()
        peak = None if now is None else max(self.peak or 0, now) - (self.before or 0)
        self.peak = now
        return peak

    def __enter__(self):
        self.before = self.used()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def look(self):
        while not self.done.wait(0.05):
            now = self.used()
            if now is not None:
                self.peak = max(self.peak or 0, now)

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def ours(args, whats, compute, sizes):
    """What our program finds, by name, each with the card's peak memory meanwhile; or why there is none."""
    found, left = {}, list(whats)
    while left:
        command = [args.bin / "accelerator", args.model, *left, "--device", args.device, "--compute", compute]
        command += [text for name, value in sizes.items() for text in (f"--{name}", str(value))]
        with tempfile.TemporaryFile("w+") as said, Memory(args.device.partition(":")[2] or "0") as memory:
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as running:
                for line in running.stdout:
                    print(line.strip()[:400], file=sys.stderr, flush=True)
                    line = json.loads(line)
                    if "begins" in line:
                        memory.take()
                    else:
                        found[line["what"]] = line | {"peak": memory.take()}
            said.seek(0)
            lines = said.read().strip().splitlines() or [f"exit code {running.returncode}"]
            peak = memory.take()
        # What had begun when it died, or would have been next.
        begun = next((what for what in left if what not in found), None)
        if running.returncode == 0 or begun is None:
            break
        found[begun] = {"failed": f"failed: {lines[-1][:120]}", "peak": peak}
        # What comes after the one that failed is worth another try.
        left = left[left.index(begun) + 1 :] if "loading" in found else []
    return found


def timed(work, device, rounds=4):
    """Median seconds, the first round not counted."""
    seconds = []
    for _ in range(rounds):
        wait(device)
        started = time.perf_counter()
        work()
        wait(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matmul_rate(device, dtype):
    """FLOP/s of a large product: what the card reaches, not what its data sheet says."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    return 2 * n**3 / timed(lambda: a @ b, device, 12)


def theirs(args, device, dtype, sizes):
    model = transformers.AutoModelForCausalLM.from_pretrained(args.model, dtype=dtype).to(device).eval()
    vocab = model.config.vocab_size
    rows, width, answer = sizes["rows"], sizes["width"], sizes["answer"]
    tokens = [[(row * 31 + i * 7 + 3) % vocab for i in range(width)] for row in range(rows)]
    tokens = torch.tensor(tokens, device=device)
    mask = torch.ones_like(tokens)
    with torch.inference_mode():
        forward = lambda: model(tokens, logits_to_keep=1, use_cache=False).logits
        prefill = timed(forward, device)
        logits = forward()[:, -1].float().cpu()
        generate = lambda: model.generate(
            tokens, attention_mask=mask, do_sample=False, max_new_tokens=answer, min_new_tokens=answer,
            eos_token_id=None, pad_token_id=0,
        )
        decode = timed(generate, device)
    del model
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return prefill, decode, logits


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bin", type=pathlib.Path, help="folder of our programs")
    parser.add_argument("model", type=pathlib.Path, help="model folder of random_model")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--answer", type=int, default=64)
    parser.add_argument("--out", type=pathlib.Path, help="file for everything found, as JSON")
    args = parser.parse_args()
    device = torch.device(args.device)
    gpu = device.type == "cuda"
    compute, dtype = ("bf16", torch.bfloat16) if gpu else ("f32", torch.float32)
    name = torch.cuda.get_device_name(device) if gpu else f"CPU, {torch.get_num_threads()} threads"
    sizes = {"rows": args.rows, "width": args.width, "answer": args.answer}
    rate = matmul_rate(device, dtype)
    their_prefill, their_decode, logits = theirs(args, device, dtype, sizes)
    print(f"transformers: {their_prefill:.3f} s, {their_decode:.3f} s", file=sys.stderr, flush=True)

    rows = [("product of large matrices, torch", f"{rate / 1e12:.2f} TFLOP/s")]
    tokens = args.rows * args.width
    found = ours(args, ["product", "prefill", "decode", "wanda", "mask", "signed-gap"], compute, sizes)
    if args.out:
        theirs_found = {"product": rate, "prefill": their_prefill, "decode": their_decode}
        args.out.write_text(json.dumps({"theirs": theirs_found, "ours": found}, indent=1))
    median = lambda what: statistics.median(found[what]["seconds"])
    gib = lambda what: f"{found[what]['peak'] / 2**30:.1f} GiB" if found[what]["peak"] else "not known"

    def say(what, work):
        rows.extend([(what, found[what]["failed"])] if "failed" in found.get(what, {"failed": "not run"}) else work())

    def product():
        shape = lambda each: " × ".join(str(n) for n in each["shape"])
        return [(f"product {shape(each)}, ours", f"{each['flops'] / 1e12:.2f} TFLOP/s") for each in found["product"]["rates"]]

    def prefill():
        seconds, sizes = median("prefill"), found["loading"]
        of_row = lambda rows: ((i, token, own) for i, row in enumerate(rows) for token, own in row)
        # No number is written as null.
        number = lambda found: math.nan if found is None else found
        apart = [abs(logits[i, token].item() - number(own)) for i, token, own in of_row(found["prefill"]["top"])]
        difference = math.nan if any(map(math.isnan, apart)) else max(apart)
        # Every token goes through the matrices, the last of each row through the head.
        products = sizes["matrix_weights"] * tokens + sizes["head_weights"] * args.rows
        return [
            ("prefill", f"{tokens / seconds:.0f} tokens/s"),
            ("prefill, share of torch's product", f"{2 * products / seconds / rate:.1%}"),
            ("prefill, times transformers' speed", f"{their_prefill / seconds:.2f}"),
            ("prefill, memory on the card", gib("prefill")),
            ("logits, largest difference from transformers'", f"{difference:.1e}, their spread {logits.std():.1e}"),
        ]

    def decode():
        seconds = median("decode")
        return [
            ("answers, prompt included", f"{args.rows * args.answer / seconds:.1f} new tokens/s"),
            ("answers, times transformers' speed", f"{their_decode / seconds:.2f}"),
        ]

    def wanda():
        return [("Wanda, statistics", f"{median('wanda'):.2f} s, {gib('wanda')} on the card")]

    def mask():
        parts = [found["mask"]["select"], found["mask"]["apply"]]
        total = f"{median('wanda') + sum(parts):.2f} s" if "seconds" in found["wanda"] else "statistics failed"
        return [
            ("Wanda, choice of weights", f"{parts[0]:.2f} s, {gib('mask')} on the card"),
            ("Wanda, mask put on", f"{parts[1]:.2f} s"),
            ("Wanda, all three", total),
        ]

    gap = lambda: [("signed gap of two prompts", f"{median('signed-gap'):.2f} s, {gib('signed-gap')} on the card")]
    say("loading", lambda: [("loading", f"{median('loading'):.1f} s")])
    say("product", product)
    say("prefill", prefill)
    rows.append(("prefill, transformers", f"{tokens / their_prefill:.0f} tokens/s"))
    say("decode", decode)
    rows.append(("answers, transformers", f"{args.rows * args.answer / their_decode:.1f} new tokens/s"))
    say("wanda", wanda)
    say("mask", mask)
    say("signed-gap", gap)

    print(f"\n{name}; torch {torch.__version__}, transformers {transformers.__version__}; {compute}, ", end="")
    print(f"{args.rows} × {args.width} tokens, answers of {args.answer}; medians of 3.\n")
    print("| | |\n|---|---|")
    for what, value in rows:
        print(f"| {what} | {value} |")


if __name__ == "__main__":
    main()
