//! Answers in JSON, with every hidden character escaped.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;
use tracing_tap::escape::is_hidden;

/// An answer that no cache keeps.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let value = serde_json::to_value(value).expect("answers are plain data with texts for keys");
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (status, [content_type, (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], json_text(&value))
        .into_response()
}

/// JSON in one line, with a line break and every hidden character escaped.
pub(super) fn json_text(value: &Value) -> String {
    let mut text = escaped(&value.to_string());
    text.push('\n');
    text
}

/// Hidden characters are in JSON's strings alone, where an escape says the same.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 1);
    for character in json.chars() {
        if is_hidden(character) {
            let mut units = [0; 2];
            let units = character.encode_utf16(&mut units).iter();
            units.for_each(|unit| write!(text, "\\u{unit:04x}").expect("a string takes what is written to it"));
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_reads_back() {
        let value = Value::from("a\u{7f}\u{9b}2J\u{202e}\u{e0001}\n\"é");
        let text = json_text(&value);
        assert_eq!(text, "\"a\\u007f\\u009b2J\\u202e\\udb40\\udc01\\n\\\"é\"\n");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
