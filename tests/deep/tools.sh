#!/usr/bin/env bash
# Other tools read our lines of JSON: DuckDB, Polars and jq, as `src/wire/mod.rs` says under "Other tools". Makes an
# environment of Python with the two for itself.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."

command -v jq >/dev/null || { echo "jq is missing: apt-get install jq" >&2; exit 1; }
python3 -c 'import venv, ensurepip' || { echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1; }

cargo nextest run --package tracing-tap --test it json::tools::
target="$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')"
lines="$target/tmp/json-lines"

python3 -m venv "$target/tools-venv"
"$target/tools-venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 polars==2.1.0
"$target/tools-venv/bin/python" tests/deep/tools.py "$lines"

same() { [ "$1" = "$2" ] || { printf 'jq says %s, and %s is right\n' "$1" "$2" >&2; exit 1; }; }
for file in lines short strings; do
    same "$(jq --slurp length "$lines/$file.jsonl")" 17
    same "$(jq --raw-output 'select(.span.name == "conn") | .span["name#1"]' "$lines/$file.jsonl")" alice
    same "$(jq --slurp 'map(.count // 0) | add' "$lines/$file.jsonl")" 11
done
# 1.6 rounds the numbers, 1.7 does not: so what is asked for as strings is exact in each.
same "$(jq --raw-output 'select(.sequence == 0 and .session == 1) | .fields.unsigned' "$lines/strings.jsonl")" 18446744073709551615
same "$(jq --raw-output 'select(.sequence == 0 and .session == 1) | .fields.odd' "$lines/strings.jsonl")" 9007199254740993
echo "DuckDB, Polars and $(jq --version) read every line"
