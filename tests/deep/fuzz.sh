#!/usr/bin/env bash
# Each fuzz target for so many seconds, 300 by default, or only those named after it. What is new is thrown away, but for
# what crashes: that is left in fuzz/artifacts, and becomes a test before it is mended.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
seconds="${1:-300}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/fuzz"

# Built for what it is needed for here: without optimisation, it is there in a fraction of the time.
cargo fuzz --version 2>/dev/null || cargo install --quiet --locked cargo-fuzz --version 0.13.2 --profile dev --config profile.dev.debug=0

# A target, its corpus and its dictionary: some share them, since they check the same inputs in another way.
targets=(
    "predicate_text predicate_text predicate_text"
    "predicate_regex predicate_regex predicate_text"
    "predicate_matches predicate_matches none"
    "predicate_vetoes predicate_matches none"
    "rendering rendering rendering"
    "rendering_yaml rendering rendering"
    "wire wire rendering"
    "recording recording rendering"
    "endpoint endpoint endpoint"
    "fleet fleet fleet"
    "profile profile profile"
)

found="$(mktemp -d)"
trap 'rm -rf "$found"' EXIT
for line in "${targets[@]}"; do
    read -r target corpus dictionary <<<"$line"
    [[ $# -lt 2 || " ${*:2} " == *" $target "* ]] || continue
    options=()
    [ "$dictionary" = none ] || options=("-dict=fuzz/$dictionary.dict")
    mkdir "$found/$target"
    # No input needs much memory or time, whatever it is. Without the sanitizer for addresses: the code is safe, and three
    # times as many inputs are tried. Nor does the fuzzer weigh inputs by how rare their features are: in a large program
    # that takes more time than the inputs themselves.
    cargo +nightly fuzz run --sanitizer none "$target" "$found/$target" "fuzz/corpus/$corpus" -- -max_total_time="$seconds" \
        -entropic=0 -timeout=60 -rss_limit_mb=2048 -malloc_limit_mb=128 -max_len=4500 -verbosity=0 -print_final_stats=1 "${options[@]}"
done
