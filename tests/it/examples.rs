//! The examples check themselves; here they are run.

use std::path::PathBuf;
use testing::example::run;

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
fn line_protocol_runs() {
    run("line_protocol");
}

#[test]
fn every_example_is_run_and_short() {
    let this = include_str!("examples.rs");
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = folder.read_dir().expect("there are examples").map(|file| file.expect("it is readable").path());
    // What an example needs beside its code is in a folder of its own.
    for file in files.filter(|file| file.is_file()) {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a file has a name");
        assert!(this.contains(&format!("run(\"{name}\")")), "nobody runs the example {name}");
        let lines = std::fs::read_to_string(&file).expect("it is text").lines().count();
        assert!(lines <= 65, "the example {name} has {lines} lines");
    }
}
