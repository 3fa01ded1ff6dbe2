#!/usr/bin/env bash
# Everything an ordinary change needs, on a fresh machine with only Rust and apt: installs what is missing, then runs
# formatting, lints, tests, doc tests, docs, examples, the fuzz corpus, the instructions of every path and the demo.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "what is needed"
command -v cc >/dev/null || { apt-get update -qq && apt-get install -y -qq gcc libc6-dev; }
command -v valgrind >/dev/null || { apt-get update -qq && apt-get install -y -qq valgrind; }
rustup component add rustfmt clippy >/dev/null 2>&1 || true
cargo fmt --version && cargo clippy --version
cargo nextest --version >/dev/null 2>&1 || cargo install --locked cargo-nextest

step "formatting"
cargo fmt --all --check

step "lints, over the feature sets"
for features in "" "--features log" "--features cli" "--all-features"; do
    cargo clippy --quiet --all-targets $features -- --deny warnings
done

step "the core builds alone"
cargo build --quiet --no-default-features --lib

step "tests, each in its own process"
cargo nextest run --all-features

step "tests, as plain cargo test runs them"
cargo test --quiet --all-features

step "docs"
RUSTDOCFLAGS="--deny warnings" cargo doc --quiet --no-deps --all-features --document-private-items

step "examples"
for example in examples/*.rs; do
    cargo run --quiet --example "$(basename "$example" .rs)" >/dev/null
done

step "benches build, and one path runs"
cargo bench --quiet --bench paths -- "idle: disabled event"
cargo bench --quiet --bench memory

step "instructions of every path, against their bounds"
cargo bench --quiet --bench paths -- --instructions

step "the demo, for two seconds"
cargo run --quiet --release --features cli -- demo --connections 200 --seconds 2 | tail -n 12

step "the package"
cargo package --quiet --allow-dirty --no-verify --list >/dev/null
