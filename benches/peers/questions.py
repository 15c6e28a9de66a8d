# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "transformers==5.23.0", "gguf==0.19.0", "sentencepiece==0.2.1"]
# ///
"""Numbers, choices and free answers, by this workspace and by transformers, in turn, in one run.

    uv run benches/peers/questions.py                        # the embedded model
    uv run benches/peers/questions.py --model DIR/SmolLM2-135M-Instruct.Q4_1.gguf

Prints a Markdown table: seconds as median (least–most) over rounds, ratios as that of the rounds' own ratios.
Results of both sides are compared, and the run stops where they differ.

transformers follows the same tree of numbers with its own cache of keys and values, a step of all paths at a time, and
chooses by one batched forward pass a prompt, a row for each word.
"""

import argparse
import csv
import os
import pathlib
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch  # noqa: E402
from ours import ROOT, THREADS, Program, spread  # noqa: E402
from transformers import AutoModelForCausalLM, DynamicCache  # noqa: E402


def load(path):
    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    where = dict(pretrained_model_name_or_path=path)
    if path.suffix == ".gguf":
        where = dict(pretrained_model_name_or_path=path.parent, gguf_file=path.name)
    return AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32).eval()


def selected(cache, rows):
    own = DynamicCache()
    for at, layer in enumerate(cache.layers):
        own.update(layer.keys[rows], layer.values[rows], at)
    return own


def follow(model, prompt, paths, temperature):
    """The probability of every path (a beginning of an answer), by levels, all paths of a level as one batch."""
    out = model(torch.tensor([prompt]), use_cache=True, logits_to_keep=1)
    found, cache, rows = {(): 1.0}, out.past_key_values, {(): 0}
    log_probs = (out.logits[:, -1] / temperature).log_softmax(-1)
    for length in range(1, max(map(len, paths), default=0) + 1):
        level = sorted(path for path in paths if len(path) == length)
        parents = [rows[path[:-1]] for path in level]
        steps = log_probs[parents, [path[-1] for path in level]].exp().tolist()
        found.update((path, found[path[:-1]] * p) for path, p in zip(level, steps, strict=True))
        cache = selected(cache, parents)
        out = model(torch.tensor([path[-1:] for path in level]), past_key_values=cache, use_cache=True)
        cache, rows = out.past_key_values, {path: row for row, path in enumerate(level)}
        log_probs = (out.logits[:, -1] / temperature).log_softmax(-1)
    return found


def number(model, done, temperature):
    """Seconds, and the largest difference of a finished answer's path from what its weight allows."""
    trees = [{tuple(tokens[:end]) for tokens, *_ in own for end in range(1, len(tokens) + 1)} for own in done["answers"]]
    started = time.perf_counter()
    found = [follow(model, prompt, paths, temperature) for prompt, paths in zip(done["prompts"], trees, strict=True)]
    seconds = time.perf_counter() - started
    worst = 0.0
    for own, theirs in zip(done["answers"], found, strict=True):
        # Behind a path that nothing was drawn from lies no more than it holds; and all of it but for what was left, where
        # nothing was drawn at all.
        drawn = {tuple(tokens[:end]) for tokens, _, _, draw in own if draw for end in range(len(tokens) + 1)}
        for path in set(theirs) - drawn:
            behind = sum(weight for tokens, weight, *_ in own if tuple(tokens[: len(path)]) == path)
            worst = max(worst, behind - theirs[path])
            if not drawn:
                worst = max(worst, theirs[path] - behind - 1e-3)
    return seconds, worst


def choice(model, done):
    words, worst = done["words"], 0.0
    longest = max(map(len, words))
    started = time.perf_counter()
    found = []
    for prompt in done["prompts"]:
        rows = torch.tensor([prompt + word + [0] * (longest - len(word)) for word in words])
        logits = model(rows, logits_to_keep=longest + 1).logits.log_softmax(-1)
        each = [logits[row, range(len(word)), word].sum().item() for row, word in enumerate(words)]
        found.append(each)
    seconds = time.perf_counter() - started
    for own, theirs in zip(done["answers"], found, strict=True):
        weights = torch.tensor([weight for _, weight, *_ in own[: len(words)]]).log()
        worst = max(worst, (weights - torch.tensor(theirs)).abs().max().item())
    return seconds, worst


def rows_of(kind, path):
    """Questions about 40 people, of one variation."""
    if path.suffix != ".gguf":
        with open(ROOT / "fixtures/emergent/prompts.csv", newline="") as file:
            people = [[row["prompt_text"], row["name"]] for row in csv.DictReader(file)][:40]
        how = {"number": dict(prefix="$"), "choice": dict(choices="1,2|3,45,678", better="1"), "free": {}}
        return dict(questions=people, **how[kind])
    with open(ROOT / "fixtures/real/prompts.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    if kind == "choice":
        rows = [row for row in rows if row["choices"]]
    else:
        rows = [row for row in rows if row["answer_prefix"] and not row["choices"]]
    first = (rows[0]["scenario"], rows[0]["variation"])
    rows = [row for row in rows if (row["scenario"], row["variation"]) == first][:40]
    own = dict(questions=[[row["prompt_text"], row["name"]] for row in rows])
    if kind == "choice":
        own |= dict(choices=rows[0]["choices"], better=rows[0]["better"], raw=rows[0]["raw"] == "true")
    if kind != "free" and rows[0]["answer_prefix"]:
        own |= dict(prefix=rows[0]["answer_prefix"])
    return own


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "fixtures/emergent", help="model folder or GGUF file")
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=["number", "choice", "free"], default=["number", "choice", "free"])
    parser.add_argument("--budget-tokens", type=int, help="tokens a prompt's answers may run, unless as many as usual")
    args = parser.parse_args()
    ours, theirs = Program("questions", args.model), load(args.model)
    print("| 40 people | ours, s | beside | s | ratio | aim |\n|---|---|---|---|---|---|", flush=True)

    def table(what, beside, aim, once):
        taken = [once() for _ in range(args.rounds + 1)][1:]
        mine, other = zip(*taken, strict=True)
        ratio = spread([b / a for a, b in taken])
        print(f"| {what} | {spread(mine)} | {beside} | {spread(other)} | {ratio} | {aim} |", flush=True)

    def numbers():
        done = ours.ask(temperature=args.temperature, tokens=args.budget_tokens, **rows_of("number", args.model))
        seconds, worst = number(theirs, done, args.temperature)
        if not worst < 1e-3:
            sys.exit(f"numbers: probabilities differ by {worst:.2g}")
        return done["seconds"], seconds

    def choices():
        done = ours.ask(temperature=1.0, **rows_of("choice", args.model))
        seconds, worst = choice(theirs, done)
        if not worst < 1e-2:
            sys.exit(f"choices: log-probabilities differ by {worst:.2g}")
        return done["seconds"], seconds

    def free():
        of = rows_of("free", args.model)
        if args.model.suffix == ".gguf":
            of["questions"] = of["questions"][:8]
        exact = ours.ask(temperature=args.temperature, tokens=args.budget_tokens, **of)
        return exact["seconds"], ours.ask(temperature=args.temperature, samples=100, **of)["seconds"]

    tables = {
        "number": ("number", "transformers, the same tree", "≥ 5", numbers),
        "choice": ("choice", "transformers, a batched pass a prompt", "≥ 2", choices),
        "free": ("free answer, its budget", "our 100 samples", "≥ 0.83", free),
    }
    for kind in args.kinds:
        table(*tables[kind])


if __name__ == "__main__":
    main()
