#!/usr/bin/env bash
# What the crates are made of, and what others build on: dependencies, versions, features, the public interface. Installs
# what is missing. Most of the time goes into building tools and feature sets.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."

current="the beginning"
trap 'printf "\n== FAILED in: %s\n" "$current" >&2' ERR
step() { current="$*"; printf '\n== %s\n' "$*"; }
skipped() { printf 'SKIPPED: %s\n' "$*"; }

# Built for what it is needed for here: without optimisation, it is there in a fraction of the time.
tool() {
    cargo "$1" --version 2>/dev/null | grep -F "$2" ||
        cargo install --quiet --locked "cargo-$1" --version "$2" --profile dev --config profile.dev.debug=0
}

# A toolchain, if it can be had.
toolchain() { cargo "+$1" --version 2>/dev/null || { command -v rustup >/dev/null && rustup toolchain install "$1" --profile minimal; }; }

# What others get. The interface of the core alone is held against a list: those of the satellites speak of the crates that
# they connect it to.
libraries="tracing-tap tracing-tap-web tracing-tap-nats tracing-tap-otel tracing-tap-profile"
unpublished="--exclude demo --exclude testing --exclude bench-paths"

# A copy of what git knows, for what would change the manifest or the lock file.
copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT
target="$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')"

step "licences, bans, duplicates and sources of all dependencies"
tool deny 0.20.2
cargo deny --workspace --all-features check --hide-inclusion-graph licenses bans sources

step "advisories"
if git ls-remote --quiet --exit-code https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; then
    cargo deny --workspace --all-features check --hide-inclusion-graph advisories
else
    skipped "the database of advisories cannot be reached from here; run this step where it can"
fi

step "types of other crates in the public interface: those of tests/deep/external-types.toml and no others"
if toolchain nightly; then
    tool check-external-types 0.5.0
    cargo +nightly check-external-types --manifest-path Cargo.toml --all-features --config tests/deep/external-types.toml
else
    skipped "there is no nightly toolchain, which alone writes the interface down"
fi

# The baseline is the last release: the newest tag of a version. A revision rather than a file of what rustdoc says of it,
# whose format changes with each nightly. Before the first release anything may change, and there is nothing to compare.
step "the public interface against that of the last release"
tool semver-checks 0.51.0
release="$(git tag --list 'v[0-9]*' --sort=-version:refname | head -n 1)"
for library in $libraries; do
    if [ -n "$release" ]; then
        cargo semver-checks --package "$library" --all-features --baseline-rev "$release"
    else
        skipped "there is no release of $library yet"
        # That the tool reads this crate is checked all the same: against itself nothing has changed.
        cargo semver-checks --package "$library" --all-features --baseline-rev HEAD --release-type patch
    fi
done

step "every combination of features, up to three at a time"
tool hack 0.6.46
# Not without the dependencies of tests: the tool would take them out of the manifest for as long as it runs.
# shellcheck disable=SC2086 # several words are several options
cargo hack check --quiet --workspace $unpublished --feature-powerset --depth 3 --lib

step "the oldest Rust of Cargo.toml"
oldest="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)"
if toolchain "$oldest"; then
    # shellcheck disable=SC2086 # several words are several options
    CARGO_TARGET_DIR="$target/oldest" cargo "+$oldest" check --quiet --locked --workspace $unpublished --all-features
else
    skipped "Rust $oldest cannot be had here; tests/it/msrv.rs checks what can be checked without"
fi

step "the oldest versions of dependencies that the Cargo.toml of the core allows"
if toolchain nightly; then
    git archive HEAD | tar -x -C "$copy"
    # The core alone: the oldest that one crate allows is often older than what another needs.
    (cd "$copy" && rm -rf fuzz tests benches examples crates)
    awk '/^\[/ { keep = !/dev-dependencies\]|^\[\[(bench|example|test)\]\]/ } keep && !/^(default-)?members/' Cargo.toml >"$copy/Cargo.toml"
    (cd "$copy" && cargo +nightly update --quiet -Z direct-minimal-versions && CARGO_TARGET_DIR="$target/oldest-dependencies" cargo check --quiet --all-features)
else
    skipped "there is no nightly toolchain, which alone chooses them"
fi

printf '\n== the supply chain is well, after %s s\n' "$SECONDS"
