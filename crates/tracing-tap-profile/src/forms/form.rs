//! The forms of a profile, by the end of a file's name.

use super::profile::Profile;
use super::{firefox, flamegraph, folded, pprof};
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
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// A line for each path, for flame graph tools: its names and its own microseconds.
    Folded,
    /// For `go tool pprof`.
    Pprof,
    /// For <https://profiler.firefox.com>.
    Firefox,
    /// A flame graph for browsers.
    Svg,
}

impl Form {
    /// The form that the end of a file's name asks for: `.folded`, `.pb.gz`, `.json` or `.svg`.
    pub fn of(file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_str()?.to_ascii_lowercase();
        let ends = [(".folded", Self::Folded), (".pb.gz", Self::Pprof), (".json", Self::Firefox), (".svg", Self::Svg)];
        ends.into_iter().find_map(|(end, form)| name.ends_with(end).then_some(form))
    }

    /// Writes a profile.
    ///
    /// # Errors
    /// If a library cannot encode it.
    pub fn write(self, profile: &Profile) -> io::Result<Vec<u8>> {
        match self {
            Self::Folded => Ok(folded::write(profile).into_bytes()),
            Self::Pprof => pprof::write(profile),
            Self::Firefox => firefox::write(profile).map_err(io::Error::other),
            Self::Svg => flamegraph::write(profile),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_s_end_chooses_the_form() {
        let form = |name: &str| Form::of(Path::new(name));
        assert_eq!(form("a/b.FOLDED"), Some(Form::Folded));
        assert_eq!(form("b.pb.gz"), Some(Form::Pprof));
        assert_eq!(form("b.json"), Some(Form::Firefox));
        assert_eq!(form("b.svg"), Some(Form::Svg));
        assert_eq!(form("b.pb"), None);
    }
}
