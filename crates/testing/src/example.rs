//! Examples, which check themselves, run as a test.

use crate::wait_for;
use std::process::{Command, Stdio};

/// Runs an example. `cargo test` and `cargo nextest run` have built it, unless their arguments excluded it.
#[track_caller]
pub fn run(example: &str) {
    run_with(example, |_| {});
}

/// The same, with its environment prepared.
#[track_caller]
pub fn run_with(example: &str, prepare: impl FnOnce(&mut Command)) {
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
