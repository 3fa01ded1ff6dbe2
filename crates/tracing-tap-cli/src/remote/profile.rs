//! Profiles: HTTP endpoints and fleets by name, in a file in the user's configuration folder.

use crate::error::Error;
use etcetera::BaseStrategy;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// One HTTP endpoint, or one fleet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) url: String,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    #[serde(default)]
    pub(crate) accept_key_files: Vec<PathBuf>,
    pub(crate) credentials_file: Option<PathBuf>,
    pub(crate) subject_prefix: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// The profile of this name; paths in it are relative to the file, and may begin with `~/`.
pub(crate) fn find(name: &str) -> Result<Profile, Error> {
    let path = path()?;
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            let advice = format!("write `[profiles.{name}]` with its `url` into {}", path.display());
            return Err(Error::usage(format!("find the profile `{name}`: there is no file of profiles")).advise(advice));
        }
        Err(cause) => return Err(Error::caused_by(cause, format!("read `{}`", path.display()))),
    };
    let profile = read(&text, name, &path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let resolve = |path: PathBuf| resolved(&path, folder);
    Ok(Profile {
        token_file: profile.token_file.map(resolve),
        ca_file: profile.ca_file.map(resolve),
        key_file: profile.key_file.map(resolve),
        accept_key_files: profile.accept_key_files.into_iter().map(resolve).collect(),
        credentials_file: profile.credentials_file.map(resolve),
        ..profile
    })
}

/// `tracing-tap/config.toml` in the user's configuration folder.
fn path() -> Result<PathBuf, Error> {
    let folders = etcetera::choose_base_strategy()
        .map_err(|cause| Error::caused_by(cause, "find the user's configuration folder"))?;
    Ok(folders.config_dir().join("tracing-tap").join("config.toml"))
}

pub(super) fn read(text: &str, name: &str, path: &Path) -> Result<Profile, Error> {
    let config: Config = toml::from_str(text)
        .map_err(|error| Error::usage(format!("read `{}`: {}", path.display(), problem(&error))))?;
    let known: Vec<_> = config.profiles.keys().map(|name| format!("`{name}`")).collect();
    let mut profiles = config.profiles;
    profiles.remove(name).ok_or_else(|| {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Error::usage(format!("find the profile `{name}`: `{}` has {known}", path.display()))
    })
}

/// What is wrong, and where. The line itself, which the library shows, may be a misplaced token.
fn problem(error: &toml::de::Error) -> String {
    let shown = error.to_string();
    let message = without_value(error.message());
    match shown.lines().next() {
        Some(place) if error.span().is_some() => format!("{place}: {message}"),
        _ => message,
    }
}

/// What a text of the wrong kind says is left out: it may be a token where a profile should be.
fn without_value(message: &str) -> String {
    const QUOTED: &str = " string \"";
    match (message.find(QUOTED), message.rfind("\", expected ")) {
        (Some(begin), Some(end)) if begin + QUOTED.len() <= end => {
            format!("{} a text{}", &message[..begin], &message[end + 1..])
        }
        _ => message.to_owned(),
    }
}

pub(super) fn resolved(path: &Path, folder: &Path) -> PathBuf {
    match path.strip_prefix("~") {
        Ok(below) => etcetera::home_dir().map_or_else(|_| path.to_owned(), |home| home.join(below)),
        Err(_) => folder.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> String {
        read(text, "prod", Path::new("config.toml")).unwrap_err().to_string()
    }

    #[test]
    fn a_profile_is_a_url_and_files() {
        let text = "[profiles.prod]\nurl = 'https://tap.example'\ntoken_file = 'token'";
        let profile = read(text, "prod", Path::new("config.toml")).unwrap();
        assert_eq!((profile.url.as_str(), profile.token_file), ("https://tap.example", Some("token".into())));
        assert_eq!(resolved(Path::new("token"), Path::new("/config")), Path::new("/config/token"));
        assert_eq!(resolved(Path::new("/token"), Path::new("/config")), Path::new("/token"));
        assert!(!resolved(Path::new("~/token"), Path::new("/config")).starts_with("~"));
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        let error = error_of("[profiles.prod]\nurl = 'http://a'\ntoken = 'secret'");
        assert!(error.contains("line 3, column 1") && error.contains("unknown field `token`"), "{error}");
        assert!(!error.contains("secret"), "{error}");
        assert!(error_of("[profiles.prod]\n").contains("missing field `url`"));
        let error = error_of("[profiles]\nprod = 'hunter2'");
        assert!(error.contains("line 2") && error.contains("a text, expected"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error_of("[profile.prod]").contains("unknown field `profile`, expected `profiles`"));
        assert!(error_of("url =").contains("line 1"));
    }

    #[test]
    fn a_profile_that_is_not_there_is_answered_with_those_that_are() {
        let error = error_of("[profiles.staging]\nurl = 'http://a'\n[profiles.test]\nurl = 'http://b'");
        assert_eq!(error, "find the profile `prod`: `config.toml` has `staging`, `test`");
        assert!(error_of("").ends_with("has none"));
    }
}
