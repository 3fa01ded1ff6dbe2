//! Arbitrary bytes as an item, and that item in every form: nothing hidden gets through, JSON and YAML read back.
//!
//! Bytes that begin with `{` are a line of JSON, those that begin with 0 a case of `predicate_matches`, which really
//! happens. All others are the words of a hostile event, one behind the other: see `Words`.

#[path = "../../../src/render/human/tests/expected.rs"]
mod expected;

use crate::oracle::fuzzed;
use crate::unique;
use expected::{converted, expected_block, fits};
use regex::Regex;
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Value as Json, json};
use serde_norway::Value as Node;
use std::sync::LazyLock;
use tracing_tap::render::write_item_coloured;
use tracing_tap::{CapturedEvent, Format, Item, Value, write_item};

/// Begins the bytes of a case that really happens.
const HAPPENS: u8 = 0;
/// Separates the words of a hostile event; no UTF-8 has it.
const SEPARATOR: u8 = 0xFF;
const FORMATS: [Format; 4] = [Format::Json, Format::Human, Format::Compact, Format::GithubActions];
const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

/// What a terminal obeys or does not show, in Unicode's words, as a bit for each character.
static HIDDEN: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let hidden = Regex::new(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{DI}\p{NChar}&&[^\n]]").expect("it is well formed");
    let all: String = (0..=u32::from(char::MAX)).filter_map(char::from_u32).collect();
    let mut bits = vec![0; u32::from(char::MAX) as usize / 64 + 1];
    for character in hidden.find_iter(&all).flat_map(|found| found.as_str().chars()) {
        bits[character as usize / 64] |= 1 << (character as usize % 64);
    }
    bits
});

/// Renders what some bytes stand for, if they stand for an item, in every form but YAML.
pub(crate) fn check(bytes: &[u8]) {
    for item in items(bytes) {
        let read = check_item(&item);
        // One that was read is the same in every form once it is written and read again.
        if bytes.first() != Some(&HAPPENS) {
            for format in FORMATS {
                assert_eq!(written(&read, format), written(&item, format));
            }
        }
    }
}

/// Has two parsers of YAML read what people are shown. They take ten times as long as all the rest.
pub(crate) fn check_with_yaml(bytes: &[u8]) {
    for item in items(bytes) {
        if let Item::Event { event, .. } = &item {
            check_yaml(event, &serde_json::to_value(&item).expect("an item can be serialized"));
        }
    }
}

/// The items that some bytes stand for.
fn items(bytes: &[u8]) -> Vec<Item> {
    match bytes {
        [b'{', ..] => serde_json::from_slice(bytes).into_iter().collect(),
        [HAPPENS, case @ ..] => fuzzed::items(case),
        words => vec![hostile_item(words)],
    }
}

/// Checks every form of an item. Returns it as it is read back from JSON.
fn check_item(item: &Item) -> Item {
    for format in FORMATS {
        check_shown(format, &written(item, format));
    }
    let mut coloured = Vec::new();
    write_item_coloured(&mut coloured, item);
    let coloured = String::from_utf8(coloured).expect("it is text");
    assert_eq!(without_colour(&coloured), written(item, Format::Compact));
    let line = written(item, Format::Json);
    let object = unique::parse(&line).expect("it is JSON in which no key is twice");
    assert_eq!(object, serde_json::to_value(item).expect("an item can be serialized"), "{line}");
    let read: Item = serde_json::from_str(&line).expect("what is written can be read");
    assert_eq!(written(&read, Format::Json), line);
    read
}

/// A text without the codes of colours.
fn without_colour(text: &str) -> String {
    let mut parts = text.split("\u{1B}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| {
        let code = part.trim_start_matches(|character: char| character.is_ascii_digit() || character == ';');
        plain + code.strip_prefix('m').expect("it is the code of a colour")
    })
}

fn written(item: &Item, format: Format) -> String {
    let mut out = Vec::new();
    write_item(&mut out, item, format);
    String::from_utf8(out).expect("it is text")
}

fn check_shown(format: Format, text: &str) {
    let is_hidden = |character: char| HIDDEN[character as usize / 64] >> (character as usize % 64) & 1 == 1;
    assert!(!text.contains(is_hidden), "{format}: {text:?}");
    let is_terminated = match format {
        Format::Human => text.find("\n\n") == Some(text.len() - 2),
        _ => text.find('\n') == Some(text.len() - 1),
    };
    assert!(is_terminated, "{format}: {text:?}");
}

/// The block below the message is read alike by a parser of YAML 1.1 and one of YAML 1.2.
fn check_yaml(event: &CapturedEvent, object: &Json) {
    let text = event.to_string();
    let (message, block) = text.split_once('\n').expect("a block follows the message");
    assert!(!message.starts_with(char::is_whitespace), "{text}");
    let time = object["timestamp"].as_str().expect("every event has its time");
    let expected = expected_block(event, time);
    let read: Node = serde_norway::from_str(block).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(read, expected, "{text}");
    if event.fields().chain(event.spans().flat_map(|span| span.fields())).all(|(_, value)| fits(value)) {
        let documents = Yaml::load_from_str(block).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(documents.len(), 1, "{text}");
        assert_eq!(converted(&documents[0]), expected, "{text}");
    }
}

/// The item that these words make: target, thread, file and message; then pairs of a name and a value, where the name
/// `>` begins a span that the value is the name of.
fn hostile_item(bytes: &[u8]) -> Item {
    let mut words =
        Words(bytes.split(|byte| *byte == SEPARATOR).map(String::from_utf8_lossy).collect::<Vec<_>>().into_iter());
    let level = LEVELS[bytes.len() % LEVELS.len()];
    let [target, thread, file, message] = std::array::from_fn(|_| words.next());
    let mut groups = vec![(String::new(), vec![format!("\"message\":{}", json!(message))])];
    while let Some((name, value)) = words.pair() {
        match (name.as_str(), groups.last_mut()) {
            (">", _) | (_, None) => groups.push((value, Vec::new())),
            (_, Some((_, fields))) => fields.push(format!("{}:{}", json!(name), json_of(&value))),
        }
    }
    let spans = groups.split_off(1).into_iter().map(|(name, mut fields)| {
        fields.push(format!("\"name\":{}", json!(name)));
        format!("{{{}}}", fields.join(","))
    });
    let (own, spans) = (groups[0].1.join(","), spans.collect::<Vec<_>>().join(","));
    let (target, thread, file) = (json!(target), json!(thread), json!(file));
    let line = format!(
        r#"{{"type":"event","session":1,"sequence":{sequence},"timestamp":"2026-11-20T08:15:02.123456Z","level":"{level}","fields":{{{own}}},"target":{target},"filename":{file},"spans":[{spans}],"threadName":{thread}}}"#,
        sequence = bytes.len(),
    );
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// What is a number, a boolean or null in JSON is that; all else is a text.
fn json_of(word: &str) -> String {
    match serde_json::from_str(word) {
        Ok(Json::Null | Json::Bool(_) | Json::Number(_)) => word.to_owned(),
        _ => json!(word).to_string(),
    }
}

struct Words<'a>(std::vec::IntoIter<std::borrow::Cow<'a, str>>);

impl Words<'_> {
    /// The next word, empty behind the last.
    fn next(&mut self) -> String {
        self.0.next().unwrap_or_default().into_owned()
    }

    fn pair(&mut self) -> Option<(String, String)> {
        Some((self.0.next()?.into_owned(), self.next()))
    }
}
