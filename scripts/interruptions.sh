#!/usr/bin/env bash
# Kills `bias study`, `generalize`, `attribute`, `prune`, `frameworks`, `capture`, `audit` and `audit
# --hosted` at random calls to the system, and makes such calls fail (a full disk, no memory, …),
# again and again, and checks that nothing is lost: what is there under its name is whole, the umask
# is kept, and the next run ends with the same bytes. One line per command says at how many points
# each kind was tried, of how many that there are. Linux on x86-64.
#
#   scripts/interruptions.sh [POINTS]       points of each kind [default: 50]
set -euo pipefail
cd "$(dirname "$0")/.."
export INTERRUPTIONS=${1:-50}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if cargo test --workspace --locked --test all interrupted -- --nocapture --test-threads 1 > "$log"; then
    grep -E '^(study|generalize|attribute|prune|frameworks|capture|audit) ' "$log"
else
    cat "$log"
    exit 1
fi
