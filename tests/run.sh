#!/usr/bin/env bash
# Everything an ordinary change needs, on a fresh machine with only Rust and apt: installs what is missing, then runs
# formatting, lints, tests, doc tests, docs, the models of the protocols between threads, and the instructions of every
# path. Stops at the first that fails. What is slow and rarely fails is in tests/deep.sh.
#
# The models and the instructions need no timing, and each builds into a folder that nothing else writes to: both run beside
# the tests, on what those leave of the processors. Tests that the system forbids are skipped and listed at the end; with CI
# set they fail.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

current="the beginning"
trap 'printf "\n== FAILED in: %s (after %s s)\n" "$current" "$SECONDS" >&2' ERR
notes="$(mktemp -d)"
beside=""
trap 'if [ -n "$beside" ]; then kill -- "-$beside" 2>/dev/null || true; fi; rm -rf "$notes"' EXIT
export TRACING_TAP_SKIPPED="$notes/skipped"
step() { current="$*"; printf '\n== %s (after %s s)\n' "$*" "$SECONDS"; }
missing() { printf '%s is missing: %s\n' "$1" "$2" >&2; return 1; }
has() { command -v "$1" >/dev/null; }

# Needs root, or `sudo`.
apt_install() {
    has apt-get || missing "$1" "install it with this system's packages"
    local as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo"
    $as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "$@"
}

# A component of the toolchain in use; where there is no rustup, Rust is from apt, and so is this.
toolchain_component() {
    cargo "$1" --version 2>/dev/null && return
    if has rustup; then rustup component add "$2"; else apt_install "$3"; fi
    cargo "$1" --version
}

step "what is needed"
has cargo || missing "Rust" "see https://rustup.rs"
has cc || apt_install gcc libc6-dev
has valgrind || apt_install valgrind
has curl || apt_install curl
has chromedriver || apt_install chromium chromium-driver
has bpftrace || apt_install bpftrace
has nats-server || apt_install nats-server
# Partitions of a network are made with it, by root alone; else the tests stall a proxy.
has ip || apt_install iproute2
toolchain_component fmt rustfmt rustfmt
toolchain_component clippy clippy rust-clippy
# Built for what it is needed for here: without optimisation, it is there in a fraction of the time. The version is one
# that the oldest Rust of Cargo.toml can build.
cargo nextest --version 2>/dev/null || cargo install --locked cargo-nextest --version 0.9.114 \
    --no-default-features --features default-no-update --profile dev --config profile.dev.debug=0
cargo fetch --quiet --locked

step "formatting"
cargo fmt --all --check

step "lints: the workspace, then the bare core"
cargo clippy --quiet --workspace --all-targets --all-features -- --deny warnings
cargo clippy --quiet --package tracing-tap --lib --no-default-features -- --deny warnings

models() {
    CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom" RUSTFLAGS="--cfg loom" \
        cargo test --quiet --profile loom --package tracing-tap --lib loom_
}
instructions() { cargo bench --quiet --profile counts --bench paths -- --bounds; }

# A process group of its own, which is ended with this script.
set -m
(
    set +m -e
    trap - ERR
    renice -n 19 -p "$BASHPID" >/dev/null
    models
    echo "the models ended after $SECONDS s" >>"$notes/beside"
    instructions
    echo "the instructions ended after $SECONDS s" >>"$notes/beside"
) >"$notes/output" 2>&1 &
beside="$!"
set +m

step "tests, each in its own process: fuzz corpora, examples and the demo among them"
# Most of them wait most of the time. .config/nextest.toml lists those that count as several.
cargo nextest run --workspace --all-features --no-fail-fast --status-level slow --final-status-level fail \
    --test-threads "$((4 * $(nproc)))"

step "doc tests"
cargo test --quiet --doc --workspace --all-features

step "docs"
RUSTDOCFLAGS="--deny warnings" cargo doc --quiet --no-deps --workspace --all-features --document-private-items --exclude demo --exclude testing

step "beside that: every history of the protocols between threads within the bounds of the models, instructions against bounds"
wait "$beside" || { cat "$notes/output" >&2; false; }
beside=""
cat "$notes/output" "$notes/beside"

if [ -s "$TRACING_TAP_SKIPPED" ]; then
    printf '\n== skipped, because this system forbids what they need:\n'
    sort "$TRACING_TAP_SKIPPED"
fi

printf '\n== all is well, after %s s\n' "$SECONDS"
