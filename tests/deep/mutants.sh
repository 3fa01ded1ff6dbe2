#!/usr/bin/env bash
# Mutation testing: the code of some files is weakened in one place after another, and some test must fail. What no test
# notices must be in tests/deep/mutants.txt, with the reason. tests/deep/mutants-runs.txt says which files were run, at which
# commit, and what came of it.
#
#   tests/deep/mutants.sh [--seconds N] [--workers N] [--tests REGEX] core|web|nats|PATH...
#
# All mutants of cargo-mutants are built at once and chosen by a variable when the tests run, see
# tests/deep/mutants/schema.py. Each test is asked once which of them it reaches, and a mutant is run by these tests alone,
# the likeliest first. So a file takes minutes, most of them for the builds. `--seconds` bounds what tests a mutant may
# survive, in seconds that they take without it (600 if it is not given): 4 of them find most, 600 prove a survivor. `--tests`
# leaves out all tests but those of these names.
#
# Mutants of constants cannot be chosen at run time: `cargo mutants --file PATH` runs those.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."

cargo mutants --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-mutants --version 27.1.0
python3 -c 'import venv, ensurepip' || { echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1; }
target="$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')"
python3 -m venv "$target/mutants-venv"
"$target/mutants-venv/bin/pip" install --quiet --disable-pip-version-check tree-sitter==0.26.1 tree-sitter-rust==0.24.2

words=()
for word in "$@"; do
    case "$word" in
    core) words+=(src/queue src/session src/predicate src/past src/layer) ;;
    web) words+=(crates/tracing-tap-web/src/security.rs crates/tracing-tap-web/src/auth.rs) ;;
    nats) words+=(crates/tracing-tap-nats/src) ;;
    *) words+=("$word") ;;
    esac
done
[ "${#words[@]}" -gt 0 ] || { sed -n 's/^#   //p' "$0" >&2; exit 1; }
PYTHONDONTWRITEBYTECODE=1 exec "$target/mutants-venv/bin/python" tests/deep/mutants "${words[@]}"
