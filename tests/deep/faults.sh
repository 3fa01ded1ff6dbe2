#!/usr/bin/env bash
# The long forms of what tests/it/faults.rs tries in short, and the figures of all: about a minute.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."

# One after the other, each printing its figures. A reader is stopped for 30 s, with the endpoint's usual patience of 15 s.
TRACING_TAP_TEST_STOPPED_SECONDS=30 timeout 600 cargo nextest run --package tracing-tap --package tracing-tap-web --test it --no-capture faults::
