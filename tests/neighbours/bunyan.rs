//! `tracing-bunyan-formatter`, which turns on `tracing/log` for a whole build: so the service is a package of its own, as
//! in `tests/compiled_out.rs`.

use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn manifest() -> String {
    format!(
        r#"
        [package]
        name = "bunyan-service"
        version = "0.0.0"
        edition = "2024"

        [workspace]

        [[bin]]
        name = "bunyan-service"
        path = '{ROOT}/tests/neighbours/bunyan_service.rs'

        [dependencies]
        serde_json = "1"
        tracing = "0.1"
        tracing-bunyan-formatter = "=0.3.10"
        tracing-subscriber = {{ version = "0.3", default-features = false, features = ["registry", "std"] }}
        tracing-tap = {{ path = '{ROOT}', default-features = false }}

        [profile.dev]
        debug = false
        "#
    )
}

/// Not offline: the formatter is in no lock file of this project.
#[test]
fn bunyan_prints_the_same_lines_at_the_same_time() {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bunyan-service");
    std::fs::create_dir_all(&package).expect("cargo gives tests a folder");
    std::fs::write(package.join("Cargo.toml"), manifest()).expect("it can be written");
    std::fs::copy(Path::new(ROOT).join("Cargo.lock"), package.join("Cargo.lock")).expect("there is a lock file");
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet"])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
