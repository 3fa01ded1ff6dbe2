#!/usr/bin/env bash
# Weakens each ordering of tests/deep/orderings.txt in a copy of the sources, and fails where a model does not: one that is
# blind to what it is named for proves nothing. `weaken.sh PART` does those whose line contains it.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
list="$PWD/tests/deep/orderings.txt"
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")/weakened"
copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT
cp -r Cargo.toml Cargo.lock README.md src benches crates examples "$copy"
# What every line begins from, whatever is edited meanwhile.
cp -r src "$copy/unchanged"

# Only as much optimised as makes a build short. The checker's output is not of interest, only its verdict.
verdict() {
    (cd "$copy" && CARGO_TARGET_DIR="$target" RUSTFLAGS="--cfg loom" CARGO_PROFILE_RELEASE_DEBUG=0 \
        CARGO_PROFILE_RELEASE_INCREMENTAL=true CARGO_PROFILE_RELEASE_CODEGEN_UNITS=64 \
        cargo test --quiet --release --lib "$1" >"$copy/output" 2>&1)
}

blind=0
# shellcheck disable=SC2116,SC2086
while IFS='|' read -r file from to model; do
    file="$(echo $file)" model="$(echo $model)" from="${from# }" to="${to# }"
    from="${from% }" to="${to% }"
    cp -r "$copy/unchanged/." "$copy/src"
    # In the list a line's end is \n.
    FROM="$(printf '%b' "$from")" TO="$(printf '%b' "$to")" perl -0pi -e '$n = s/\Q$ENV{FROM}\E/$ENV{TO}/g; die "$ENV{FROM} is there $n times\n" if $n != 1' \
        "$copy/src/$file"
    if verdict "$model"; then
        blind=$((blind + 1))
        echo "NOT NOTICED by $model: $file: $from -> $to" >&2
        continue
    fi
    # What a failing model holds may panic once more when it is dropped, which ends the process.
    grep -q "panicked at" "$copy/output" || { tail -n 30 "$copy/output" >&2; exit 1; }
    echo "$file: $from -> $to: noticed by $model (after $SECONDS s)"
done < <(grep -v '^#' "$list" | grep -F -- "${1:-|}")
[ "$blind" = 0 ]
