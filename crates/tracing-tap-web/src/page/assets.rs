//! The page's files.

use std::borrow::Cow;

/// A file and what it is.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) content_type: &'static str,
    pub(super) text: Cow<'static, str>,
}

pub(super) const INDEX: &str = include_str!("assets/index.html");

/// The files of these names.
macro_rules! files {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("assets/", $name)))),*] };
}

pub(super) const FILES: &[(&str, &str)] = files! {
    "api.js" "app.js" "box.js" "catalog.js" "chart.js" "complete.js" "controls.css" "coverage.js" "detail.css"
    "detail.js" "dom.js" "event.js" "form.js" "icon.svg" "json.js" "keys.js" "layout.css" "link.js" "list.js"
    "owned.js" "predicate.js" "rates.js" "recent.js" "rows.css" "save.js" "search.js" "session.js" "sse.js" "store.js"
    "tabs.js" "theme.css" "theme.js" "token.js" "view.js"
};

/// The file of this name.
pub(super) fn named(name: &str) -> Option<Asset> {
    let (name, text) = FILES.iter().find(|(known, _)| *known == name)?;
    let content_type = match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "image/svg+xml",
    };
    Some(Asset { content_type, text: Cow::Borrowed(text) })
}
