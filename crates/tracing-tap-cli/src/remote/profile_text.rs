//! Arbitrary bytes as the file of profiles: it is read, or refused with a place.

use super::profile::{Profile, read, resolved};
use std::path::Path;

const NAMES: [&str; 3] = ["prod", "fleet", ""];

/// Reads the file that some bytes are, if they are text.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let path = Path::new("/config/tracing-tap/config.toml");
    for name in NAMES {
        match read(text, name, path) {
            Ok(profile) => check_files(&profile),
            Err(error) => {
                let shown = error.with_causes();
                assert!(shown.contains("config.toml") && error.exit_code() == 2, "{shown}");
                // What was written as a value may be a secret.
                assert!(!shown.contains("hunter2") || names_it(text), "{shown}");
            }
        }
    }
}

fn check_files(profile: &Profile) {
    let files = [&profile.token_file, &profile.ca_file, &profile.key_file, &profile.credentials_file];
    for file in files.into_iter().flatten().chain(&profile.accept_key_files) {
        let resolved = resolved(file, Path::new("/config/tracing-tap"));
        assert!(resolved.is_absolute() || file.starts_with("~"), "{}", resolved.display());
    }
}

/// Whether the secret is part of a name, which an error may show.
fn names_it(text: &str) -> bool {
    text.lines().any(|line| {
        let name = line.split_once('=').map_or(line, |(name, _)| name);
        name.contains("hunter2")
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_of_the_fuzz_target_is_read_or_refused() {
        testing::corpus::replay("profile", 100, super::check);
    }
}
