//! The page's files.

use serde_json::{Map, Value, json};
use std::borrow::Cow;
use tracing_tap::MissingReason;
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
    "detail.js" "dom.js" "event.js" "files.js" "filter.js" "flame-chart.js" "flame.css" "flames.js" "form.js" "icon.svg" "json.js" "keys.js" "layout.css" "link.js" "list.js"
    "owned.js" "predicate.js" "rates.js" "recent.js" "recording-banner.js" "recording.js" "request.js" "rows.css" "save.js" "search.js" "session.js" "sse.js" "store.js"
    "tabs.js" "theme.css" "theme.js" "token.js" "view.js" "waterfall.css" "waterfall.js"
};

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// A generated module: its name, and the function that writes it.
type Generated = (&'static str, fn() -> String);

/// Modules generated from the core's own lists, so that the page has the same ones.
const MADE: &[Generated] = &[("operators.js", operators), ("reasons.js", reasons)];

/// The file of this name.
pub(super) fn named(name: &str) -> Option<Asset> {
    if let Some((_, make)) = MADE.iter().find(|(known, _)| *known == name) {
        return Some(Asset { content_type: JAVASCRIPT, text: Cow::Owned(make()) });
    }
    let (name, text) = FILES.iter().find(|(known, _)| *known == name)?;
    let content_type = match name.rsplit('.').next() {
        Some("js") => JAVASCRIPT,
        Some("css") => "text/css; charset=utf-8",
        _ => "image/svg+xml",
    };
    Some(Asset { content_type, text: Cow::Borrowed(text) })
}

/// The operators between a field and a value: `export const OPERATORS = [{"text":"=","what":"equals"},..]`.
fn operators() -> String {
    let of = |operator: &OperatorInfo| json!({ "text": operator.sign, "what": operator.meaning });
    let operators: Vec<_> = OPERATORS.iter().map(of).collect();
    format!("export const OPERATORS = {};\n", Value::Array(operators))
}

/// Why events are missing, as a module that says of each reason's word whether it is a loss, and its words for people.
fn reasons() -> String {
    let described = |reason: &MissingReason| json!({ "isLoss": reason.is_loss(), "text": reason.to_string() });
    let reasons: Map<_, _> =
        MissingReason::ALL.iter().map(|reason| (reason.word().to_owned(), described(reason))).collect();
    format!("export const REASONS = {};\n", json!(reasons))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_knows_every_reason() {
        let text = named("reasons.js").unwrap().text;
        for reason in MissingReason::ALL {
            let known = format!(r#""{}":{{"isLoss":{},"text":"{reason}"}}"#, reason.word(), reason.is_loss());
            assert!(text.contains(&known), "{known} is not in {text}");
        }
    }
}
