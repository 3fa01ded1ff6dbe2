#!/usr/bin/env bash
# The long forms of what tests/faults.rs tries in short: about two minutes.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."

# A reader that is stopped for 30 s and continued, with the door's usual patience of 15 s. It prints its figures.
TRACING_TAP_TEST_STOPPED_SECONDS=30 timeout 600 cargo nextest run --all-features --test faults --no-capture \
    readers::a_reader_that_is_stopped_and_continued_costs_bounded_memory_and_nobody_else_anything
