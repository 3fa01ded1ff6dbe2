//! Programs that need a package of their own: a dependency of theirs has features that a whole build would get.

use std::path::Path;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Builds and runs a program in `folder`, which is the test's `CARGO_TARGET_TMPDIR`, and fails where it does. `source` is its path within the project, `dependencies` lines of its
/// manifest, in which `{ROOT}` stands for the project; `configure` has the last word about how cargo is run.
pub fn run(
    folder: &str,
    name: &str,
    source: &str,
    dependencies: &str,
    configure: impl FnOnce(&mut Command) -> &mut Command,
) {
    let package = Path::new(folder).join(name);
    let dependencies = dependencies.replace("{ROOT}", ROOT);
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [[bin]]\nname = \"{name}\"\npath = '{ROOT}/{source}'\n\n[profile.dev]\ndebug = false\n\n\
         [dependencies]\n{dependencies}\n"
    );
    std::fs::create_dir_all(&package).expect("cargo gives tests a folder");
    std::fs::write(package.join("Cargo.toml"), manifest).expect("it can be written");
    std::fs::copy(Path::new(ROOT).join("Cargo.lock"), package.join("Cargo.lock")).expect("there is a lock file");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet"]).current_dir(&package).env("CARGO_TARGET_DIR", package.join("target"));
    let output = configure(&mut command).output().expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
