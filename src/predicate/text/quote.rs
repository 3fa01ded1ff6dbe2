//! Values in double quotes and names in backticks: what JSON escapes.

use super::token::{is_bare_name, is_bare_value};
use crate::escape::is_hidden;
use std::fmt::{self, Write};

/// What is written between two marks; none if half of a surrogate pair is.
pub(super) fn unescape(body: &str) -> Option<String> {
    serde_json::from_str(&to_json(body)).ok()
}

/// A value as it is read back.
pub(super) fn write_value(out: &mut impl Write, text: &str) -> fmt::Result {
    if is_bare_value(text) && !is_null(text) { out.write_str(text) } else { write_quoted(out, text) }
}

/// A field name as it is read back. What a name begins with is dropped where it is the mark of a raw identifier.
pub(super) fn write_name(out: &mut impl Write, name: &str) -> fmt::Result {
    if is_bare_name(name) {
        return out.write_str(name);
    }
    let json = to_string(&with_raw_mark(name));
    let body = json[1..json.len() - 1].replace(r#"\""#, "\"").replace('`', r"\`");
    write!(out, "`")?;
    write_visible(out, &body)?;
    write!(out, "`")
}

/// A name that is `name` once the mark of a raw identifier is dropped.
pub(super) fn with_raw_mark(name: &str) -> String {
    if name.starts_with("r#") { format!("r#{name}") } else { name.to_owned() }
}

/// What stands for no value in other languages: without quotes it is refused where a field is compared.
pub(super) fn is_null(text: &str) -> bool {
    text.eq_ignore_ascii_case("null")
}

pub(super) fn write_quoted(out: &mut impl Write, text: &str) -> fmt::Result {
    write_visible(out, &to_string(text))
}

fn to_string(text: &str) -> String {
    serde_json::to_string(text).expect("a text can always be written as JSON")
}

/// JSON has escapes for every character, but leaves most of those that are hidden as they are.
fn write_visible(out: &mut impl Write, json: &str) -> fmt::Result {
    for character in json.chars() {
        if is_hidden(character) {
            character.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, r"\u{unit:04x}"))?;
        } else {
            out.write_char(character)?;
        }
    }
    Ok(())
}

/// In backticks a double quote needs no escape, and a backtick has one.
fn to_json(body: &str) -> String {
    let mut json = String::from('"');
    let mut rest = body.chars();
    while let Some(character) = rest.next() {
        match (character, rest.clone().next()) {
            ('\\', Some('`')) => json.extend(rest.next()),
            ('\\', escaped) => {
                json.push('\\');
                json.extend(escaped);
                rest.next();
            }
            ('"', _) => json.push_str(r#"\""#),
            _ => json.push(character),
        }
    }
    json.push('"');
    json
}
