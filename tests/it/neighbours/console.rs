//! `console-subscriber`, which wants the spans of `tokio` itself. `tokio`'s feature needs `--cfg tokio_unstable` for a whole
//! build.

use testing::package;

const DEPENDENCIES: &str = r#"
console-subscriber = { version = "=0.5.0", default-features = false }
tokio = { version = "1", default-features = false, features = ["rt-multi-thread", "tracing"] }
tracing = { version = "0.1", default-features = false, features = ["std"] }
tracing-subscriber = { version = "0.3", default-features = false, features = ["fmt", "registry", "std"] }
tracing-tap = { path = '{ROOT}', default-features = false }
"#;

/// Not offline: the console is in no lock file of this project.
#[test]
fn the_console_sees_the_same_spans_and_its_spans_end_scopes() {
    package::run(
        env!("CARGO_TARGET_TMPDIR"),
        "console-service",
        "tests/it/neighbours/console_service.rs",
        DEPENDENCIES,
        |cargo| cargo.env("RUSTFLAGS", "--cfg tokio_unstable"),
    );
}
