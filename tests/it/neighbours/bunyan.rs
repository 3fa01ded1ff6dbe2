//! `tracing-bunyan-formatter`, which turns on `tracing/log` for a whole build.

use testing::package;

const DEPENDENCIES: &str = r#"
serde_json = "1"
tracing = "0.1"
tracing-bunyan-formatter = "=0.3.10"
tracing-subscriber = { version = "0.3", default-features = false, features = ["registry", "std"] }
tracing-tap = { path = '{ROOT}', default-features = false }
"#;

/// Not offline: the formatter is in no lock file of this project.
#[test]
fn bunyan_prints_the_same_lines_at_the_same_time() {
    package::run(
        env!("CARGO_TARGET_TMPDIR"),
        "bunyan-service",
        "tests/it/neighbours/bunyan_service.rs",
        DEPENDENCIES,
        |cargo| cargo,
    );
}
