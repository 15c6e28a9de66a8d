#!/usr/bin/env bash
# Shows that a study which is killed loses nothing: runs the short study once undisturbed and once
# killed (SIGKILL) at random moments, started again every time, and compares all that both wrote,
# byte for byte. Also does it in two parts that are merged. `scripts/kill_resume.sh [KILLS] [SEED]
# [STUDY OPTIONS…]`; 20 kills by default, those that came too late not counted.
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${1:-20}
RANDOM=${2:-1}
shift $(($# < 2 ? $# : 2))
options=(--quick "$@")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --release --locked --bin bias
bias=${CARGO_TARGET_DIR:-target}/release/bias
same() {
    diff -rq --exclude=timing.json --exclude=.lock "$work/whole" "$1" &&
        echo "$2: the same, byte for byte"
}

began=$(date +%s)
"$bias" study "${options[@]}" --out "$work/whole" > /dev/null
whole=$(($(date +%s) - began))
echo "undisturbed: $whole s, $(ls "$work/whole/pieces" | wc -l) pieces"

kill=1
while ((kill <= kills)); do
    # Anything from at once to half of the whole, so that some kills fall into every step.
    wait=$(awk -v r=$RANDOM -v w=$whole 'BEGIN { printf "%.2f", 0.2 + r / 32768 * w / 2 }')
    "$bias" study "${options[@]}" --out "$work/killed" > /dev/null 2>&1 &
    pid=$!
    sleep "$wait"
    if kill -KILL $pid 2> /dev/null; then
        wait $pid 2> /dev/null || true
        printf 'kill %2d after %5.2f s: %3d pieces, %2d half-written files\n' "$kill" "$wait" \
            "$(ls "$work/killed/pieces" 2> /dev/null | wc -l)" \
            "$(find "$work/killed" -name '.unfinished-*' | wc -l)"
        kill=$((kill + 1))
    else
        wait $pid
        printf 'finished within %5.2f s, before the kill; begun anew\n' "$wait"
        same "$work/killed" "killed and resumed"
        rm -rf "$work/killed"
    fi
done
"$bias" study "${options[@]}" --out "$work/killed" > /dev/null
same "$work/killed" "killed $kills times"
"$bias" verify "$work/killed" | head -n 1 | sed "s|$work/||"

"$bias" study "${options[@]}" --shard 0/2 --out "$work/part0" > /dev/null
"$bias" study "${options[@]}" --shard 1/2 --out "$work/part1" > /dev/null
"$bias" study "${options[@]}" --out "$work/merged" --merge "$work/part0" "$work/part1" > /dev/null
same "$work/merged" "two parts, merged"
