//! Arbitrary bytes as a line of the wire form: what is read is written as what reads the same, and is written once.

use crate::unique;
use tracing_tap::wire::{TimeText, read_time};
use tracing_tap::{CapturedEvent, Format, Item, write_item};

/// The longest text that an error may have beside what it quotes.
const MAX_ERROR_BYTES: usize = 1024;

/// Reads the line that some bytes are, as an item, an event and a time.
pub(crate) fn check(bytes: &[u8]) {
    match serde_json::from_slice::<Item>(bytes) {
        Ok(item) => check_item(&item),
        Err(error) => assert!(error.to_string().len() < MAX_ERROR_BYTES + 6 * bytes.len(), "{error}"),
    }
    if let Ok(event) = serde_json::from_slice::<CapturedEvent>(bytes) {
        let line = serde_json::to_string(&event).expect("an event can be serialized");
        unique::parse(&line).expect("no key is twice");
        let again: CapturedEvent = serde_json::from_str(&line).expect("what is written can be read");
        assert_eq!(serde_json::to_string(&again).expect("an event can be serialized"), line);
    }
    if let Ok(time) = read_time(str::from_utf8(bytes).unwrap_or_default()) {
        let text = TimeText::new(time);
        let again = read_time(text.as_str()).expect("what is written can be read");
        assert_eq!(TimeText::new(again).as_str(), text.as_str());
    }
}

fn check_item(item: &Item) {
    let line = written(item);
    unique::parse(&line).expect("it is JSON in which no key is twice");
    let again: Item = serde_json::from_str(&line).expect("what is written can be read");
    assert_eq!(written(&again), line);
    // Another serializer writes the same, apart from what it escapes.
    let other = serde_json::to_string(item).expect("an item can be serialized");
    let other: Item = serde_json::from_str(&other).expect("what is serialized can be read");
    assert_eq!(written(&other), line);
}

fn written(item: &Item) -> String {
    let mut out = Vec::new();
    write_item(&mut out, item, Format::Json);
    assert_eq!(out.iter().position(|byte| *byte == b'\n'), Some(out.len() - 1), "it is one line");
    String::from_utf8(out).expect("it is text")
}
