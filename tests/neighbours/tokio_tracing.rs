//! `tokio` built with its `tracing` feature, which makes spans of its own around tasks and `block_on`.
//!
//! The feature needs `--cfg tokio_unstable` for a whole build, so the service is a package of its own, as in
//! `tests/compiled_out.rs`.

use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn manifest() -> String {
    format!(
        r#"
        [package]
        name = "tokio-tracing"
        version = "0.0.0"
        edition = "2024"

        [workspace]

        [[bin]]
        name = "tokio-tracing"
        path = '{ROOT}/tests/neighbours/tokio_service.rs'

        [dependencies]
        tokio = {{ version = "1", default-features = false, features = ["rt-multi-thread", "tracing"] }}
        tracing = {{ version = "0.1", default-features = false, features = ["std"] }}
        tracing-subscriber = {{ version = "0.3", default-features = false, features = ["fmt", "registry", "std"] }}
        tracing-tap = {{ path = '{ROOT}' }}

        [profile.dev]
        debug = false
        "#
    )
}

#[test]
fn the_spans_of_tokio_itself_cut_no_scope() {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tokio-tracing");
    std::fs::create_dir_all(&package).expect("cargo gives tests a folder");
    std::fs::write(package.join("Cargo.toml"), manifest()).expect("it can be written");
    std::fs::copy(Path::new(ROOT).join("Cargo.lock"), package.join("Cargo.lock")).expect("there is a lock file");
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline"])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .env("RUSTFLAGS", "--cfg tokio_unstable")
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
