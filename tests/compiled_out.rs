//! A service that was built with `tracing`'s `max_level_info`.
//!
//! Such a feature holds for a whole build, so the service is a package of its own, made where cargo lets tests write
//! and built there once. The versions are those of this package's lock file: whoever runs this test has them all.

use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn manifest() -> String {
    format!(
        r#"
        [package]
        name = "compiled-out"
        version = "0.0.0"
        edition = "2024"

        [workspace]

        [[bin]]
        name = "compiled-out"
        path = '{ROOT}/tests/compiled_out/service.rs'

        [dependencies]
        tracing = {{ version = "0.1", default-features = false, features = ["std", "max_level_info"] }}
        tracing-subscriber = {{ version = "0.3", default-features = false, features = ["registry", "std"] }}
        tracing-tap = {{ path = '{ROOT}', default-features = false }}

        [profile.dev]
        debug = false
        "#
    )
}

#[test]
fn levels_that_were_compiled_out_are_found_and_the_others_are_clear() {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-out");
    std::fs::create_dir_all(&package).expect("cargo gives tests a folder");
    std::fs::write(package.join("Cargo.toml"), manifest()).expect("it can be written");
    std::fs::copy(Path::new(ROOT).join("Cargo.lock"), package.join("Cargo.lock")).expect("there is a lock file");
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline"])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
