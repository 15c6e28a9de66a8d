"""Compares two files of answers (bias audit --save-answers) of the same questions.

    compare.py [--samples] LOCAL.csv HOSTED.csv

It prints the largest difference in probability between answers that both have, the most probable answer
that HOSTED has not (a server lists some alternatives only), and how far the probability differs in
total (half the sum of all differences). What a server does not list is unexplored, so its probabilities
may be too small; it also prints by how much one is too large, at most. With --samples, HOSTED has counts: it prints the
share of answers whose count lies within two standard errors of what LOCAL says.
"""

import csv
import sys
from collections import defaultdict


def read(path):
    people = defaultdict(lambda: defaultdict(float))
    for line in csv.DictReader(open(path, newline="")):
        key = (line["scenario"], line["variation"], line["name_group"], line["name"])
        people[key][line["response"].strip()] += float(line.get("probability") or line["count"])
    return people


samples = "--samples" in sys.argv
local, hosted = (read(path) for path in sys.argv[-2:])
assert local.keys() == hosted.keys(), "the files are of other people"
worst, missing, above, totals, within, count = (0.0, ""), (0.0, ""), 0.0, [], 0, 0
for key, own in local.items():
    other = hosted[key]
    drawn = sum(other.values()) if samples else 1.0
    apart = 0.0
    for text in own.keys() | other.keys():
        p, q = own.get(text, 0.0), other.get(text, 0.0) / drawn
        apart += abs(p - q) / 2
        above = max(above, q - p)
        shown = f"{key[-1]}: {text!r} {p:.4f} {q:.4f}"
        if q == 0 and not samples:
            missing = max(missing, (p, shown))
        else:
            worst = max(worst, (abs(p - q), shown))
        if samples and p > 5 / drawn:
            count += 1
            within += abs(p - q) <= 2 * (p * (1 - p) / drawn) ** 0.5
    totals.append(apart)
print(f"{len(local)} people; largest difference {worst[0]:.5f} ({worst[1]})")
print(f"none is too large by more than {above:.5f}")
if missing[1]:
    print(f"not listed by the server, at most {missing[0]:.5f} ({missing[1]})")
print(f"total difference per person: mean {sum(totals) / len(totals):.5f}, most {max(totals):.5f}")
if samples:
    print(f"{within} of {count} frequent answers within two standard errors")
