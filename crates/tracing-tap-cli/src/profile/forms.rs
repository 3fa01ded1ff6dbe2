//! The forms of a profile, by the end of a file's name.

use super::about::About;
use super::tree::Tree;
use super::{firefox, flamegraph, folded, pprof};
use crate::error::Error;
use std::path::Path;

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Folded,
    Pprof,
    Firefox,
    Svg,
}

impl Form {
    pub(crate) fn of(file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_str()?.to_ascii_lowercase();
        let ends = [(".folded", Self::Folded), (".pb.gz", Self::Pprof), (".json", Self::Firefox), (".svg", Self::Svg)];
        ends.into_iter().find_map(|(end, form)| name.ends_with(end).then_some(form))
    }

    pub(crate) fn write(self, tree: &Tree, about: &About) -> Result<Vec<u8>, Error> {
        let written = match self {
            Self::Folded => return Ok(folded::write(tree).into_bytes()),
            Self::Pprof => pprof::write(tree, about),
            Self::Firefox => firefox::write(tree, about).map_err(std::io::Error::other),
            Self::Svg => flamegraph::write(tree, about),
        };
        written.map_err(|cause| Error::caused_by(cause, "write the profile"))
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
