//! The structure that docs/architecture.md promises, held against the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of all models of protocols between threads.
const MODELS: &str = "src/sync/models";

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
    // A model is part of the module that it is about, wherever its file is.
    let is_module = |path: &&PathBuf| !path.ends_with("lib.rs") && !path.starts_with(MODELS);
    for path in files.iter().filter(is_module) {
        let own = rank(&module_of(path)).unwrap_or_else(|| panic!("{} is not in lib.rs", path.display()));
        for used in uses(path).iter().filter_map(|name| rank(name).map(|rank| (rank, name))) {
            assert!(used.0 <= own, "{} uses `{}`, which lib.rs lists below it", path.display(), used.1);
        }
    }
}

#[test]
fn every_loom_model_is_in_one_folder() {
    let has_model = |path: &PathBuf| fs::read_to_string(path).expect("a source can be read").contains("\nfn loom_");
    let (with, without): (Vec<_>, Vec<_>) = sources(Path::new("src")).into_iter().partition(has_model);
    assert!(with.len() > 10 && with.iter().all(|path| path.starts_with(MODELS)), "{with:#?}");
    assert!(without.iter().all(|path| !path.starts_with(MODELS)), "a file of models has none");
}

/// Otherwise the script that weakens them ends at the first line that is out of date.
#[test]
fn every_listed_ordering_is_once_in_its_file_and_has_a_model() {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let list = read("tests/deep/orderings.txt");
    let models: String = sources(Path::new(MODELS)).iter().map(|path| read(&path.to_string_lossy())).collect();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<_> = line.split('|').collect();
        let [file, from, _, model] = parts[..] else { panic!("{line}: it has {} parts", parts.len()) };
        let from = from.strip_prefix(' ').unwrap_or(from);
        let from = from.strip_suffix(' ').unwrap_or(from).replace("\\n", "\n");
        assert_eq!(read(&format!("src/{}", file.trim())).matches(&from).count(), 1, "{line}");
        assert!(models.contains(&format!("fn {}()", model.trim())), "{line}");
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

#[test]
fn what_threads_share_is_named_in_one_module() {
    let names = [
        "std::sync::atomic",
        "loom::",
        "ArrayQueue;",
        "crossbeam_queue::ArrayQueue",
        "arc_swap::",
        "atomic_waker::",
        "once_cell::",
    ];
    let apart = ["src/sync"];
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

/// The name of a test is the fact that it proves, short enough to be read in a list.
#[test]
fn no_name_of_a_function_has_more_than_60_characters() {
    let crates = fs::read_dir("crates").expect("there are crates").map(|entry| entry.expect("listed").path());
    let mut files = sources(Path::new("src"));
    files.extend(sources(Path::new("tests")));
    files.extend(crates.flat_map(|path| ["src", "tests"].map(|folder| path.join(folder))).flat_map(sources_if_any));
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let text = fs::read_to_string(path).expect("a source can be read");
        for rest in text.lines().filter_map(|line| line.split_once("fn ").map(|(_, rest)| rest)) {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(name.len() <= 60, "{}: `{name}` has {} characters", path.display(), name.len());
        }
    }
}

fn sources_if_any(folder: PathBuf) -> Vec<PathBuf> {
    if folder.is_dir() { sources(&folder) } else { Vec::new() }
}

/// The sources of each crate.
const ROOTS: [&str; 7] = [
    "src",
    "crates/tracing-tap-web/src",
    "crates/tracing-tap-nats/src",
    "crates/tracing-tap-cli/src",
    "crates/tracing-tap-otel/src",
    "crates/tracing-tap-profile/src",
    "crates/demo/src",
];

#[test]
fn no_files_of_a_folder_use_each_other_in_a_circle() {
    let found: Vec<Vec<String>> = ROOTS.iter().flat_map(|root| circles_below(Path::new(root))).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// The circles in each folder, a folder's own files taken as one entry.
fn circles_below(folder: &Path) -> Vec<Vec<String>> {
    let entries = entries(folder);
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, files) in &entries {
        let others = entries.keys().filter(|other| *other != name);
        let used = others.filter(|other| files.iter().any(|file| uses_sibling(folder, file, other)));
        uses.insert(name, used.map(String::as_str).collect());
    }
    let inner = fs::read_dir(folder).expect("a folder can be listed").map(|entry| entry.expect("listed").path());
    let mut circles: Vec<_> = inner.filter(|path| path.is_dir()).flat_map(|path| circles_below(&path)).collect();
    let reaches = |from: &str| reached(&uses, from);
    let mut seen = BTreeSet::new();
    for name in uses.keys() {
        let circle: BTreeSet<&str> = reaches(name).into_iter().filter(|other| reaches(other).contains(name)).collect();
        if circle.len() > 1 && seen.insert(circle.clone()) {
            let path = |entry: &&str| folder.join(entry).display().to_string();
            circles.push(circle.iter().map(path).collect());
        }
    }
    circles
}

/// The entries of a folder by name, each with its files.
fn entries(folder: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut entries: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder can be listed") {
        let path = entry.expect("listed").path();
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let is_rust = |path: &Path| path.extension().is_some_and(|end| end == "rs");
        if ["mod", "lib", "main", "tests", "models", "testing"].contains(&&*name) || !(path.is_dir() || is_rust(&path))
        {
            continue;
        }
        let files = if path.is_dir() { sources(&path) } else { vec![path] };
        entries.entry(name).or_default().extend(files.into_iter().filter(|file| is_rust(file)));
    }
    entries
}

/// Whether a file, tests apart, names another entry of the folder that it is in or below.
fn uses_sibling(folder: &Path, file: &Path, other: &str) -> bool {
    let inside = file.strip_prefix(folder).expect("it is below the folder");
    let is_of_tests = inside
        .components()
        .any(|part| ["tests", "tests.rs", "models", "models.rs"].iter().any(|name| part.as_os_str() == *name));
    if is_of_tests {
        return false;
    }
    let text = fs::read_to_string(file).expect("a source can be read");
    let code = text.split("\nmod tests {").next().expect("a split has a first part");
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let levels = inside.components().count() - usize::from(file.ends_with("mod.rs"));
    let from_here = "super::".repeat(levels);
    let source = folder.iter().position(|part| part == "src").expect("sources are in a folder of that name");
    let path: Vec<_> = folder.iter().skip(source + 1).map(|part| part.to_string_lossy()).collect();
    let from_root = path.iter().fold("crate::".to_owned(), |path, part| format!("{path}{part}::"));
    names(&code, &from_here, other) || names(&code, &from_root, other)
}

/// Whether `code` has `prefix` and then the name, alone or in braces; not as the end of a longer path.
fn names(code: &str, prefix: &str, name: &str) -> bool {
    let is_of_name = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(prefix).any(|(at, _)| {
        if code[..at].ends_with("super::") || code[..at].ends_with(is_of_name) {
            return false;
        }
        let rest = &code[at + prefix.len()..];
        let listed = rest.strip_prefix('{').map(|rest| rest.split('}').next().unwrap_or(rest));
        let words = |text: &str| text.split(|character| !is_of_name(character)).any(|word| word == name);
        match listed {
            Some(listed) => words(listed),
            None => rest.split(|character| !is_of_name(character)).next() == Some(name),
        }
    })
}

/// All that an entry uses, directly or by others.
fn reached<'a>(uses: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<&str> = uses.get(from).into_iter().flatten().copied().collect();
    while let Some(name) = waiting.pop() {
        if let Some((&name, next)) = uses.get_key_value(name)
            && found.insert(name)
        {
            waiting.extend(next);
        }
    }
    found
}

#[test]
fn a_module_with_files_of_its_own_is_their_mod_rs() {
    for root in ROOTS {
        for path in sources(Path::new(root)) {
            let folder = path.with_extension("");
            let has_files =
                folder.is_dir() && sources(&folder).iter().any(|file| file.extension().is_some_and(|end| end == "rs"));
            assert!(!has_files, "move {} to its folder, as `mod.rs`", path.display());
        }
    }
}
