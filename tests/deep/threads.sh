#!/usr/bin/env bash
# The tests with several threads under ThreadSanitizer. The standard library is built with it: what is not instrumented
# cannot be seen to order anything.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-target}"

CARGO_TARGET_DIR="$target/threads" RUSTFLAGS="-Zsanitizer=thread" \
    cargo +nightly test --quiet -Zbuild-std --target "$(rustc -vV | sed -n 's/^host: //p')" \
    --lib --test accounting --test limits --test follow --test instances
