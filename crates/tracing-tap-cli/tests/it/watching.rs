//! What a watch prints, and which session it opens.

use crate::fixture::Service;
use crate::program::{Folder, Program, command, json_lines, messages, run};
use testing::wait_until;
use tracing::level_filters::LevelFilter;

fn emit(user: u64, message: &str) {
    let conn = tracing::info_span!("conn", user);
    conn.in_scope(|| tracing::debug!(channel = "orders", "{message}"));
}

isolated! {
    fn without_a_terminal_the_matching_events_are_json_lines() {
        let service = Service::start();
        let endpoint = service.serve();
        let program = crate::program::watch(&[&endpoint.url(), "user = 42", "--max", "2"]);
        emit(42, "first");
        emit(7, "another user's");
        emit(42, "second");
        let ended = program.end();
        ended.assert(0, &["Watching user = 42 at http://127.", "for 15m; Ctrl-C ends it.", "can match"]);
        ended.assert(0, &["Session over: reached its number of events. 2 events delivered, 0 lost."]);
        let lines = ended.json();
        assert_eq!(messages(&lines), ["first", "second"]);
        assert_eq!((&lines[0]["fields"]["channel"], &lines[1]["sequence"]), (&"orders".into(), &1.into()));
        assert_eq!(lines[2], serde_json::json!({ "type": "ended", "reason": "max_events" }));
        assert_eq!(lines.len(), 3);
        service.wait_for_sessions(0);
    }

    fn each_format_is_that_of_the_library() {
        let service = Service::start();
        let endpoint = service.serve();
        for (form, parts) in [
            ("json", ["{\"type\":\"event\",", "\"message\":\"hello\"", "{\"type\":\"ended\",\"reason\":\"max_events\"}\n"]),
            ("human", ["hello\n  time: ", "\n    channel: orders\n", "\n\n  -- session over: reached its number of events\n\n"]),
            ("compact", [" DEBUG it::watching conn{user=42}: hello", " channel=orders\n", "-- session over: reached"]),
            ("github", ["::debug::it::watching: hello", "channel=orders", "::notice title=tracing-tap::session over"]),
        ] {
            let program = crate::program::watch(&[&endpoint.url(), "user = 42", "--max", "1", "--format", form]);
            emit(42, "hello");
            let ended = program.end();
            ended.assert(0, &[]);
            parts.iter().for_each(|part| assert!(ended.stdout.contains(part), "{part:?} in {form}: {}", ended.stdout));
            assert!(!ended.stdout.contains('\u{1b}'), "colours are for terminals");
        }
    }

    fn with_timings_closed_spans_are_lines_and_are_recorded() {
        let service = Service::start();
        let endpoint = service.serve();
        let folder = Folder::new();
        let (file, url) = (folder.path("recorded"), endpoint.url());
        let watch = [&*url, "user = 42", "--timings", "--max", "2"];
        let lines = crate::program::watch(&[&watch[..], &["--output", &file]].concat());
        let compact = crate::program::watch(&[&watch[..], &["--format", "compact"]].concat());
        let human = crate::program::watch(&[&watch[..], &["--format", "human"]].concat());
        service.wait_for_sessions(3);
        emit(7, "another user's");
        emit(42, "hello");
        for program in [lines, compact, human].map(crate::program::Program::end) {
            program.assert(0, &["2 events delivered, 0 lost."]);
            if !program.stdout.is_empty() {
                assert!(program.stdout.contains("close") && program.stdout.contains("time.busy"), "{}", program.stdout);
            }
        }
        let recorded = folder.read("recorded");
        let timing: tracing_tap::Item = serde_json::from_str(recorded.lines().nth(1).expect("two lines")).expect("an item");
        let timing = timing.into_timing().expect("the second line is of the span");
        assert_eq!((timing.name(), timing.polls()), ("conn", Some(1)));
        assert_eq!(service.router.sessions().len(), 0);
    }

    fn lines_fit_and_keep_integers_where_that_is_asked_for() {
        let service = Service::start();
        let endpoint = service.serve();
        let url = endpoint.url();
        let options = ["--max", "1", "--max-line-bytes", "4096", "--large-integers-as-strings"];
        let program = crate::program::watch(&[&[&*url, "user = 42"], &options[..]].concat());
        tracing::info!(user = 42, n = i64::MAX, body = "b".repeat(8_000), "long");
        let ended = program.end();
        ended.assert(0, &[]);
        assert!(ended.stdout.lines().all(|line| line.len() < 4_096), "{}", ended.stdout);
        let fields = &ended.json()[0]["fields"];
        assert_eq!((&fields["n"], &fields["message"]), (&i64::MAX.to_string().into(), &"long".into()));
        assert!(fields["body"].as_str().is_some_and(|body| body.len() > 3_000 && body.ends_with("b…[cut]")), "{fields}");
    }

    fn colours_can_be_demanded_and_are_for_standard_output_alone() {
        let service = Service::start();
        let endpoint = service.serve();
        let folder = Folder::new();
        let file = folder.path("events");
        let url = endpoint.url();
        let watch = [&url, "user = 42", "--max", "1", "--format", "compact", "--color", "always"];
        let program = crate::program::watch(&watch);
        let to_file = crate::program::watch(&[&watch[..], &["--output", &file]].concat());
        emit(42, "hello");
        assert!(program.end().stdout.contains("\u{1b}[34m"), "DEBUG is blue");
        to_file.end().assert(0, &[]);
        assert!(!folder.read("events").contains('\u{1b}'));
    }

    fn every_limit_reaches_the_session() {
        let service = Service::start();
        let endpoint = service.serve();
        let limits = ["--level", "info", "--for", "1h30m", "--rate", "77", "--sample", "3", "--follow", "named:conn", "--spans", "debug"];
        let more = ["--name", "ticket 7", "--capacity", "16", "--max", "9"];
        let url = endpoint.url();
        let program = crate::program::watch(&[&[&url, "user = 42"], &limits[..], &more].concat());
        let listed = &run(&["sessions", &url, "--format", "json"]).json()[0];
        assert_eq!(listed["name"], "ticket 7");
        assert_eq!(listed["follow"], "named:conn");
        assert_eq!((&listed["predicate"], &listed["level"], &listed["spans"]), (&"user = 42".into(), &"info".into(), &"debug".into()));
        let row = run(&["sessions", &url]).stdout;
        let columns = ["PREDICATE  LEVEL  SPANS", "user = 42  info   debug"];
        assert!(columns.iter().all(|columns| row.contains(columns)), "{row}");
        let time = |key: &str| listed[key].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
        let (opened, expires) = (time("opened_at").expect("a time"), time("expires_at").expect("a time"));
        assert_eq!(expires.duration_since(opened).as_secs(), 5400);
        assert!(program.stderr.text().contains("for 1h 30m"));
        assert!(program.stderr.text().contains("Watching user = 42, events up to info, spans up to debug at http://"));
        let sessions = service.router.sessions();
        assert_eq!((sessions.len(), sessions[0].max_level, sessions[0].spans), (1, LevelFilter::INFO, LevelFilter::DEBUG));
    }

    fn the_example_of_following_in_the_help_does_what_it_says() {
        let help = run(&["watch", "--help"]).stdout;
        let examples: Vec<_> = help.lines().filter(|line| line.contains("--follow ") && line.contains("'")).collect();
        assert_eq!(examples, ["  tracing-tap watch '@level = error' --follow named:request --max 1000"]);
        let recipes = include_str!("../../../../docs/recipes.md");
        let is_of_following = |line: &&str| line.contains("--follow ") && !line.contains("--only-if");
        let in_recipes: Vec<_> = recipes.lines().filter(is_of_following).collect();
        assert_eq!(in_recipes, ["$ tracing-tap watch http://localhost:8080/tap '@level = error' --follow named:request --level debug"]);

        let service = Service::start();
        let endpoint = service.serve();
        let (as_in_help, as_in_readme) = (["--max", "4"], ["--level", "debug"]);
        let [followed, bounded] = [as_in_help, as_in_readme].map(|more| {
            crate::program::watch(&[&[endpoint.url().as_str(), "@level = error", "--follow", "named:request"], &more[..]].concat())
        });
        tracing::info_span!("request").in_scope(|| {
            tracing::debug!("before");
            tracing::error!("first error");
            tracing::debug!("between");
            tracing::trace!("detail");
            tracing::error!("second error");
        });
        tracing::info_span!("request").in_scope(|| tracing::debug!("another request"));
        assert_eq!(messages(&followed.end().json()), ["first error", "between", "detail", "second error"]);
        bounded.stdout.wait_for("second error");
        bounded.signal("INT");
        assert_eq!(messages(&bounded.end().json()), ["first error", "between", "second error"]);
    }

    fn rate_limited_events_are_reported_in_place() {
        let service = Service::start();
        let endpoint = service.serve();
        let program = crate::program::watch(&[&endpoint.url(), "user = 42", "--rate", "1"]);
        (0..5).for_each(|_| emit(42, "much"));
        program.stdout.wait_for("\"type\":\"missing\"");
        let lines = json_lines(&program.stdout.text());
        assert_eq!(lines.last(), Some(&serde_json::json!({ "type": "missing", "count": 4, "reason": "rate_limited" })));
        program.signal("INT");
        program.end().assert(0, &["1 event delivered, 0 lost, 4 rate-limited."]);
    }

    fn what_hides_events_is_reported_first_and_after_silence() {
        let service = Service::start();
        let endpoint = service.serve();
        tracing::info!(user = 42, "so that there is a callsite");
        let program = crate::program::watch(&[&endpoint.url(), "usr = 42"]);
        let finding = "  ! no callsite seen so far declares the field `usr`: did you mean `user`?";
        program.stderr.wait_for(finding);
        assert!(program.stderr.text().contains("\n  nothing can match\n  ! "), "the verdict comes first");
        program.stderr.wait_for("\n  - 0 of 1 event callsites seen so far can match\n");
        program.stderr.wait_for("s; as of now:\n");
        assert!(program.stderr.text().contains("\nNothing has matched for "));
        wait_until("the finding to be reported again", || program.stderr.text().matches(finding).count() == 2);
        assert_eq!(program.stdout.text(), "");
    }

    fn nothing_is_said_where_that_is_asked_for() {
        let service = Service::start();
        let endpoint = service.serve();
        let program = Program::start(&mut command(&["watch", &endpoint.url(), "user = 42", "--max", "1", "--quiet"]));
        service.wait_for_sessions(1);
        wait_until("an event to arrive", || {
            emit(42, "hello");
            program.stdout.text().contains("hello")
        });
        let ended = program.end();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    }

    fn the_times_that_were_given_are_shown_exactly() {
        let service = Service::start();
        let endpoint = service.serve();
        for (given, shown) in [("1500ms", "1.5s"), ("90s", "1m 30s"), ("61m 250ms", "1h 1m 0.25s"), ("24h", "24h")] {
            let program = crate::program::watch(&[&endpoint.url(), "user = 42", "--for", given]);
            program.stderr.wait_for(&format!(", for {shown}; Ctrl-C ends it."));
        }
    }

    fn the_url_may_come_from_the_environment() {
        let service = Service::start();
        let endpoint = service.serve();
        let watch = ["watch", "user = 42", "--max", "1"];
        let program = Program::start(command(&watch).env("TRACING_TAP_URL", endpoint.url()));
        program.stderr.wait_for("Watching ");
        emit(42, "hello");
        assert_eq!(messages(&program.end().json()), ["hello"]);
    }
}
