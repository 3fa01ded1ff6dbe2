#!/usr/bin/env bash
# The long checks, beside tests/run.sh: models of the protocols between threads, each of their orderings weakened, and the
# interpreter and the sanitizer that look for races. Stops at the first that fails. Needs Rust's nightly for the last two.
#
# Each step builds into a folder of its own, so that neither the others nor the inner loop build anew.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

current="the beginning"
trap 'printf "\n== FAILED in: %s (after %s s)\n" "$current" "$SECONDS" >&2' ERR
step() { current="$*"; printf '\n== %s (after %s s)\n' "$*" "$SECONDS"; }
target="${CARGO_TARGET_DIR:-target}"

# Components of the nightly toolchain, where there is one to be had.
nightly_component() {
    command -v rustup >/dev/null || { echo "rustup is missing: see https://rustup.rs" >&2; return 1; }
    rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
    rustup component add "$@" --toolchain nightly
}

step "every history of the protocols between threads, within the bounds that their models state"
CARGO_TARGET_DIR="$target/loom" RUSTFLAGS="--cfg loom" cargo test --quiet --release --lib loom_

step "each ordering weakened: its model must fail"
tests/deep/weaken.sh

step "the interpreter, over the modules of the protocols and of values"
nightly_component miri rust-src
tests/deep/miri.sh

step "the sanitizer for threads, over the tests with several"
tests/deep/threads.sh

step "a reader that is stopped for 30 s"
tests/deep/faults.sh

step "supply chain"
tests/deep/supply.sh

printf '\n== all is well, after %s s\n' "$SECONDS"
