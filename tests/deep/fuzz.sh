#!/usr/bin/env bash
# Each fuzz target for so many seconds, 300 unless told. What is new is thrown away, but for what crashes: that is left in
# fuzz/artifacts, and becomes a test before it is mended.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
seconds="${1:-300}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/fuzz"

# Built for what it is needed for here: without optimisation, it is there in a fraction of the time.
cargo fuzz --version 2>/dev/null || cargo install --quiet --locked cargo-fuzz --version 0.13.2 --profile dev --config profile.dev.debug=0

found="$(mktemp -d)"
trap 'rm -rf "$found"' EXIT
for target in predicate_text predicate_matches rendering door; do
    dictionary=()
    [ ! -f "fuzz/$target.dict" ] || dictionary=("-dict=fuzz/$target.dict")
    mkdir "$found/$target"
    # No input needs much memory or time, whatever it is.
    cargo +nightly fuzz run "$target" "$found/$target" "fuzz/corpus/$target" -- -max_total_time="$seconds" -timeout=60 \
        -rss_limit_mb=2048 -malloc_limit_mb=128 -max_len=4500 -verbosity=0 -print_final_stats=1 "${dictionary[@]}"
done
