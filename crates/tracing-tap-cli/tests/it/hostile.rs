//! Hostile servers: their target is the terminal, the memory or the reader of the output.

use crate::program::{Program, command, run};
use crate::strangers::{OPENED, Stranger, begin_stream, respond};

const EVENT: &str = r#"{"type":"event","session":1,"sequence":0,"timestamp":"2026-11-20T08:15:02.123456Z","level":"DEBUG","fields":{"message":"MESSAGE"},"target":"a"}"#;
const ENDED: &str = "event: ended\ndata: {\"type\":\"ended\",\"reason\":\"closed\"}\n\n";

fn event(message: &str) -> String {
    format!("data: {}\n\n", EVENT.replace("MESSAGE", message))
}

#[track_caller]
fn assert_shows_nothing_hidden(text: &str) {
    let hidden =
        |character: char| character != '\n' && character.is_control() || "\u{202e}\u{200b}".contains(character);
    assert!(!text.contains(hidden), "{text:?}");
}

#[test]
fn every_format_escapes_what_a_terminal_would_obey() {
    // Raw, as no endpoint sends it; JSON itself takes the last two.
    let sent = [event("delete \u{7f} c1 \u{9b}31m"), event("turn \u{202e} hide \u{200b}"), ENDED.to_owned()].concat();
    for form in ["json", "human", "compact", "github"] {
        let stranger = Stranger::streaming(sent.clone());
        let ended = crate::program::watch(&[&stranger.url(), "*", "--format", form]).end();
        ended.assert(0, &["2 events delivered"]);
        assert_shows_nothing_hidden(&ended.stdout);
        assert!(ended.stdout.to_lowercase().contains("202e"), "it is shown as an escape: {}", ended.stdout);
        if form == "json" {
            assert_eq!(ended.json()[0]["fields"]["message"], "delete \u{7f} c1 \u{9b}31m");
        }
    }
}

#[test]
fn unreadable_data_are_reported_in_place_and_fail_at_the_end() {
    let odd = [
        "data: {\"type\":\"event\",\n\n",
        "data: \u{1b}[2J\n\n",
        "data: {\"type\":\"ended\",\"reason\":\"closed\"}\n\n",
        "data: {\"no\":\"type\"}\n\n",
        "event: missing\ndata: {\"type\":\"missing\",\"count\":-1,\"reason\":\"\u{1b}[31m\"}\n\n",
    ];
    let sent = [odd.concat(), event("good"), ENDED.to_owned()].concat();
    for form in ["json", "human", "compact", "github"] {
        let stranger = Stranger::streaming(sent.clone());
        let ended = crate::program::watch(&[&stranger.url(), "*", "--format", form]).end();
        ended.assert(
            1,
            &[
                "1 event delivered",
                "Unreadable data arrived, and is reported in the output: EOF",
                "5 lines were no events",
            ],
        );
        assert!(ended.stdout.contains("good"));
        assert_shows_nothing_hidden(&ended.stdout);
        assert_shows_nothing_hidden(&ended.stderr);
        if form == "json" {
            let unreadable = ended.json().iter().filter(|line| line["type"] == "unreadable").count();
            assert_eq!(unreadable, 5);
        }
    }
}

#[test]
fn items_and_keys_of_a_later_version_are_ignored() {
    let later = "event: later\nid: 8c6f0b7be2c34b6fa1c5cf5f7ad1f0f1:0.1\ndata: {\"type\":\"later\",\"count\":7}\n\n";
    let more_keys = event("good")
        .replace("{\"message\"", "{\"later\":1,\"message\"")
        .replace("\"level\"", "\"later\":{},\"level\"");
    for form in ["json", "human", "compact", "github"] {
        let stranger = Stranger::streaming([later, &more_keys, later, ENDED].concat());
        let ended = crate::program::watch(&[&stranger.url(), "*", "--format", form]).end();
        ended.assert(0, &["1 event delivered, 0 lost"]);
        assert!(ended.stdout.contains("good") && !ended.stdout.contains("later\",\"count"), "{}", ended.stdout);
    }
}

#[test]
fn an_end_for_an_unknown_reason_is_an_end() {
    let end = "event: ended\ndata: {\"type\":\"ended\",\"reason\":\"bored\"}\n\n";
    let stranger = Stranger::streaming([event("good"), end.to_owned()].concat());
    let ended = crate::program::watch(&[&stranger.url(), "*"]).end();
    ended.assert(1, &["Session over", "1 event delivered", "unknown variant `bored`"]);
}

#[test]
fn refusals_and_coverage_are_escaped_too() {
    let stranger = Stranger::start(|_, stream| {
        let problem =
            "{\"type\":\"urn:\\u001b[1m\",\"detail\":\"no\\u001b[2J \u{9b}31m\\nno \u{202e}\",\"text\":\"\\u0007\"}";
        respond(stream, "403 No", "application/problem+json", problem);
    });
    let ended = run(&["watch", &stranger.url(), "*"]);
    ended.assert(3, &[r"no\x1B[2J \x9B31m\nno \u{202E}", "403"]);
    assert_shows_nothing_hidden(&ended.stderr);

    let stranger = Stranger::start(|head, stream| {
        if head.starts_with("POST ") {
            let notes = r#""notes":[{"note":"x","text":"seen \u001b[2J"}]"#;
            let opened =
                OPENED.replace("\"notes\":[]", notes).replace("\"predicate\":\"*\"", "\"predicate\":\"\\u009b\"");
            return respond(stream, "201 Created", "application/json", &opened);
        }
        begin_stream(stream);
        let _ = std::io::Write::write_all(stream, ENDED.as_bytes());
    });
    let ended = crate::program::watch(&[&stranger.url(), "*"]).end();
    ended.assert(0, &[r"Watching \x9B at", r"seen \x1B[2J"]);
    assert_shows_nothing_hidden(&ended.stderr);
}

#[test]
fn lines_about_instances_are_escaped_in_every_format() {
    let of = |kind: &str, more: &str| {
        format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"instance\":\"chat-1\",{more}}}\n\n")
    };
    let lines = [
        of("joined", "\"later\":1"),
        of("refused", "\"error\":\"50 % \u{7f}\""),
        of("gap", "\"count\":3,\"place\":\"network\""),
        of("missing", "\"count\":1,\"reason\":\"overflow\""),
        of("missing", "\"count\":2,\"reason\":\"sampled_out\""),
        ENDED.to_owned(),
    ];
    for (format, expected) in [
        (
            "compact",
            vec!["-- chat-1: takes part\n", "-- chat-1: takes no part: 50 % \\x7F\n", "-- chat-1: 3 events lost"],
        ),
        ("human", vec!["  -- chat-1: takes part\n\n", "  -- chat-1: takes no part: 50 % \\x7F\n\n"]),
        (
            "github",
            vec![
                "::notice title=tracing-tap::chat-1: takes part\n",
                "::notice title=tracing-tap::chat-1: takes no part: 50 %25 \\x7F\n",
                "::warning title=tracing-tap::chat-1: 3 events lost",
                "::warning title=tracing-tap::chat-1: 1 event lost",
                "::notice title=tracing-tap::chat-1: 2 events",
            ],
        ),
    ] {
        let stranger = Stranger::streaming(lines.concat());
        let ended = crate::program::watch(&[&stranger.url(), "*", "--format", format]).end();
        expected.iter().for_each(|line| assert!(ended.stdout.contains(line), "{line:?} in {}", ended.stdout));
        assert_shows_nothing_hidden(&ended.stdout);
    }
}

#[test]
fn invalid_arguments_are_shown_escaped() {
    for arguments in [
        &["no\u{1b}[2J\u{9b}31m"][..],
        &["watch", "http://127.0.0.1:1", "*", "--format", "no\u{1b}[2J\u{9b}31m"],
        &["watch", "http://127.0.0.1:1", "*", "--max", "no\u{1b}[2J\u{9b}31m"],
        &["watch", "http://127.0.0.1:1", "*", "--no\u{1b}[2J\u{9b}31m"],
    ] {
        let ended = Program::start(command(arguments).env("CLICOLOR_FORCE", "1")).end();
        ended.assert(2, &["error: ", r"no\x1B[2J\x9B31m"]);
        assert_shows_nothing_hidden(&ended.stderr);
    }
    let help = run(&["watch", "--help", "\u{1b}[2J"]);
    help.assert(0, &[]);
    assert!(help.stdout.contains("Usage: tracing-tap watch"), "{help:?}");
}

#[test]
fn counts_that_are_too_large_end_nothing() {
    let lost =
        format!("event: missing\ndata: {{\"type\":\"missing\",\"count\":{},\"reason\":\"overflow\"}}\n\n", u64::MAX);
    let stranger = Stranger::streaming([lost.clone(), event("good"), lost, ENDED.to_owned()].concat());
    crate::program::watch(&[&stranger.url(), "*"]).end().assert(0, &["1 event delivered"]);
}

#[test]
fn lists_are_escaped_too() {
    let session = OPENED.replace("\"name\":null", "\"name\":\"\\u001b[2J\\u202e\"");
    let answer = format!("{{\"sessions\":[{session}]}}");
    let stranger = Stranger::start(move |_, stream| respond(stream, "200 OK", "application/json", &answer));
    for form in ["table", "json"] {
        let ended = run(&["sessions", &stranger.url(), "--format", form]);
        ended.assert(0, &[]);
        assert_shows_nothing_hidden(&ended.stdout);
        assert!(ended.stdout.to_lowercase().contains("202e"), "{}", ended.stdout);
    }
}

#[test]
fn the_id_of_a_closed_session_is_escaped() {
    let session = OPENED.replace("8c6f0b7be2c34b6fa1c5cf5f7ad1f0f1", "8c\u{9b}31m\u{202e}");
    let answer = format!("{{\"sessions\":[{session}]}}");
    let stranger = Stranger::start(move |_, stream| respond(stream, "200 OK", "application/json", &answer));
    let ended = run(&["close", &stranger.url(), "8c"]);
    ended.assert(0, &[]);
    assert_shows_nothing_hidden(&ended.stdout);
    assert_eq!(ended.stdout, "closed 8c\\x9B31m\\u{202E}\n");
    assert!(stranger.requests()[1].starts_with("DELETE /sessions/8c%C2%9B31m%E2%80%AE "), "{:?}", stranger.requests());
}

#[test]
fn an_endless_line_is_given_up() {
    let stranger = Stranger::start(|head, stream| {
        if head.starts_with("POST ") {
            return respond(stream, "201 Created", "application/json", OPENED);
        }
        begin_stream(stream);
        let piece = [b'a'; 1 << 16];
        while std::io::Write::write_all(stream, &piece).is_ok() {}
    });
    let program = crate::program::watch(&[&stranger.url(), "*"]);
    program.end().assert(1, &["failed to read the stream: the server has sent a message of more than 16 MiB"]);
}

#[test]
fn an_endless_answer_is_given_up() {
    let stranger = Stranger::start(|_, stream| {
        let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n");
        let piece = [b' '; 1 << 16];
        while std::io::Write::write_all(stream, &piece).is_ok() {}
    });
    run(&["sessions", &stranger.url()])
        .assert(1, &["failed to list the sessions: read the answer: length limit exceeded"]);
}
