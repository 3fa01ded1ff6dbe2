//! The minimum supported Rust version, as far as one toolchain can check it: clippy's `incompatible_msrv` (Cargo.toml)
//! covers what is used of the standard library; this covers what the dependencies of the published crates say they need.

use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::process::Command;

fn metadata() -> Value {
    // Not offline: on a fresh machine, what other platforms need has not been fetched for any build.
    let arguments = ["metadata", "--format-version", "1", "--all-features", "--locked"];
    let output = Command::new(env!("CARGO")).args(arguments).output().expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn version(value: &Value) -> Vec<u64> {
    let mut parts: Vec<u64> = text(value).split('.').filter_map(|part| part.parse().ok()).collect();
    parts.resize(3, 0);
    parts
}

/// The packages that the published crates are built from, by id, tests apart.
fn needed<'a>(metadata: &'a Value, published: Vec<&'a str>) -> HashSet<&'a str> {
    let nodes: HashMap<_, _> =
        list(&metadata["resolve"]["nodes"]).iter().map(|node| (text(&node["id"]), node)).collect();
    let (mut needed, mut waiting) = (HashSet::new(), published);
    while let Some(id) = waiting.pop() {
        if needed.insert(id) {
            let dependencies = list(&nodes[id]["deps"]).iter();
            let built =
                dependencies.filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| text(&kind["kind"]) != "dev"));
            waiting.extend(built.map(|dep| text(&dep["pkg"])));
        }
    }
    needed
}

#[test]
fn no_dependency_needs_a_newer_rust_than_stated() {
    let metadata = metadata();
    let packages: HashMap<_, _> =
        list(&metadata["packages"]).iter().map(|package| (text(&package["id"]), package)).collect();
    let members = list(&metadata["workspace_members"]).iter().map(text);
    // `publish = false` is an empty list.
    let published: Vec<_> = members.filter(|id| packages[id]["publish"].is_null()).collect();
    assert_eq!(published.len(), 6, "{published:?}");
    let stated = version(&packages[published[0]]["rust_version"]);
    assert!(stated > vec![1, 0, 0], "the packages state their version");
    let needed = needed(&metadata, published);
    assert!(needed.len() > 20, "the dependencies were found");
    for package in needed.iter().map(|id| packages[id]) {
        assert!(
            version(&package["rust_version"]) <= stated,
            "{} needs Rust {}, newer than {stated:?}",
            text(&package["name"]),
            text(&package["rust_version"])
        );
    }
}
