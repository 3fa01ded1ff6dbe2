#!/usr/bin/env bash
# What the core adds to a service that has `tracing` and `tracing-subscriber` with its defaults and `env-filter`: crates,
# and CPU seconds of a cold dev build, with the core's default features and without `regex`. About three minutes.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
core="$PWD"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# A service with these dependencies besides: its folder.
service() {
    local folder="$work/$1"
    mkdir -p "$folder/src"
    echo 'fn main() {}' >"$folder/src/main.rs"
    cp "$core/Cargo.lock" "$folder/Cargo.lock"
    printf '[package]\nname = "service"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[dependencies]\n%s\n%s\n' \
        'tracing = "0.1"
tracing-subscriber = { version = "0.3", features = ["env-filter"] }' "$2" >"$folder/Cargo.toml"
    echo "$folder"
}

crates() { (cd "$1" && cargo tree --edges normal,build --prefix none | sed 's/ (.*//' | sort -u | grep -vc '^\(service\|tracing-tap\) '); }

# User and system time together.
cpu_seconds() {
    (cd "$1" && TIMEFORMAT='%U %S' && { time CARGO_TARGET_DIR="$1/target" cargo build --quiet 2>/dev/null; } 2>&1) |
        awk '{ print $1 + $2 }'
}

base="$(service base '')"
whole="$(service whole "tracing-tap = { path = \"$core\" }")"
less="$(service less "tracing-tap = { path = \"$core\", default-features = false, features = [\"log\"] }")"
crates_of_base="$(crates "$base")"
seconds_of_base="$(cpu_seconds "$base")"
printf '| features | crates | CPU seconds |\n|---|--:|--:|\n'
for row in "default:$whole" "without \`regex\`:$less"; do
    folder="${row#*:}"
    printf '| %s | +%d | +%.0f |\n' "${row%%:*}" "$(($(crates "$folder") - crates_of_base))" \
        "$(awk "BEGIN { print $(cpu_seconds "$folder") - $seconds_of_base }")"
done
