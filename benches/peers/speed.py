# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "torch==2.15.0", "transformers==5.23.0"]
# ///
"""The work of a study, by this workspace and by transformers and PyTorch, in turn, in one run.

    uv run benches/peers/speed.py                       # the embedded model, 125M and 1.1B
    uv run benches/peers/speed.py --model embedded 125M --work statistics gap

Prints Markdown tables: seconds as median (least–most) over rounds, ratios as that of the
rounds' own ratios. Random models are written where they are missing. Results of both sides
are compared, and the run stops where they differ.

PyTorch works in two ways. *Plainly*: batched, few hooks, `generate(num_return_sequences=100)`,
inference mode, the faster of sdpa and eager. *As public code does*: one prompt at a time, a
hook at every linear layer, `generate` for each sample.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np
from ours import ROOT, THREADS, Program, program, spread

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# name: preset and type of random_model, names asked, prompts per statistics pass, samples of the loop timed
MODELS = {
    "embedded": dict(preset=None, names=40, rows=64, batch=16, loop=40, people=8),
    "125M": dict(preset="small", dtype="f32", names=4, rows=32, batch=16, loop=12, people=4),
    "1.1B": dict(preset="medium", dtype="bf16", names=1, rows=8, batch=8, loop=4, people=0),
}
WORKS = ["first-logits", "statistics", "answers", "gap"]
WIDTH = 64
TEMPERATURE = 0.6
SAMPLES = 100


# --- models and prompts ---------------------------------------------------------------


def folder_of(name, folders):
    of = MODELS[name]
    if of["preset"] is None:
        return ROOT / "fixtures" / "emergent"
    folder = folders / f"{of['preset']}-{of['dtype']}-answers"
    if not folder.exists():
        folders.mkdir(parents=True, exist_ok=True)
        args = ["--preset", of["preset"], "--dtype", of["dtype"], "--answers", "--out", str(folder)]
        subprocess.run([program("random_model"), *args], check=True, stdout=subprocess.DEVNULL)
    return folder


def prompts_of(name, folder, config):
    """Statistics prompts (all of one width), questions about 40 names, length and value of answers."""
    draw = np.random.default_rng(0)
    if name == "embedded":
        import csv

        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder)
        with open(folder / "prompts.csv", newline="") as file:
            texts = [row["prompt_text"] for row in csv.DictReader(file)]

        def ids(text):
            chat = tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False
            )
            return tokenizer(chat, add_special_tokens=False).input_ids

        encoded = [ids(text) for text in texts]
        width = statistics.mode(map(len, encoded))
        same = [own for own in encoded if len(own) == width]
        value = lambda tokens: float(tokenizer.decode(tokens, skip_special_tokens=True).replace(" ", "") or "nan")  # noqa: E731
        return same, encoded[:40], 16, value
    # A question of 45 tokens in which three are a name's.
    low, high = 100, config["vocab_size"]
    question = draw.integers(low, high, 45).tolist()
    asked = [question[:20] + draw.integers(low, high, 3).tolist() + question[23:] for _ in range(40)]
    seen = [draw.integers(low, high, WIDTH).tolist() for _ in range(64)]

    def value(tokens):
        digits = [t - 10 for t in tokens if 10 <= t < 22]
        return float(sum(d * 12**i for i, d in enumerate(reversed(digits))))

    return seen, asked, 4, value


def flops(config, tokens, columns, logits=0):
    """Of a forward pass over so many tokens that each look at so many, from shapes."""
    d, layers, heads = config["hidden_size"], config["num_hidden_layers"], config["num_attention_heads"]
    d_head = config.get("head_dim") or d // heads
    q, kv = heads * d_head, config["num_key_value_heads"] * d_head
    matrices = 2 * d * q + 2 * d * kv + 3 * d * config["intermediate_size"]
    return 2 * (layers * (tokens * matrices + 2 * tokens * columns * q) + logits * d * config["vocab_size"])


# --- ours -----------------------------------------------------------------------------


class Ours(Program):
    def __init__(self, folder, held="f32"):
        self.started = time.perf_counter()
        super().__init__("speed", folder, "--held", held)

    def ask(self, what, **request):
        return super().ask(do=what, **request)


# --- theirs ---------------------------------------------------------------------------


class Theirs:
    def __init__(self, folder, dtype):
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(THREADS)
        self.torch, self.folder = torch, folder
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
        self.model.requires_grad_(False)
        self.attention = None

    def choose_attention(self, prompts):
        """The faster of two ways to compute attention, on this model and width."""
        seconds = {}
        for way in ["sdpa", "eager"]:
            self.model.set_attn_implementation(way)
            seconds[way] = min(self.statistics(prompts, len(prompts))[0] for _ in range(3))
        self.attention = min(seconds, key=seconds.get)
        self.model.set_attn_implementation(self.attention)

    def linears(self):
        for layer, block in enumerate(self.model.model.layers):
            for name in ["q", "k", "v", "o"]:
                yield layer, name, getattr(block.self_attn, f"{name}_proj")
            for name in ["gate", "up", "down"]:
                yield layer, name, getattr(block.mlp, f"{name}_proj")

    def statistics(self, prompts, batch, public=False):
        """Sums of squares at linear inputs. Plainly: once where several layers share an input."""
        torch, sums, hooks = self.torch, {}, []

        def watch(key, squares):
            def hook(_, inputs):
                x = inputs[0].reshape(-1, inputs[0].shape[-1])
                own = squares(x)
                sums[key] = sums[key] + own if key in sums else own

            return hook

        plain = lambda x: torch.linalg.vector_norm(x, dim=0).square()  # noqa: E731
        wanda = lambda x: torch.norm(x.t().type(torch.float32), p=2, dim=1) ** 2  # noqa: E731
        for layer, name, linear in self.linears():
            if public or name in {"q", "o", "gate", "down"}:
                hooks.append(linear.register_forward_pre_hook(watch((layer, name), wanda if public else plain)))
        ids = torch.tensor(prompts)
        started = time.perf_counter()
        with torch.no_grad() if public else torch.inference_mode():
            for rows in ids.split(1 if public else batch):
                (self.model if public else self.model.model)(rows, use_cache=public)
        seconds = time.perf_counter() - started
        for hook in hooks:
            hook.remove()
        return seconds, sums

    def generate(self, prompts, samples, length, count=None):
        """Seconds, and each prompt's answers. With `count`, that many single samples, one by one."""
        torch, answers = self.torch, []
        torch.manual_seed(0)
        settings = dict(
            do_sample=True, temperature=TEMPERATURE, top_k=0, top_p=1.0, max_new_tokens=length,
            eos_token_id=2, pad_token_id=0,
        )  # fmt: skip
        asked = prompts if count is None else [prompts[i % len(prompts)] for i in range(count)]
        started = time.perf_counter()
        with torch.inference_mode() if count is None else torch.no_grad():
            for prompt in asked:
                ids = torch.tensor([prompt])
                number = samples if count is None else 1
                out = self.model.generate(
                    ids, attention_mask=torch.ones_like(ids), num_return_sequences=number, **settings
                )
                answers.append(out[:, len(prompt) :].tolist())
        return time.perf_counter() - started, answers

    def gap(self, arms, scale, form):
        """Norm of W · ∂G/∂W for every matrix. `form`: trees (each prompt's answers as one branching
        row), pairs (a row per answer, batched), single (a pass per answer)."""
        torch = self.torch
        matrices = [linear.weight for _, _, linear in self.linears()]
        started = time.perf_counter()
        for weight in matrices:
            weight.requires_grad_(True)
            weight.grad = None
        for sign, people in zip([1, -1], arms, strict=True):
            rows = []
            for person in people:
                mean = sum(a["value"] * a["weight"] for a in person["answers"])
                mean /= sum(a["weight"] for a in person["answers"])
                mass = sum(a["weight"] for a in person["answers"])
                worth = [sign * scale * a["weight"] / mass * (a["value"] - mean) / len(people) for a in person["answers"]]
                if form == "trees":
                    rows.append(tree(person["prompt"], [a["tokens"] for a in person["answers"]], worth))
                else:
                    rows += [tree(person["prompt"], [a["tokens"]], [w]) for a, w in zip(person["answers"], worth, strict=True)]
            for batch in batches(rows, 1 if form == "single" else 512):
                self.branch_loss(batch, form).backward()
        scores = [weight.detach() * weight.grad for weight in matrices]
        seconds = time.perf_counter() - started
        norms = [float(score.norm()) for score in scores]
        for weight in matrices:
            weight.requires_grad_(False)
            weight.grad = None
        return seconds, norms

    def branch_loss(self, rows, form):
        torch = self.torch
        width = max(len(row["tokens"]) for row in rows)
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        for r, row in enumerate(rows):
            ids[r, : len(row["tokens"])] = torch.tensor(row["tokens"])
        if form == "trees":
            positions = torch.zeros_like(ids)
            mask = torch.full((len(rows), 1, width, width), torch.finfo(torch.float32).min)
            mask[:, 0].diagonal(dim1=1, dim2=2).zero_()
            for r, row in enumerate(rows):
                positions[r, : len(row["depth"])] = torch.tensor(row["depth"])
                for i, seen in enumerate(row["seen"]):
                    mask[r, 0, i, seen] = 0.0
            hidden = self.model.model(ids, attention_mask=mask, position_ids=positions, use_cache=False)[0]
        else:
            # Padding lies behind: what is before it does not see it.
            hidden = self.model.model(ids, use_cache=False)[0]
        row_of = torch.tensor([r for r, row in enumerate(rows) for _ in row["branches"]])
        at = torch.tensor([b[0] for row in rows for b in row["branches"]])
        token = torch.tensor([b[1] for row in rows for b in row["branches"]])
        worth = torch.tensor([b[2] for row in rows for b in row["branches"]])
        places, back = torch.unique(row_of * width + at, return_inverse=True)
        logits = self.model.lm_head(hidden.reshape(-1, hidden.shape[-1])[places]) / TEMPERATURE
        log_probs = torch.log_softmax(logits, -1)
        return (worth * log_probs[back, token]).sum()


def tree(prompt, answers, worths):
    """A prompt's answers as one branching sequence: what `AnswerTree` of bias-attrib is."""
    tokens, depth = list(prompt), list(range(len(prompt)))
    seen = [list(range(i + 1)) for i in range(len(prompt))]
    known, branches = {}, {}
    for answer, worth in zip(answers, worths, strict=True):
        at = len(prompt) - 1
        for i, token in enumerate(answer):
            branches[at, token] = branches.get((at, token), 0.0) + worth
            if i + 1 == len(answer):
                break
            if (at, token) not in known:
                known[at, token] = len(tokens)
                seen.append([*seen[at], len(tokens)])
                depth.append(depth[at] + 1)
                tokens.append(token)
            at = known[at, token]
    return dict(tokens=tokens, depth=depth, seen=seen, branches=[(*k, w) for k, w in branches.items()])


def batches(rows, most):
    batch, width = [], 0
    for row in rows:
        if batch and (len(batch) + 1) * max(width, len(row["tokens"])) > most:
            yield batch
            batch, width = [], 0
        batch.append(row)
        width = max(width, len(row["tokens"]))
    yield batch


# --- tables ---------------------------------------------------------------------------


def ratio(theirs, ours):
    return spread([t / o for t, o in zip(theirs, ours, strict=True)])


def close(what, ours, theirs, tolerance=1e-3):
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    worst = float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), np.abs(theirs).max() * 1e-3)))
    if not worst <= tolerance:
        sys.exit(f"{what}: results differ by {worst:.2g}")
    return worst


class Table:
    """Rows of one model's work."""

    def __init__(self, rate):
        self.rate, self.rows = rate, []

    def add(self, work, ours, theirs, way, target, work_flops=None, note=""):
        share = ""
        if work_flops:
            share = f"{work_flops / statistics.median(ours) / 1e9 / self.rate:.0%}"
        if isinstance(target, str):
            kept = target
        else:
            kept = f"≥ {target}"
            if statistics.median([t / o for t, o in zip(theirs, ours, strict=True)]) < target:
                kept += " missed"
        self.rows.append(f"| {work} | {spread(ours)} | {way} | {spread(theirs)} | {ratio(theirs, ours)} | {kept} | {share} | {note} |")
        print(self.rows[-1], flush=True)

    HEAD = "| work | ours, s | beside | s | ratio | aim | of GEMM rate | |\n|---|---|---|---|---|---|---|---|"


# --- works ----------------------------------------------------------------------------


def first_logits(folder, dtype, held, rounds, prompt):
    """Whole processes: ours from its start to the logits; theirs from after its imports."""
    ours, theirs, imports, logits = [], [], [], []
    for _ in range(rounds):
        mine = Ours(folder, held)
        own = mine.ask("logits", prompts=[prompt])
        ours.append(time.perf_counter() - mine.started)
        mine.close()
        args = [sys.executable, __file__, "--first-logits-of", str(folder), dtype, json.dumps(prompt)]
        done = json.loads(subprocess.run(args, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
        theirs.append(done["seconds"])
        imports.append(done["imports"])
        logits = own["logits"], done["logits"]
    return ours, theirs, imports, logits


def first_logits_of(folder, dtype, prompt):
    started = time.perf_counter()
    import torch
    from transformers import AutoModelForCausalLM

    # Part of the import: transformers resolves the class when it is first used.
    from transformers.models.llama import modeling_llama  # noqa: F401

    imported = time.perf_counter()
    torch.set_num_threads(THREADS)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    with torch.inference_mode():
        logits = model(torch.tensor([prompt]), logits_to_keep=1).logits[0, -1, :8].tolist()
    done = time.perf_counter()
    print(json.dumps(dict(seconds=done - imported, imports=imported - started, logits=logits)))


def tree_tokens(answers):
    """Tokens run behind a prompt: different beginnings of answers."""
    return len({tuple(tokens[:i]) for tokens, *_ in answers for i in range(1, len(tokens))})


def measure(name, folder, works, rounds):
    config = json.loads((folder / "config.json").read_text())
    of = MODELS[name]
    seen, asked, length, value = prompts_of(name, folder, config)
    dtype = of.get("dtype", "f32")
    print(f"\n### {name}\n", flush=True)
    if "first-logits" in works:
        ways = [("float32", "f32"), ("float32", "mapped")]
        if dtype == "bf16":
            ways += [("bfloat16", "stored"), ("bfloat16", "mapped")]
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        print("| to first logits: transformers in | ours | ours, s | transformers, s | ratio | its imports, s | ours, GB/s of file |")
        print("|---|---|---|---|---|---|---|")
        for kind, held in ways:
            first_logits(folder, kind, held, 1, asked[0])  # into the page cache
            ours, theirs, imports, logits = first_logits(folder, kind, held, rounds, asked[0])
            close("logits", *logits, 1e-3 if kind == "float32" else 0.2)
            speed = size / statistics.median(ours) / 1e9
            print(
                f"| {kind} | {held} | {spread(ours)} | {spread(theirs)} | {ratio(theirs, ours)} "
                f"| {spread(imports)} | {speed:.2g} |",
                flush=True,
            )
        print()
    if set(works) <= {"first-logits"}:
        return
    ours, theirs = Ours(folder), Theirs(folder, "float32")
    rates = ours.ask("machine", n=2048, bytes=1 << 28)
    a = theirs.torch.rand(2048, 2048)
    torch_rate = 0.0
    for _ in range(3):
        started = time.perf_counter()
        a @ a
        torch_rate = max(torch_rate, 2 * 2048**3 / (time.perf_counter() - started) / 1e9)
    theirs.choose_attention(seen[: of["batch"]])
    print(
        f"{THREADS} threads, f32. A product of 2048² matrices: flex {rates['gflops']:.0f} GFLOP/s, torch {torch_rate:.0f}. "
        f"Reading memory: {rates['gbytes']:.0f} GB/s. transformers' attention: {theirs.attention}, the faster here.\n"
    )
    table = Table(rates["gflops"])
    print(Table.HEAD, flush=True)
    if "statistics" in works:
        do_statistics(ours, theirs, of, seen, rounds, config, table)
    if "answers" in works:
        do_answers(ours, theirs, of, asked, length, value, rounds, config, table)
    if "gap" in works and of["people"]:
        do_gap(ours, theirs, of, asked, length, value, rounds, config, table)
    ours.close()


def do_statistics(ours, theirs, of, seen, rounds, config, table):
    rows, batch = [seen[i % len(seen)] for i in range(of["rows"])], of["batch"]
    few = rows[: max(4, of["rows"] // 4)]
    mine, plain, public = [], [], []
    for i in range(rounds + 1):
        done = ours.ask("statistics", prompts=rows, batch=batch)
        seconds, sums = theirs.statistics(rows, batch)
        slow, _ = theirs.statistics(few, batch, public=True)
        if i == 0:
            shared = dict(q="q", k="q", v="q", o="o", gate="gate", up="gate", down="down")
            totals = [float(sums[layer, shared[name]].double().sum()) for layer, name, _ in theirs.linears()]
            close("statistics", done["totals"], totals)
            continue  # warms up
        mine.append(done["seconds"])
        plain.append(seconds)
        public.append(slow * len(rows) / len(few))
    width = len(rows[0])
    work = flops(config, len(rows) * width, width)
    what = f"statistics, {len(rows)} × {width} tokens, {batch} at a time"
    table.add(what, mine, plain, "hooks, equal batches", 1.2, work)
    table.add(what, mine, public, "one by one, every layer hooked", 3, None, f"from {len(few)} prompts")


def do_answers(ours, theirs, of, asked, length, value, rounds, config, table):
    prompts = asked[: of["names"]]
    request = dict(prompts=prompts, temperature=TEMPERATURE, length=length, stop=[2])
    sampled, exact, plain, loop = [], [], [], []
    for i in range(rounds + 1):
        few = prompts[: max(1, len(prompts) // 8)] if i == 0 else prompts
        one = ours.ask("answers", samples=SAMPLES, **{**request, "prompts": few})
        two = ours.ask("answers", samples=None, **{**request, "prompts": few})
        seconds, answers = theirs.generate(few, SAMPLES, length)
        slow, _ = theirs.generate(few, 1, length, count=2 if i == 0 else of["loop"])
        if i == 0:
            continue  # warms up
        sampled.append(one["seconds"])
        exact.append(two["seconds"])
        plain.append(seconds)
        loop.append(slow / of["loop"] * SAMPLES * len(prompts))
    # Both sides' samples against the exact distribution: means within five standard errors, of the
    # prompt whose answers differ most.
    def valued(answers):
        own = [(value(tokens[: tokens.index(2)] if 2 in tokens else tokens), w) for tokens, w, _ in answers]
        return [(v, w) for v, w in own if v == v]

    def moments(answers):
        own = valued(answers)
        mass = sum(w for _, w in own)
        mean = sum(v * w for v, w in own) / max(mass, 1e-9)
        return mass, mean, sum((v - mean) ** 2 * w for v, w in own)

    at = max(range(len(prompts)), key=lambda i: moments(two["answers"][i])[2])
    mass, mean, square = moments(two["answers"][at])
    error = (square / mass / (SAMPLES * mass)) ** 0.5
    own = valued(one["answers"][at])
    drawn = [v for v, _ in valued([(tokens, 1, None) for tokens in answers[at]])]
    for who, found in [("ours", sum(v * w for v, w in own) / sum(w for _, w in own)), ("theirs", statistics.mean(drawn))]:
        if abs(found - mean) > 5 * error:
            sys.exit(f"answers: {who} have mean {found:.4g}, exactly {mean:.4g} ± {error:.2g}")
    d = dict(width=len(prompts[0]))
    common = os.path.commonprefix(prompts)
    shared = len(common) if len(prompts) > 1 else 0

    def work(done):
        nodes = [tree_tokens(own) for own in done["answers"]]
        tokens = shared + sum(len(p) - shared for p in prompts) + sum(nodes)
        return flops(config, tokens, d["width"], logits=sum(nodes) + len(prompts))

    what = f"{len(prompts)} names × {SAMPLES} samples"
    note = f"{statistics.mean(map(len, one['answers'])):.0f} different answers a prompt"
    table.add(what, sampled, plain, "generate, 100 at once", 1.5, work(one), note)
    table.add(what, sampled, loop, "generate, one by one", 20, None, f"from {of['loop']} of {SAMPLES * len(prompts)}")
    what = f"{len(prompts)} names, exact distribution"
    note = f"{statistics.mean(map(len, two['answers'])):.0f} answers, {two['unexplored']:.1g} unexplored"
    table.add(what, exact, plain, "generate, 100 at once", 5, work(two), note)
    table.add(what, exact, sampled, "our 100 samples", 5, None)


def do_gap(ours, theirs, of, asked, length, value, rounds, config, table):
    prompts = asked[: of["people"]] + asked[-of["people"] :]
    done = ours.ask("answers", samples=None, prompts=prompts, temperature=TEMPERATURE, length=length, stop=[2])
    people = []
    for prompt, answers in zip(prompts, done["answers"], strict=True):
        given = [dict(tokens=t, value=value(t), weight=w) for t, w, _ in answers]
        given = sorted((g for g in given if g["value"] == g["value"]), key=lambda g: -g["weight"])[:12]
        people.append(dict(prompt=prompt, answers=given))
    arms = people[: of["people"]], people[of["people"] :]

    def moments(arm):
        mean = square = 0.0
        for person in arm:
            mass = sum(a["weight"] for a in person["answers"])
            mean += sum(a["value"] * a["weight"] for a in person["answers"]) / mass / len(arm)
            square += sum(a["value"] ** 2 * a["weight"] for a in person["answers"]) / mass / len(arm)
        return mean, square - mean * mean

    (mean_a, var_a), (mean_b, var_b) = map(moments, arms)
    scale = np.sign(mean_a - mean_b) / np.sqrt((var_a + var_b) / 2)
    seconds = {way: [] for way in ["ours", "trees", "pairs", "single"]}
    for i in range(rounds + 1):
        done = ours.ask("gap", a=arms[0], b=arms[1], temperature=TEMPERATURE)
        found = {"ours": (done["seconds"], done["norms"])}
        for form in ["trees", "pairs"] + (["single"] if i < 2 else []):
            found[form] = theirs.gap(arms, scale, form)
        for way, (took, norms) in found.items():
            close(f"gap, {way}", norms, found["trees"][1], 5e-3)
            if i:
                seconds[way].append(took)
    trees = [tree(p["prompt"], [a["tokens"] for a in p["answers"]], [0.0] * len(p["answers"])) for p in people]
    tokens, places = sum(len(t["tokens"]) for t in trees), sum(len({b[0] for b in t["branches"]}) for t in trees)
    work = 3 * flops(config, tokens, tokens // len(trees), logits=places) - flops(config, 0, 0, logits=places)
    what = f"signed gap, {len(people)} people, {sum(len(p['answers']) for p in people)} answers"
    table.add(what, seconds["ours"], seconds["trees"], "autograd, the same trees", 1.0, work, f"{tokens} tokens")
    table.add(what, seconds["ours"], seconds["pairs"], "autograd, a row per answer", "")
    single = seconds["single"] * len(seconds["ours"])
    table.add(what, seconds["ours"], single, "autograd, answer by answer", "", None, "timed once")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--work", nargs="+", choices=WORKS, default=WORKS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folders", type=pathlib.Path, default=ROOT / "target" / "random-models")
    parser.add_argument("--first-logits-of", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.first_logits_of:
        folder, dtype, prompt = args.first_logits_of
        return first_logits_of(folder, dtype, json.loads(prompt))
    for name in args.model:
        measure(name, folder_of(name, args.folders), args.work, args.rounds)


if __name__ == "__main__":
    main()
