//! The page's files.

use serde_json::{Value, json};
use std::borrow::Cow;
use tracing_tap::predicate::{OPERATORS, OperatorInfo};

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

/// Made of the core's own list, so that the page offers what the service reads.
pub(super) const OPERATORS_FILE: &str = "operators.js";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// `export const OPERATORS = [{"text":"=","what":"equals"},..]`.
fn operators() -> String {
    let of = |operator: &OperatorInfo| json!({ "text": operator.sign, "what": operator.meaning });
    let operators: Vec<_> = OPERATORS.iter().map(of).collect();
    format!("// The operators between a field and a value.\nexport const OPERATORS = {};\n", Value::Array(operators))
}

/// The file of this name.
pub(super) fn named(name: &str) -> Option<Asset> {
    if name == OPERATORS_FILE {
        return Some(Asset { content_type: JAVASCRIPT, text: Cow::Owned(operators()) });
    }
    let (name, text) = FILES.iter().find(|(known, _)| *known == name)?;
    let content_type = match name.rsplit('.').next() {
        Some("js") => JAVASCRIPT,
        Some("css") => "text/css; charset=utf-8",
        _ => "image/svg+xml",
    };
    Some(Asset { content_type, text: Cow::Borrowed(text) })
}
