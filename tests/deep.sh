#!/usr/bin/env bash
# The long checks, in addition to tests/run.sh: each ordering of the protocols between threads weakened, the interpreter and the
# sanitizer that look for races, thousands of random histories, fuzzing, mutation testing, faults in their long forms, other
# tools that read our lines, and the supply chain.
# Stops at the first that fails. Needs Rust's nightly for the interpreter, the sanitizer and fuzzing.
#
# Each step builds into a folder of its own, so that neither the others nor the inner loop build again.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

current="the beginning"
trap 'printf "\n== FAILED in: %s (after %s s)\n" "$current" "$SECONDS" >&2' ERR
step() { current="$*"; printf '\n== %s (after %s s)\n' "$*" "$SECONDS"; }

# Components of the nightly toolchain, where there is one to be had.
nightly_component() {
    command -v rustup >/dev/null || { echo "rustup is missing: see https://rustup.rs" >&2; return 1; }
    rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
    rustup component add "$@" --toolchain nightly
}

step "each ordering weakened: its model must fail"
tests/deep/weaken.sh

step "the interpreter, over the modules of the protocols and of values"
nightly_component miri rust-src
tests/deep/miri.sh

step "the sanitizer for threads, over the tests with several"
tests/deep/threads.sh

step "lints, feature by feature"
for feature in log regex signal prometheus tokio usdt; do
    cargo clippy --quiet --package tracing-tap --all-targets --no-default-features --features "$feature" -- --deny warnings
done
for feature in cpu forms flamegraph; do
    cargo clippy --quiet --package tracing-tap-profile --lib --no-default-features --features "$feature" -- --deny warnings
done
for crate in web nats otel; do
    cargo clippy --quiet --package "tracing-tap-$crate" --lib --no-default-features -- --deny warnings
done
cargo clippy --quiet --package demo --all-targets -- --deny warnings
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/a-tree" RUSTFLAGS="--cfg a_tree" \
    cargo clippy --quiet --package bench-paths --all-targets -- --deny warnings

step "next to dependencies that a whole build would get, each in a package of its own"
cargo nextest run --package tracing-tap --test it --ignore-default-filter compiled_out:: neighbours::bunyan:: \
    neighbours::console:: neighbours::tokio_tracing::

step "the core without records of log"
cargo nextest run --package tracing-tap --no-default-features --test it log_bridge::

step "tests as plain cargo test runs them, many to a process"
cargo test --quiet --workspace --all-features

step "the page for a minute at 1,000 events a second"
TRACING_TAP_PAGE_SECONDS=60 cargo nextest run --package tracing-tap-web --test it browser::pressing::

step "3,000 histories of each kind against the slow evaluator, and next to other layers"
TRACING_TAP_ORACLE_CASES=3000 TRACING_TAP_TRANSPARENCY_CASES=3000 \
    cargo nextest run --package tracing-tap --all-features --no-fail-fast --test it oracle:: transparency::

step "benches run"
cargo bench --quiet --bench paths -- "idle: disabled event"
cargo bench --quiet --bench service -- --pairs 1 --slice-ms 100 "1 session, 1 % of the traffic"
cargo bench --quiet --bench memory
cargo bench --quiet --package tracing-tap-web --bench endpoint -- "paced: 1 curl, lines"

step "the demo, for two seconds"
cargo run --quiet --release --package demo -- --connections 200 --seconds 2 | tail -n 12

step "packages build on their own"
cargo package --quiet --allow-dirty --workspace --exclude demo --exclude testing

step "fuzzing"
tests/deep/fuzz.sh

# All of them take hours: MUTANTS chooses a part, such as "src/session/governor.rs src/queue".
if [ -n "${MUTANTS:-}" ]; then
    step "each function weakened: a test must fail"
    # shellcheck disable=SC2086 # several words are several options
    tests/deep/mutants.sh $MUTANTS
fi

step "every fault with its figures, a reader stopped for 30 s among them"
tests/deep/faults.sh

step "other tools read our lines of JSON"
tests/deep/tools.sh

step "supply chain"
tests/deep/supply.sh

printf '\n== all is well, after %s s\n' "$SECONDS"
