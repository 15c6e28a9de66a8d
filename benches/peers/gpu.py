# /// script
# requires-python = ">=3.10"
# dependencies = ["torch==2.15.0", "transformers==5.23.0", "accelerate"]
# ///
"""What a GPU does, by PyTorch and by this workspace, one after the other. scripts/gpu.sh calls it.

Nothing here is a figure: whatever could not be run is said, not guessed.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
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

    def more(self):
        return self.peak - (self.before or 0) if self.peak is not None else None

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


def ours(args, what, compute, **sizes):
    """JSON of our program, or why there is none, and the card's peak memory."""
    command = [args.bin / "accelerator", what, args.model, "--device", args.device, "--compute", compute]
    command += [text for name, value in sizes.items() for text in (f"--{name}", str(value))]
    index = args.device.partition(":")[2] or "0"
    with Memory(index) as memory:
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return None, f"failed: {lines[-1][:120]}", memory.more()
    return json.loads(done.stdout), None, memory.more()


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
        prefill = timed(lambda: model(tokens, logits_to_keep=1, use_cache=False), device)
        generate = lambda: model.generate(
            tokens, attention_mask=mask, do_sample=False, max_new_tokens=answer, min_new_tokens=answer,
            eos_token_id=None, pad_token_id=0,
        )
        decode = timed(generate, device)
    del model
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return prefill, decode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bin", type=pathlib.Path, help="folder of our programs")
    parser.add_argument("model", type=pathlib.Path, help="model folder of random_model")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--answer", type=int, default=64)
    args = parser.parse_args()
    device = torch.device(args.device)
    gpu = device.type == "cuda"
    compute, dtype = ("bf16", torch.bfloat16) if gpu else ("f32", torch.float32)
    name = torch.cuda.get_device_name(device) if gpu else f"CPU, {torch.get_num_threads()} threads"
    sizes = {"rows": args.rows, "width": args.width, "answer": args.answer}
    rate = matmul_rate(device, dtype)
    their_prefill, their_decode = theirs(args, device, dtype, sizes)

    rows = [("product of large matrices, torch", f"{rate / 1e12:.2f} TFLOP/s")]
    tokens = args.rows * args.width
    median = lambda found: statistics.median(found["seconds"])

    found, why, _ = ours(args, "prefill", compute, **sizes)
    if found:
        seconds = median(found)
        # Every token goes through the matrices, the last of each row through the head.
        products = found["matrix_weights"] * tokens + found["head_weights"] * found["rows"]
        share = 2 * products / seconds / rate
        rows += [
            ("loading", f"{found['load']:.1f} s"),
            ("prefill", f"{tokens / seconds:.0f} tokens/s"),
            ("prefill, share of that product's rate", f"{share:.1%}"),
            ("prefill, times transformers' speed", f"{their_prefill / seconds:.2f}"),
        ]
    else:
        rows.append(("prefill", why))
    rows.append(("prefill, transformers", f"{tokens / their_prefill:.0f} tokens/s"))

    found, why, _ = ours(args, "decode", compute, **sizes)
    if found:
        rows += [
            ("answers, prompt included", f"{args.rows * args.answer / median(found):.1f} new tokens/s"),
            ("answers, times transformers' speed", f"{their_decode / median(found):.2f}"),
        ]
    else:
        rows.append(("answers", why))

    found, why, _ = ours(args, "wanda", compute, **sizes)
    if found:
        rows += [
            ("Wanda, statistics", f"{median(found):.2f} s"),
            ("Wanda, choice of weights", f"{found['select']:.2f} s"),
            ("Wanda, mask put on", f"{found['apply']:.2f} s"),
        ]
    else:
        rows.append(("Wanda", why))

    found, why, peak = ours(args, "signed-gap", compute, **{**sizes, "rows": 2, "rounds": 2})
    memory = f"{peak / 2**30:.1f} GiB in use on the card" if peak else "memory not known"
    if found:
        rows.append(("signed gap of two prompts", f"{median(found):.2f} s, {memory}"))
    else:
        rows.append(("signed gap of two prompts", f"{why}; {memory}"))

    print(f"\n{name}; torch {torch.__version__}, transformers {transformers.__version__}; {compute}, ", end="")
    print(f"{args.rows} × {args.width} tokens, answers of {args.answer}; medians of 3.\n")
    print("| | |\n|---|---|")
    for what, value in rows:
        print(f"| {what} | {value} |")


if __name__ == "__main__":
    main()
