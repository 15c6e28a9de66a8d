#!/usr/bin/env bash
# Writes the table of docs/method.md: the largest difference between the scores of
# bias-attrib and those of PyTorch and NumPy, by method and model.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The tests print lines such as `MODEL METHOD/WHAT: off by SHARE of LARGEST`; sorted, the
# largest share of a method and model comes first.
cargo test --workspace --locked --test all golden -- --nocapture --test-threads 2 |
    awk '/: off by / { split($2, what, /[\/:]/); print what[1], $1, $5 }' |
    sort -k1,2 -k3,3gr |
    awk '!seen[$1, $2]++ {
        if (!($1 in cells)) methods[++count] = $1
        if (count == 1) models = models " " $2 " |"
        cells[$1] = cells[$1] " " $3 " |"
    }
    END {
        print "| method |" models
        gsub(/[^|]+/, "---", models)
        print "|---|" models
        for (i = 1; i <= count; i++) print "| " methods[i] " |" cells[methods[i]]
    }' > "$work/table.md"
{
    sed '/<!-- goldens:begin -->/q' docs/method.md
    cat "$work/table.md"
    sed -n '/<!-- goldens:end -->/,$p' docs/method.md
} > "$work/page.md"
cp "$work/page.md" docs/method.md
