#!/usr/bin/env bash
# Mutation testing: each function of the files below is weakened in turn, and some test must fail. What no test notices must be
# listed in tests/deep/mutants.txt, with the reason in docs/reliability.md.
#
# All of it takes a night. A part: tests/deep/mutants.sh core|web|nats|profile [options of cargo-mutants, such as --shard 0/16 or
# --file src/predicate/compiled.rs].
set -Eeuo pipefail
cd "$(dirname "$0")/../.."

cargo mutants --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-mutants --version 27.1.0

found="$(mktemp -d)"
trap 'rm -rf "$found"' EXIT

# A crate, the tests that look at it, and its files.
run() {
    local package="$1" tests="$2"
    shift 2
    local files=()
    while [ "$#" -gt 0 ] && [ "$1" != -- ]; do
        files+=(--file "$1")
        shift
    done
    shift
    # Options that name files choose among all.
    [[ " $* " != *" --file "* ]] || files=()
    # An exit of 2 says that some were missed: that is for the list to judge.
    cargo mutants --package "$package" --output "$found" --test-tool nextest --jobs 1 --timeout 300 --colors never \
        --no-shuffle "${files[@]}" "$@" -- --all-features --lib --test it -E "$tests" || [ "$?" -eq 2 ]
    # Places change with every line that is added: a mutant is named by its file and its words.
    sed -E 's/:[0-9]+:[0-9]+: /: /' "$found/mutants.out/missed.txt" | sort >"$found/$package"
    if comm -23 "$found/$package" <(sort tests/deep/mutants.txt) | grep .; then
        echo "No test notices these, and tests/deep/mutants.txt does not list them." >&2
        return 1
    fi
}

core='kind(lib) or test(/^(oracle|cost|limits|follow|veto|policy|accounting|equality|parents|user_code|filter_bits|intervals|look_back)::/)'
part="${1:-all}"
[ "$#" -eq 0 ] || shift
case "$part" in
core | all)
    run tracing-tap "$core" 'src/predicate/*.rs' 'src/session/**/*.rs' 'src/layer/**/*.rs' 'src/queue/**/*.rs' \
        'src/intervals/*.rs' 'src/past/**/*.rs' -- "$@"
    ;;&
web | all)
    run tracing-tap-web 'kind(lib) or test(/^(endpoint|hostile)::/)' crates/tracing-tap-web/src/{security,auth}.rs -- "$@"
    ;;&
nats | all)
    run tracing-tap-nats all\(\) crates/tracing-tap-nats/src/{seal,key,member,replay,propagation/{baggage,hosts,memory,token}}.rs -- "$@"
    ;;&
profile | all)
    run tracing-tap-profile all\(\) 'crates/tracing-tap-profile/src/**/*.rs' -- "$@"
    ;;&
core | web | nats | profile | all) ;;
*)
    echo "unknown part: $part" >&2
    exit 1
    ;;
esac
