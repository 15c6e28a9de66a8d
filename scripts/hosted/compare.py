"""Compares two files of answers (bias audit --save-answers) of the same questions.

    compare.py [--samples] LOCAL.csv HOSTED.csv

It prints the largest difference in probability between answers that both have, and the most probable
answer that HOSTED has not. What a server does not tell is unexplored: other tokens than it lists, and with
some servers the end of an answer. So its probabilities are lower bounds, and with what is unexplored added
they are upper bounds; it prints how far LOCAL lies outside of these, and by how much the probabilities differ
in total (half the sum of all differences). With --samples, HOSTED has counts: it prints the share of answers
whose count lies within two standard errors of what LOCAL says.
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
worst, missing, outside, totals, within, count = (0.0, ""), (0.0, ""), 0.0, [], 0, 0
for key, own in local.items():
    other = hosted[key]
    drawn = sum(other.values()) if samples else 1.0
    apart, untold = 0.0, max(0.0, 1.0 - sum(other.values()) / drawn)
    for text in own.keys() | other.keys():
        p, q = own.get(text, 0.0), other.get(text, 0.0) / drawn
        apart += abs(p - q) / 2
        outside = max(outside, q - p, p - q - untold)
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
if not samples:
    print(f"outside of what the server leaves open by {outside:.5f} at most")
if missing[1]:
    print(f"not listed by the server, at most {missing[0]:.5f} ({missing[1]})")
print(f"total difference per person: mean {sum(totals) / len(totals):.5f}, most {max(totals):.5f}")
if samples:
    print(f"{within} of {count} frequent answers within two standard errors")
