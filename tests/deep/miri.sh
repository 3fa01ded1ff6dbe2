#!/usr/bin/env bash
# The unit tests of ring, streams, sessions and values under Miri, which has no undefined behaviour pass, and lets weak
# orderings show on any machine. Not those that are about many rounds, long texts or time: Miri takes a thousand times as
# long, and its clock is not the world's.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-target}"

# By name, so that a new test is in unless it is said why not.
too_long=(
    # Tens of thousands of rounds of several threads each; the models of tests/deep.sh try the same protocols.
    queue::ring::tests::stress no_wake_up_is_lost the_reader_sees_the_push_or_the_producer
    a_reader_is_woken_at_most_once threads_that_reserve_and_give_back no_count_is_forgotten many_threads_take_no_more
    # Hundreds of thousands of numbers.
    over_a_second_of_steady_events of_many_roots_about_one outside_any_span_about_one two_sessions_take_different
    the_largest_number_takes a_full_bucket_gives a_bucket_never_holds the_largest_rates
    # Property tests: hundreds of histories each, and a file for those that failed.
    queue::ring::tests::model by_any_time_no_more
)
skipped=()
for name in "${too_long[@]}"; do skipped+=(--skip "$name"); done

# Isolation would forbid what a session asks for: the time.
CARGO_TARGET_DIR="$target/miri" MIRIFLAGS="-Zmiri-disable-isolation" PROPTEST_CASES=4 \
    cargo +nightly miri test --quiet --lib -- queue:: stream:: session:: value:: "${skipped[@]}"
