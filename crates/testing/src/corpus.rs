//! The corpora of the fuzz targets, replayed without `cargo fuzz`.

use std::path::{Path, PathBuf};

/// No input takes more memory than this, with all that the process has besides.
const MAX_KIBIBYTES: usize = 256 << 10;

/// Has each file of a corpus checked, for a bounded time and with bounded memory. There must be so many.
#[track_caller]
pub fn replay(target: &'static str, at_least: usize, check: fn(&[u8])) {
    let (seeds, found) = (files_in(&corpora().join(target)), files_in(&corpora().join(target).join("found")));
    let files: Vec<_> = seeds.into_iter().chain(found).collect();
    assert!(files.len() >= at_least, "the corpus has {} files, fewer than {at_least}", files.len());
    for file in files {
        println!("{}", file.display());
        let bytes = std::fs::read(&file).expect("the corpus is readable");
        crate::bounded("what is checked", move || check(&bytes));
    }
    assert!(peak_kibibytes().is_none_or(|peak| peak < MAX_KIBIBYTES), "{:?} KiB were in use", peak_kibibytes());
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    // A corpus may have found nothing yet.
    let files = std::fs::read_dir(folder).into_iter().flatten();
    files.map(|file| file.expect("the corpus is readable").path()).filter(|path| path.is_file()).collect()
}

/// The most memory that this process ever had in use, where the system tells.
fn peak_kibibytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// The folder of all corpora.
pub fn corpora() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}
