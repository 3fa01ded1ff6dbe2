//! What a replay shows of a recording: of a real one, and of all that may be in a file.

use crate::fixture::Service;
use crate::program::{Ended, Folder, Program, command, json_lines, messages, run};
use std::fs::{File, OpenOptions};
use std::process::Stdio;
use testing::wait_until;
use tracing_tap::Predicate;

/// Events of a few users, with values of every type, inside spans and outside.
fn emit(count: u64) {
    for number in 0..count {
        let conn = tracing::info_span!("conn", user = number % 5, tenant = ?format!("t{}", number % 3));
        conn.in_scope(|| match number % 4 {
            0 => tracing::debug!(number, path = "/admin/x", "first"),
            1 => tracing::warn!(number, ratio = number as f64 / 4.0, error = %"broken \"pipe\"", "second"),
            2 => tracing::info_span!("query", rows = number, big = u128::MAX).in_scope(|| {
                tracing::error!(number, ok = false, tenant = number, "third");
            }),
            _ => tracing::trace!(target: "app::db", number, text = "a\tb\u{202e}é", "fourth"),
        });
    }
}

fn replay(arguments: &[&str]) -> Ended {
    run(&[&["replay"], arguments].concat())
}

fn lines_of(folder: &Folder, name: &str) -> usize {
    std::fs::read(folder.path(name)).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
}

fn numbers(ended: &Ended) -> Vec<u64> {
    let lines = ended.json();
    let events = lines.iter().filter(|line| line["type"] == "event");
    events.map(|event| event["fields"]["number"].as_u64().expect("events have numbers")).collect()
}

isolated! {
    fn a_killed_recording_is_replayed_to_its_last_whole_line() {
        let service = Service::start();
        let endpoint = service.serve();
        let folder = Folder::new();
        let file = folder.path("recording.json");
        let program = crate::program::watch(&[&endpoint.url(), "number exists", "--output", &file]);
        emit(400);
        wait_until("some events to be in the file", || lines_of(&folder, "recording.json") >= 100);
        program.signal("KILL");
        let mut program = program;
        program.wait();

        let written = folder.read("recording.json");
        let whole: Vec<u64> = json_lines(&written[..=written.rfind('\n').expect("there is a line")])
            .iter()
            .map(|line| line["fields"]["number"].as_u64().expect("a number"))
            .collect();
        let wanted: Vec<u64> = whole.iter().copied().filter(|number| number % 5 == 2).collect();
        let ended = replay(&[&file, "user = 2"]);
        ended.assert(0, &["The recording has no end: it was cut short, or goes on."]);
        assert_eq!(numbers(&ended), wanted);

        // As a system leaves it that ran out of space in the middle of a line.
        let cut = written.trim_end().len() - 20;
        OpenOptions::new().write(true).open(&file).and_then(|file| file.set_len(cut as u64)).expect("it can be cut");
        let ended = replay(&[&file]);
        let number = whole.len();
        ended.assert(0, &[&format!("warning: line {number} is incomplete ("), " and was left out: the recording was cut short"]);
        assert_eq!(numbers(&ended), whole[..number - 1]);
    }

    fn a_replay_shows_exactly_the_events_that_match() {
        let service = Service::start();
        let endpoint = service.serve();
        let folder = Folder::new();
        let file = folder.path("recording.json");
        let mut recorded = service.router.watch(Predicate::exists("number"));
        let program = crate::program::watch(&[&endpoint.url(), "number exists", "--max", "120", "--output", &file]);
        emit(120);
        program.end().assert(0, &[]);
        let events = testing::events(&mut recorded);
        assert_eq!(events.len(), 120);
        let tests = [
            "user = 3", "tenant = t1", "tenant ^= t", "number >= 60", "ratio = 1.25", "ratio < 2", "error *= pipe", "big > 0",
            r#"path ~ "^/admin/""#, "ok = false", "text $= é", "@span = query", "@level >= warn", "@level = debug", "@target = app",
            "@file = replaying.rs", "user in (1, 4)", "absent exists", "message = second", "rows exists", "tenant = 62",
        ];
        let joined = tests.iter().enumerate().flat_map(|(place, one)| {
            let other = tests[(place * 7 + 5) % tests.len()];
            [(*one).to_owned(), format!("not {one}"), format!("{one} and not {other}"), format!("{one} or {other}"), format!("not ({one} and {other})")]
        });
        for text in joined {
            let predicate: Predicate = text.parse().expect("it is a predicate");
            let expected: Vec<u64> = events
                .iter()
                .filter(|event| predicate.is_match(event))
                .map(|event| event.field("number").and_then(tracing_tap::Value::as_u64).expect("a number"))
                .collect();
            let ended = replay(&[&file, &text]);
            assert_eq!(numbers(&ended), expected, "{text}");
            ended.assert(0, &[&format!("{} of 120 events shown; the recording is from 2", expected.len())]);
        }
    }

    fn timings_are_filtered_as_the_session_would() {
        let service = Service::start();
        let endpoint = service.serve();
        let folder = Folder::new();
        let file = folder.path("recording.json");
        // Each request has two events, one of its query, and the closes of both spans.
        let requests = || for user in 0..4_u64 {
            tracing::info_span!("request", user).in_scope(|| {
                tracing::debug!("accepted");
                tracing::info_span!("query", rows = 3 * user).in_scope(|| tracing::debug!("rows read"));
            });
        };
        let url = endpoint.url();
        let all = crate::program::watch(&[&url, "user exists", "--timings", "--max", "16", "--output", &file]);
        let predicates = ["user = 2", "not user = 2", "@span = query", "rows >= 6", "@level = debug", "@target = it::replaying and user < 2"];
        let mut live: Vec<_> = predicates.map(|text| {
            let session = tracing_tap::SessionOptions::new(format!("user exists and ({text})").parse().expect("a predicate"));
            (text, service.router.watch(session.timings()))
        }).into();
        requests();
        all.end().assert(0, &["16 events delivered"]);
        let kinds = |lines: &[serde_json::Value], of: &str| lines.iter().filter(|line| line["type"] == of).count();
        for (text, stream) in &mut live {
            let items: Vec<_> = stream.drain().collect();
            let timings = items.iter().filter(|item| matches!(item, tracing_tap::Item::Timing { .. })).count();
            let ended = replay(&[&file, text]);
            let lines = ended.json();
            assert_eq!((kinds(&lines, "timing"), kinds(&lines, "event")), (timings, items.len() - timings), "{text}");
            ended.assert(0, &[&format!("{} of 8 events and {timings} of 8 timings shown", items.len() - timings)]);
        }
        let ended = replay(&[&file, "polls = 1 or time.wall > 0 or message = close"]);
        ended.assert(0, &["0 of 8 events and 0 of 8 timings shown"]);
        replay(&[&file, "--around", "2020-01-01T00:00:00Z"]).assert(0, &["0 of 8 events and 0 of 8 timings shown"]);
        replay(&[&file]).assert(0, &["8 events and 8 timings; the recording is from 2"]);
    }

    fn a_recording_of_outcomes_shows_what_was_left_out() {
        let service = Service::start();
        let endpoint = service.serve();
        let folder = Folder::new();
        let file = folder.path("recording.json");
        let request = |number: u64, status: u64| tracing::info_span!("request").in_scope(|| {
            tracing::debug!(number, "accepted");
            tracing::info!(number, status, "answered");
        });
        let arguments = ["--follow", "root", "--only-if", "status >= 500", "--output", &file];
        let program = crate::program::watch(&[&[&*endpoint.url(), "number exists"], &arguments[..]].concat());
        let open = tracing::info_span!("request");
        open.in_scope(|| tracing::debug!(number = 9, "under way"));
        (0..3).for_each(|number| request(number, if number == 1 { 503 } else { 200 }));
        wait_until("the request to be in the file", || lines_of(&folder, "recording.json") >= 2);
        program.signal("INT");
        let ended = program.end();
        let ended_words = ["1 undecided", "4 not chosen"];
        ended.assert(0, &ended_words);
        let replayed = replay(&[&file]);
        assert_eq!(numbers(&replayed), [1, 1]);
        replayed.assert(0, &ended_words);
        let compact = replay(&[&file, "status >= 500", "--format", "compact"]);
        compact.assert(0, &["1 of 2 events shown", "1 undecided", "4 not chosen"]);
        for words in ["1 event undecided", "4 events not chosen", "-- session over: closed"] {
            assert!(compact.stdout.contains(words), "{words}: {}", compact.stdout);
        }
    }

    fn each_format_is_what_a_watch_prints() {
        let service = Service::start();
        let endpoint = service.serve();
        let folder = Folder::new();
        let url = endpoint.url();
        let file = folder.path("recording.json");
        let watch = |more: &[&str]| crate::program::watch(&[&[&*url, "number exists", "--max", "12"], more].concat());
        let recording = watch(&["--output", &file]);
        let formats = ["human", "compact", "github"];
        let programs = formats.map(|format| watch(&["--format", format]));
        let coloured = watch(&["--format", "compact", "--color", "always"]);
        emit(12);
        recording.end().assert(0, &[]);
        for (format, program) in formats.iter().zip(programs) {
            assert_eq!(replay(&[&file, "--format", format]).stdout, program.end().stdout);
        }
        assert_eq!(replay(&[&file, "--format", "compact", "--color", "always"]).stdout, coloured.end().stdout);
        assert_eq!(replay(&[&file]).stdout, folder.read("recording.json"), "JSON lines are copied");
        let ended = replay(&[&file, "*", "--large-integers-as-strings", "--max-line-bytes", "4096", "--quiet"]);
        assert_eq!((numbers(&ended).len(), ended.stderr.as_str()), (12, ""));
    }

    fn a_replay_reads_standard_input_and_ends_with_its_reader() {
        let folder = Folder::new();
        let text: String = (0..20_000).map(|number| event_at("2026-11-30T12:00:00.000000Z", number)).collect();
        let file = folder.write("recording.json", &text);
        let input = || Stdio::from(File::open(&file).expect("it was written"));
        let ended = Program::start(command(&["replay", "-", "n >= 19990"]).stdin(input())).end();
        ended.assert(0, &["10 of 20000 events shown"]);
        assert_eq!(messages(&ended.json()).len(), 10);

        let mut child = command(&["replay", "-"]).stdin(input()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "nobody reads, and nothing is said");
    }
}

fn event_at(time: &str, n: usize) -> String {
    format!(
        "{{\"type\":\"event\",\"session\":1,\"sequence\":{n},\"timestamp\":\"{time}\",\"level\":\"INFO\",\"fields\":{{\"message\":\"m{n}\",\"n\":{n}}},\"target\":\"a\"}}\n"
    )
}

/// A recording of all that may be in one, in order.
fn eventful() -> String {
    let at = |second: usize| format!("2026-11-30T12:00:{second:02}.000000Z");
    let of_instance = event_at(&at(40), 4).replace("\"event\",", "\"event\",\"instance\":\"chat-1\",");
    [
        r#"{"type":"coverage","findings":[{"finding":"x","text":"no field `usr`"}],"is_clear":false,"notes":[],"verdict":"partly"}"#,
        "",
        event_at(&at(0), 0).trim_end(),
        r#"{"type":"missing","count":3,"reason":"overflow"}"#,
        event_at(&at(10), 1).trim_end(),
        r#"{"type":"continued","after_ms":1500}"#,
        r#"{"type":"missing","count":2,"reason":"rate_limited"}"#,
        event_at(&at(20), 2).trim_end(),
        r#"{"type":"gap","after_ms":2500}"#,
        r#"{"type":"unreadable","reason":"EOF"}"#,
        event_at(&at(30), 3).trim_end(),
        r#"{"type":"joined","instance":"chat-1"}"#,
        r#"{"type":"gap","instance":"chat-1","count":7,"place":"network"}"#,
        of_instance.trim_end(),
        r#"{"type":"weather","sky":"blue"}"#,
        r#"{"type":"missing","count":1,"reason":"of_a_later_version"}"#,
        r#"{"type":"ended","reason":"closed"}"#,
        "",
    ]
    .join("\n")
}

#[test]
fn what_a_recording_says_of_itself_is_shown_in_place() {
    let folder = Folder::new();
    let file = folder.write("recording.json", &eventful());
    let ended = replay(&[&file, "n = 1 or n >= 3", "--format", "compact"]);
    assert_eq!(
        ended.stdout.lines().collect::<Vec<_>>(),
        [
            "-- coverage: not everything can match; no field `usr`",
            "-- 3 events lost: the buffer was full",
            "12:00:10.000Z  INFO a: m1 n=1",
            "-- reconnected after 1.5s: missing events, if any, are reported",
            "-- 2 events rate-limited",
            "-- the session was gone for 2.5s: events in between are unknown",
            "-- unreadable data arrived: EOF",
            "12:00:30.000Z  INFO a: m3 n=3",
            "-- chat-1: takes part",
            "-- chat-1: 7 events lost, place: network",
            "[chat-1] 12:00:40.000Z  INFO a: m4 n=4",
            "-- 1 event missing: of_a_later_version",
            "-- session over: closed",
        ]
    );
    ended.assert(
        0,
        &["3 of 5 events shown; the recording is from 2026-11-30T12:00:00.000000Z to 2026-11-30T12:00:40.000000Z."],
    );
    ended.assert(
        0,
        &["Missing in the recording: 11 lost, 2 rate-limited, 1 gap without a session. Session over: closed."],
    );
    ended.assert(0, &["1 line of a type unknown to this version was not shown; `--format json` copies it: `weather`."]);
    let json = replay(&[&file]);
    assert_eq!(json.stdout, eventful().replace("\n\n", "\n"), "JSON has all of it as it was");
    json.assert(0, &["5 events; ", "1 line of a type unknown to this version was copied: `weather`."]);
}

#[test]
fn around_a_time_is_what_happened_then() {
    let folder = Folder::new();
    let file = folder.write("recording.json", &eventful());
    let shown = |arguments: &[&str]| {
        let ended = replay(&[&[&*file, "--format", "compact"], arguments].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let marks = ended.stdout.lines().map(|line| {
            let words = [
                "m0",
                "m1",
                "m2",
                "m3",
                "m4",
                "3 events lost",
                "reconnected",
                "rate-limited",
                "gone",
                "takes part",
                "session over",
            ];
            words.into_iter().find(|word| line.contains(word)).unwrap_or("other")
        });
        marks.collect::<Vec<_>>().join(" ")
    };
    // What lies between two events is next to both.
    assert_eq!(shown(&["--around", "12:00:10", "--window", "0s"]), "3 events lost m1 reconnected rate-limited");
    assert_eq!(
        shown(&["--around", "2026-11-30T12:00:15Z", "--window", "5s"]),
        "3 events lost m1 reconnected rate-limited m2 gone other"
    );
    assert_eq!(
        shown(&["n = 2", "--around", "12:00:15", "--window", "5s"]),
        "3 events lost reconnected rate-limited m2 gone other"
    );
    assert_eq!(shown(&["--around", "11:59:55", "--window", "5s"]), "other m0 3 events lost");
    assert_eq!(shown(&["--around", "12:01:05"]), "takes part other m4 other session over");
    assert_eq!(shown(&["--around", "13:00"]), "");
    assert_eq!(shown(&["--around", "2026-12-01T12:00:10Z"]), "");
    replay(&[&file, "--around", "noon"]).assert(2, &["write `12:03`, `12:03:07` or `2026-11-30T12:03:07Z`"]);
    replay(&[&file, "--window", "5s"]).assert(2, &["--around <TIME>"]);
}

#[test]
fn a_line_that_cannot_be_read_is_reported_in_its_place() {
    let folder = Folder::new();
    let good = |n| event_at("2026-11-30T12:00:00.000000Z", n);
    let torn = good(1)[..50].to_owned() + "\n";
    let zeros = good(2).replace("\"m2\"", "\"\0\0\0\"");
    let file = folder.write("recording.json", &[good(0), torn, zeros, "7\n".to_owned(), good(3)].concat());
    // None of them could match, as far as it is there.
    let ended = replay(&[&file, "n = 3", "--format", "json"]);
    ended.assert(1, &["error: failed to read 3 lines of the recording; the output says which and why"]);
    let lines = ended.json();
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["unreadable", "unreadable", "unreadable", "event"]);
    for (line, number) in lines.iter().zip(2..5) {
        let reason = line["reason"].as_str().expect("there is a reason");
        assert!(reason.starts_with(&format!("line {number} of the recording: ")), "{reason}");
    }
    // The rest of a longer recording begins in the middle of a line.
    let file = folder.write("tail.json", &[&good(0)[30..], &good(1)].concat());
    let ended = replay(&[&file, "--format", "compact"]);
    ended.assert(1, &["1 event;"]);
    assert!(ended.stdout.starts_with("-- unreadable data arrived: line 1 of the recording: "), "{}", ended.stdout);
    // A recording may be cut in its first line already, or be empty, or lack nothing but the last line break.
    let file = folder.write("first.json", &good(0)[..40]);
    replay(&[&file]).assert(0, &["line 1 is incomplete (40 bytes)", "0 events. Missing in the recording: 0 lost."]);
    replay(&[&folder.write("empty.json", "")]).assert(0, &["0 events."]);
    let ended = replay(&[&folder.write("whole.json", good(0).trim_end())]);
    assert_eq!((ended.code, ended.stdout), (Some(0), good(0)));
}

#[test]
fn a_file_that_is_no_recording_is_refused_by_what_it_is() {
    let folder = Folder::new();
    let expected = "expected a line of JSON with a `type`, as `tracing-tap watch --output` writes it, found ";
    for (text, parts) in [
        ("08:15:02.123Z DEBUG chat::hub: rejected\n", ["line 1: ", "it looks like `watch --format compact`"]),
        (
            "[chat-1] 08:15:02.123Z DEBUG chat::hub: rejected",
            ["`[chat-1] 08:15", "it looks like `watch --format compact`"],
        ),
        ("rejected\n  time: 2026-11-20T08:15:02.123456Z\n", ["`rejected`", "it looks like `watch --format human`"]),
        ("::debug::a: rejected\n", ["line 1: ", "it looks like `watch --format github`"]),
        ("retry: 750\n\nevent: coverage\n", ["`retry: 750`", "it looks like server-sent events"]),
        ("{\"timestamp\":\"x\",\"level\":\"INFO\"}\n{}\n", ["line 1: ", "it looks like a log of `fmt().json()`"]),
        ("\u{1b}[2J\n", ["found `\\x1B[2J`", "only JSON lines can be replayed"]),
        ("{\"a\":1}\n{\"a\":2}\n", ["line 1: ", "only JSON lines can be replayed, which `watch --format json` writes"]),
    ] {
        let file = folder.write("file", text);
        let ended = replay(&[&file]);
        ended.assert(2, &[expected, parts[0], parts[1]]);
        assert_eq!(ended.stdout, "");
    }
    let file = folder.path("compressed");
    std::fs::write(&file, b"\x1f\x8b\x08\0\n\n").expect("it can be written");
    replay(&[&file]).assert(2, &["bytes that are not text", "gzip -dc FILE | tracing-tap replay -"]);
    replay(&[&folder.path("absent")]).assert(2, &["error: failed to open `", "No such file"]);
}

#[test]
fn a_predicate_is_refused_before_the_file_is_read() {
    replay(&["/nowhere", "user = "]).assert(2, &["error: failed to parse the predicate"]);
    let ended = replay(&["/nowhere", "not @name = x"]);
    ended.assert(
        2,
        &["error: failed to filter lines by the predicate: `@name` is not in lines of JSON: use `@file` or `@target`"],
    );
}
