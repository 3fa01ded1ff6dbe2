//! What was compiled out: `tracing`'s `max_level_*` features are a whole build's, so the service is a package of its own.

const DEPENDENCIES: &str = r#"
tracing = { version = "0.1", default-features = false, features = ["std", "max_level_info"] }
tracing-subscriber = { version = "0.3", default-features = false, features = ["registry", "std"] }
tracing-tap = { path = '{ROOT}', default-features = false }
"#;

#[test]
fn levels_that_were_compiled_out_are_found() {
    testing::package::run(
        env!("CARGO_TARGET_TMPDIR"),
        "compiled-out",
        "tests/it/compiled_out/service.rs",
        DEPENDENCIES,
        |cargo| cargo.arg("--offline"),
    );
}
