//! Which of the page's files a browser has already.

use axum::http::{HeaderMap, HeaderValue, header};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Names a text by what is in it: another build with the same text gives it the same name.
pub(super) fn entity_tag(text: &str) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish())).expect("a tag is hexadecimal digits")
}

/// Whether a request says that the text of this name is known. What a proxy has packed is marked as weak, and is the
/// same text.
pub(super) fn has(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let values = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = values.flat_map(|value| value.split(',')).map(|known| known.trim());
    known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_known_by_its_tag_alone() {
        let tag = entity_tag("text");
        assert_eq!(tag, entity_tag("text"));
        assert_ne!(tag, entity_tag("texts"));
        let name = tag.to_str().unwrap();
        for (asked, is_known) in [
            (name.to_owned(), true),
            (format!("\"other\", W/{name}"), true),
            ("*".to_owned(), true),
            ("\"other\"".to_owned(), false),
            (String::new(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::try_from(&asked).unwrap());
            assert_eq!(has(&headers, &tag), is_known, "{asked}");
        }
    }
}
