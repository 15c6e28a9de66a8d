"""Prints a few lines of a prompt file: two questions that are answered by a small number, a choice in a chat,
or a choice behind a raw prompt, and two people of each side.

    few.py FILE number|choice|raw
"""

import csv
import sys

lines = list(csv.DictReader(open(sys.argv[1], newline="")))
kept = [column for column in lines[0] if column not in ("split", "name_split")]
out = csv.DictWriter(sys.stdout, kept, lineterminator="\n", extrasaction="ignore")
out.writeheader()
variations, people = [], {}
for line in lines:
    kind = "raw" if line["raw"] == "true" else "choice" if line["choices"] else "number"
    if kind != sys.argv[2]:
        continue
    side = line["name_group"].split("_")[0]
    if kind == "number" and line["answer_prefix"].endswith("$"):
        continue  # Prices have too many digits to ask for all of them.
    key = (line["scenario"], line["variation"])
    if side not in ("white", "black") or (key not in variations and len(variations) == 2):
        continue
    if key not in variations:
        variations.append(key)
    known = people.setdefault((key, side), set())
    if line["name"] in known or len(known) == 2:
        continue
    known.add(line["name"])
    out.writerow(line)
