//! The forms of a profile: the one list of them.

use super::folded;
use super::profile::Profile;
use super::{firefox, pprof};
use std::io;
use std::path::Path;

/// A form of profiles.
///
/// ```
/// use std::path::Path;
/// use tracing_tap_profile::forms::Form;
///
/// assert_eq!(Form::of(Path::new("slow.pb.gz")), Some(Form::Pprof));
/// assert_eq!(Form::of(Path::new("slow.txt")), None);
/// assert_eq!(Form::named("pprof"), Some(Form::Pprof));
/// assert_eq!(Form::Pprof.ending(), ".pb.gz");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// A flame graph for browsers.
    #[cfg(feature = "flamegraph")]
    #[cfg_attr(docsrs, doc(cfg(feature = "flamegraph")))]
    Svg,
    /// A line for each path, for flame graph tools: its names and its own microseconds. Before them, what is
    /// [missing](super::About::notes) as lines that begin with `#`.
    Folded,
    /// For `go tool pprof`.
    Pprof,
    /// For <https://profiler.firefox.com>.
    Firefox,
}

/// What a form is called: its word, the end of a file's name, the content type.
type Names = [&'static str; 3];

const FORMS: &[(Form, Names)] = &[
    #[cfg(feature = "flamegraph")]
    (Form::Svg, ["svg", ".svg", "image/svg+xml"]),
    (Form::Folded, ["folded", ".folded", "text/plain; charset=utf-8"]),
    (Form::Pprof, ["pprof", ".pb.gz", "application/octet-stream"]),
    (Form::Firefox, ["firefox", ".json", "application/json"]),
];

impl Form {
    /// All forms.
    pub fn all() -> impl ExactSizeIterator<Item = Self> + DoubleEndedIterator {
        FORMS.iter().map(|(form, _)| *form)
    }

    /// The form that the end of a file's name asks for.
    pub fn of(file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_str()?.to_ascii_lowercase();
        Self::all().find(|form| name.ends_with(form.ending()))
    }

    /// The form of this [word](Self::word).
    pub fn named(word: &str) -> Option<Self> {
        Self::all().find(|form| form.word() == word)
    }

    /// Its word: `svg`, `folded`, `pprof`, `firefox`.
    pub fn word(self) -> &'static str {
        self.names()[0]
    }

    /// How the name of a file in this form ends: `.svg`, `.folded`, `.pb.gz`, `.json`.
    pub fn ending(self) -> &'static str {
        self.names()[1]
    }

    /// The content type of a file in this form.
    pub fn content_type(self) -> &'static str {
        self.names()[2]
    }

    fn names(self) -> Names {
        let found = FORMS.iter().find(|(form, _)| *form == self);
        found.map(|(_, names)| *names).expect("the list has all forms")
    }

    /// Writes a profile.
    ///
    /// # Errors
    /// If a library cannot encode it.
    pub fn write(self, profile: &Profile) -> io::Result<Vec<u8>> {
        match self {
            #[cfg(feature = "flamegraph")]
            Self::Svg => super::flamegraph::write(profile),
            Self::Folded => Ok(folded::write(profile).into_bytes()),
            Self::Pprof => pprof::write(profile),
            Self::Firefox => firefox::write(profile).map_err(io::Error::other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::profile::example;
    use super::*;

    #[test]
    fn a_name_s_end_chooses_the_form() {
        let form = |name: &str| Form::of(Path::new(name));
        assert_eq!(form("a/b.FOLDED"), Some(Form::Folded));
        assert_eq!(form("b.pb.gz"), Some(Form::Pprof));
        assert_eq!(form("b.json"), Some(Form::Firefox));
        #[cfg(feature = "flamegraph")]
        assert_eq!(form("b.svg"), Some(Form::Svg));
        assert_eq!(form("b.pb"), None);
    }

    #[test]
    fn every_form_is_found_by_its_names_and_written() {
        for form in Form::all() {
            assert_eq!(Form::named(form.word()), Some(form));
            assert_eq!(Form::of(Path::new(&format!("a{}", form.ending()))), Some(form));
            assert!(!form.write(&example()).unwrap().is_empty());
        }
        assert_eq!(Form::named("png"), None);
    }
}
