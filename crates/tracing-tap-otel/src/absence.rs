//! Why no context was ever active: the version does not fit, or the layer is not there.

use tracing_core::Metadata;

/// The version of `opentelemetry` whose contexts are read.
const VERSION: &str = "0.33";
/// The version of `tracing-opentelemetry` that uses it.
const LAYER_VERSION: &str = "0.34";

/// Whether events of this target are logged by OpenTelemetry itself, or by its layer.
pub(crate) fn is_of_library(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or(target);
    name.starts_with("opentelemetry") || name == "tracing_opentelemetry" || name == "tracing-opentelemetry"
}

pub(crate) fn explain(callsites: &[&'static Metadata<'static>]) -> String {
    let files =
        callsites.iter().filter(|metadata| is_of_library(metadata.target())).filter_map(|metadata| metadata.file());
    explain_by(files.filter_map(version_in))
}

/// By the versions of the library that have logged.
fn explain_by(mut seen: impl Iterator<Item = String>) -> String {
    match seen.find(|version| version != VERSION) {
        Some(other) => format!(
            "no OpenTelemetry context was active in any span so far: this program uses `opentelemetry` {other}, and \
             `tracing-tap-otel` reads the contexts of {VERSION}; use the version of `tracing-tap-otel` that belongs to it"
        ),
        None => format!(
            "no OpenTelemetry context was active in any span so far: add `tracing_opentelemetry::layer().with_tracer(..)` \
             {LAYER_VERSION} to the registry, with its contexts activated and no filter that hides these spans; of another \
             version, which uses another `opentelemetry` than {VERSION}, no context can be seen"
        ),
    }
}

/// The version of `opentelemetry` or its SDK in the path of a source file, as cargo unpacks them: `0.31` of
/// `opentelemetry_sdk-0.31.0/src/..`.
fn version_in(file: &str) -> Option<String> {
    file.split(['/', '\\']).find_map(|part| {
        let version = part.strip_prefix("opentelemetry-").or_else(|| part.strip_prefix("opentelemetry_sdk-"))?;
        let mut numbers = version.split('.').take(2);
        let (major, minor) = (numbers.next()?, numbers.next()?);
        let are_numbers = [major, minor].iter().all(|number| number.parse::<u32>().is_ok());
        are_numbers.then(|| format!("{major}.{minor}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, expected: Option<&str>) {
        assert_eq!(version_in(file).as_deref(), expected, "{file}");
    }

    #[test]
    fn versions_are_read_from_the_paths_of_cargo() {
        check(
            "/home/u/.cargo/registry/src/index.crates.io-1/opentelemetry_sdk-0.31.2/src/trace/provider.rs",
            Some("0.31"),
        );
        check("C:\\cargo\\opentelemetry-0.33.1\\src\\context.rs", Some("0.33"));
        check("/src/opentelemetry-otlp-0.31.0/src/lib.rs", None);
        check("/src/opentelemetry-rust/opentelemetry/src/context.rs", None);
    }

    #[test]
    fn another_version_is_named() {
        let explained = |seen: &[&str]| explain_by(seen.iter().map(|version| (*version).to_owned()));
        assert!(explained(&["0.33", "0.31"]).contains("uses `opentelemetry` 0.31"));
        assert!(explained(&["0.33"]).contains("add `tracing_opentelemetry::layer()"));
    }

    #[test]
    fn the_versions_are_those_of_the_dependencies() {
        let manifest = include_str!("../Cargo.toml");
        assert!(manifest.contains(&format!("\nopentelemetry = {{ version = \"{VERSION}\"")));
        assert!(manifest.contains(&format!("\ntracing-opentelemetry = {{ version = \"{LAYER_VERSION}\"")));
    }

    #[test]
    fn the_library_is_recognised_by_its_targets() {
        for target in ["opentelemetry", "opentelemetry_sdk", "opentelemetry-otlp", "tracing_opentelemetry::layer"] {
            assert!(is_of_library(target), "{target}");
        }
        assert!(!is_of_library("chat::opentelemetry"));
    }
}
