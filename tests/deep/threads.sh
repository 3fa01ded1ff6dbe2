#!/usr/bin/env bash
# The tests with several threads under ThreadSanitizer. The standard library is built with it: what is not instrumented
# cannot be seen to order anything.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-target}"

# Not the modules of one thread, of which some try millions of characters.
CARGO_TARGET_DIR="$target/threads" RUSTFLAGS="-Zsanitizer=thread" \
    cargo +nightly test --quiet -Zbuild-std --target "$(rustc -vV | sed -n 's/^host: //p')" \
    --package tracing-tap --lib -- --skip render:: --skip wire:: --skip predicate:: --skip value::
modules=(accounting audit follow health instances limits parents policy rebuild tokio_runtime user_code veto)
CARGO_TARGET_DIR="$target/threads" RUSTFLAGS="-Zsanitizer=thread" \
    cargo +nightly test --quiet -Zbuild-std --target "$(rustc -vV | sed -n 's/^host: //p')" \
    --package tracing-tap --test it -- "${modules[@]/%/::}"
