#!/usr/bin/env bash
# The unit tests of ring, streams, sessions and values under Miri, which has no undefined behaviour pass, and lets weak
# orderings show on any machine. Those with several threads try less than natively (`sync::tries`), under several seeds.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-target}"

# By name, so that a new test is in unless it is said why not: all that is about hundreds of thousands of numbers in one
# thread, of which Miri does some thousands a second, and histories of one thread that the model of the ring was tried with.
skipped=()
for name in over_a_second_of_steady_events of_many_roots_about_one outside_any_span_about_one the_largest_number_takes \
    queue::ring::tests::model by_any_time_no_more; do
    skipped+=(--skip "$name")
done

# Isolation would forbid what a session asks for: the time.
miri() {
    CARGO_TARGET_DIR="$target/miri" MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-seed=$1" PROPTEST_CASES=4 \
        cargo +nightly miri test --quiet --lib -- "${@:2}" "${skipped[@]}"
}

miri 0 queue:: stream:: session:: value::
# Each seed is another order of threads, and of what weak loads see.
for seed in 1 2; do
    miri "$seed" stress queue::wait many_threads threads_that_reserve no_count_is_forgotten
done
