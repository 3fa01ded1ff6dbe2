#!/usr/bin/env bash
# A service under churn of connections, sessions and readers for so many minutes (10 if not said): memory, descriptors
# and threads stay flat after the warm-up, and the account is exact at the end. Fails otherwise. Prints a table.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

minutes="${1:-10}"
cargo bench --quiet --package tracing-tap-web --bench soak --no-run
timeout "$(awk "BEGIN { print int($minutes * 60) + 300 }")" cargo bench --quiet --package tracing-tap-web --bench soak -- "$minutes"
