//! The examples check themselves; here they are run.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use testing::wait_for;

#[test]
fn first_session_runs() {
    run("first_session");
}

#[test]
fn axum_service_runs() {
    run("axum_service");
}

#[test]
fn limits_runs() {
    run("limits");
}

#[test]
fn on_behalf_runs() {
    run("on_behalf");
}

#[test]
fn async_reader_runs() {
    run("async_reader");
}

#[test]
fn every_example_is_run_and_short() {
    let this = include_str!("examples.rs");
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = folder.read_dir().expect("there are examples").map(|file| file.expect("it is readable").path());
    // What an example needs beside its code is in a folder of its own.
    for file in files.filter(|file| file.is_file()) {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a file has a name");
        assert!(
            ["run", "run_with"].iter().any(|run| this.contains(&format!("{run}(\"{name}\""))),
            "nobody runs the example {name}"
        );
        let lines = std::fs::read_to_string(&file).expect("it is text").lines().count();
        assert!(lines < 60, "the example {name} has {lines} lines");
    }
}

/// Runs an example. `cargo test` and `cargo nextest run` have built it, unless they were told to build less.
#[track_caller]
fn run(example: &str) {
    run_with(example, |_| {});
}

#[track_caller]
fn run_with(example: &str, prepare: impl FnOnce(&mut Command)) {
    let this = std::env::current_exe().expect("a test is a file");
    let built = this.parent().and_then(|deps| deps.parent()).expect("a test is in `deps`").join("examples");
    let program = built.join(example).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "not built yet: run `cargo build --examples` with the profile of this test");
    let mut command = Command::new(program);
    prepare(&mut command);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("an example can be started");
    let status = wait_for("the example to end", || child.try_wait().expect("a child can be waited for"));
    assert!(status.success(), "the example {example} failed: {status}");
}
