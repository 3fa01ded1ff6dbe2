//! `tokio` built with its `tracing` feature, which makes spans of its own around tasks and `block_on`. The feature needs
//! `--cfg tokio_unstable` for a whole build.

use testing::package;

const DEPENDENCIES: &str = r#"
tokio = { version = "1", default-features = false, features = ["rt-multi-thread", "tracing"] }
tracing = { version = "0.1", default-features = false, features = ["std"] }
tracing-subscriber = { version = "0.3", default-features = false, features = ["fmt", "registry", "std"] }
tracing-tap = { path = '{ROOT}', features = ["tokio"] }
"#;

#[test]
fn the_spans_of_tokio_itself_cut_no_scope() {
    package::run(
        env!("CARGO_TARGET_TMPDIR"),
        "tokio-tracing",
        "tests/it/neighbours/tokio_service.rs",
        DEPENDENCIES,
        |cargo| cargo.arg("--offline").env("RUSTFLAGS", "--cfg tokio_unstable"),
    );
}
