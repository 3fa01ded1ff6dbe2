//! The structure that docs/architecture.md promises, held against the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules in the order in which `lib.rs` lists them.
fn modules() -> Vec<String> {
    let library = fs::read_to_string("src/lib.rs").expect("the library has a root");
    let names = library.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    names.map(|name| name.trim_end_matches(';').to_owned()).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("a source folder can be listed").map(|entry| entry.expect("listed").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix("src").expect("sources are in src");
    let first = inside.components().next().expect("a path has a component").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// What a file takes from the crate's other modules, tests apart.
fn uses(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a source can be read");
    let code = text.split("\nmod tests {").next().expect("a split has a first part");
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let after = code.split("crate::").skip(1);
    after.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

#[test]
fn every_module_uses_only_those_listed_above_it_in_the_library() {
    let modules = modules();
    let rank = |name: &str| modules.iter().position(|module| module == name);
    let files = sources(Path::new("src"));
    assert!(files.len() > 30, "the sources were found");
    for path in files.iter().filter(|path| !path.starts_with("src/bin") && !path.ends_with("lib.rs")) {
        let own = rank(&module_of(path)).unwrap_or_else(|| panic!("{} is not in lib.rs", path.display()));
        for used in uses(path).iter().filter_map(|name| rank(name).map(|rank| (rank, name))) {
            assert!(used.0 <= own, "{} uses `{}`, which lib.rs lists below it", path.display(), used.1);
        }
    }
}

/// The one file that may, and the one line elsewhere: the trait's method, which only calls that file.
#[test]
fn unsafe_code_is_in_one_file_alone() {
    let is_code = |line: &&str| !line.trim_start().starts_with("//") && line.contains("unsafe ");
    for path in sources(Path::new("src")).iter().filter(|path| !path.ends_with("layer/downcast.rs")) {
        let text = fs::read_to_string(path).expect("a source can be read");
        let found: Vec<_> = text.lines().filter(is_code).map(str::trim).collect();
        let method = "unsafe fn downcast_raw(&self, id: std::any::TypeId) -> Option<*const ()> {";
        let allowed: &[&str] = if path.ends_with("layer/mod.rs") { &[method] } else { &[] };
        assert_eq!(found, allowed, "{}", path.display());
    }
    let manifest = fs::read_to_string("Cargo.toml").expect("there is a manifest");
    assert!(manifest.contains("\nunsafe_code = \"deny\"\n"), "the compiler refuses it elsewhere");
}

/// The programs in `bin` have no producer to protect.
#[test]
fn what_threads_share_is_named_in_one_module_so_that_models_can_replace_it() {
    let names = [
        "std::sync::atomic",
        "loom::",
        "ArrayQueue;",
        "crossbeam_queue::ArrayQueue",
        "arc_swap::",
        "atomic_waker::",
        "once_cell::",
    ];
    let apart = ["src/sync", "src/bin"];
    let files = sources(Path::new("src"));
    let ours: Vec<_> = files.iter().filter(|path| !apart.iter().any(|folder| path.starts_with(folder))).collect();
    assert!(ours.len() < files.len(), "the module was found");
    for path in ours {
        let text = fs::read_to_string(path).expect("a source can be read");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code.filter(|line| !line.contains("crate::sync::")) {
            assert!(names.iter().all(|name| !line.contains(name)), "{}: {line}", path.display());
        }
    }
}

#[test]
fn no_source_file_is_longer_than_one_idea() {
    for path in sources(Path::new("src")).iter().filter(|path| !path.ends_with("tests.rs")) {
        let text = fs::read_to_string(path).expect("a source can be read");
        let lines = text.split("\nmod tests {").next().expect("a split has a first part").lines().count();
        assert!(lines <= 500, "{} has {lines} lines before its tests", path.display());
    }
}
