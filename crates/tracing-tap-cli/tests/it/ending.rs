//! How a watch ends, and what is left then.

use crate::fixture::Service;
use crate::program::{
    BINARY, Folder, Program, command, json_lines, messages, run, wait_for_reader_at, wait_for_session_at,
};
use crate::strangers::{OPENED, Stranger, begin_stream, respond, wait_for_the_other_end};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use testing::{wait_for, wait_until};

fn emit(message: &str) {
    tracing::info!(user = 42, "{message}");
}

isolated! {
    fn a_watch_that_expects_events_exits_with_4_without() {
        let service = Service::start();
        let endpoint = service.serve();
        let url = endpoint.url();
        run(&["watch", &url, "user = 42", "--for", "1s", "--expect"]).assert(4, &["error: nothing has matched"]);
        run(&["watch", &url, "user = 42", "--for", "1s"]).assert(0, &["Session over: expired. 0 events delivered"]);
        let program = crate::program::watch(&[&url, "user = 42", "--max", "1", "--expect"]);
        emit("here");
        program.end().assert(0, &["1 event delivered"]);
        // What was sampled out has matched.
        let program = crate::program::watch(&[&url, "user = 42", "--for", "1s", "--sample", "1000000", "--expect"]);
        for number in 0..20 {
            tracing::info_span!("request", number).in_scope(|| emit("left out"));
        }
        program.end().assert(0, &["0 events delivered, 0 lost, 20 sampled out"]);
    }

    fn a_watch_without_a_match_ends_with_what_kept_events_away() {
        let service = Service::start();
        let endpoint = service.serve();
        let url = endpoint.url();
        let program = crate::program::watch(&[&url, "usr = 42"]);
        assert!(program.stderr.text().contains("  ! no event callsite has been reached yet"), "{}", program.stderr.text());
        emit("reached while it watches");
        program.signal("INT");
        let ended = program.end();
        let finding = "Session over: closed. 0 events delivered, 0 lost.\n  nothing can match\n  \
                       ! no callsite seen so far declares the field `usr`: did you mean `user`?\n  \
                       - 0 of 1 event callsites seen so far can match\n";
        assert!(ended.stderr.ends_with(finding), "{}", ended.stderr);
        // Where something has matched, that is said alone; quiet is quiet.
        let program = crate::program::watch(&[&url, "user = 42", "--max", "1"]);
        emit("here");
        assert!(program.end().stderr.ends_with("1 event delivered, 0 lost.\n"));
        let quiet = run(&["watch", &url, "usr = 42", "--for", "1s", "--quiet"]);
        assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
    }

    fn a_watch_that_matched_ends_with_what_lost_its_context() {
        let service = Service::start();
        let endpoint = service.serve();
        let program = crate::program::watch(&[&endpoint.url(), "user = 42"]);
        let mail = || tracing::info!("mail sent");
        tracing::info_span!("request", user = 42).in_scope(mail);
        program.stdout.wait_for("mail sent");
        (0..3).for_each(|_| mail());
        program.signal("INT");
        let ended = program.end();
        let finding = "Session over: closed. 1 event delivered, 0 lost.\n  ! at least 3 events of target `it::ending` at ";
        ended.assert(0, &[finding, "likely a `spawn` without `.instrument(..)`/`.in_current_span()`"]);
    }

    fn the_end_of_the_service_is_the_end_without_a_coverage() {
        let service = Service::start();
        let served = service.serve();
        let program = crate::program::watch(&[&served.url(), "user = 42", "--reconnect-for", "0s"]);
        wait_for_reader_at(&served.url());
        served.stop();
        let ended = program.end();
        let end = "Session over: the router was shut down. 0 events delivered, 0 lost.\n";
        assert!(ended.stderr.ends_with(end), "{}", ended.stderr);
    }

    fn a_signal_closes_the_session_and_what_is_left_is_printed() {
        let service = Service::start();
        let endpoint = service.serve();
        for signal in ["INT", "TERM", "HUP"] {
            let program = crate::program::watch(&[&endpoint.url(), "user = 42"]);
            emit("here");
            program.stdout.wait_for("here");
            program.signal(signal);
            let ended = program.end();
            ended.assert(0, &["Closing the session", "Session over: closed. 1 event delivered, 0 lost."]);
            assert_eq!(ended.json().last(), Some(&serde_json::json!({ "type": "ended", "reason": "closed" })));
            service.wait_for_sessions(0);
        }
    }

    fn a_session_closed_elsewhere_ends_the_watch() {
        let service = Service::start();
        let endpoint = service.serve();
        let program = crate::program::watch(&[&endpoint.url(), "user = 42"]);
        service.router.close(service.router.sessions()[0].id);
        program.end().assert(0, &["Session over: closed."]);
    }

    fn the_end_of_a_service_ends_a_watch_that_does_not_wait() {
        let service = Service::start();
        let endpoint = service.serve();
        let program = crate::program::watch(&[&endpoint.url(), "user = 42", "--reconnect-for", "0s"]);
        service.router.shutdown();
        program.end().assert(0, &["Session over: the router was shut down."]);
    }

    fn a_reader_who_has_enough_closes_the_session_quietly() {
        let service = Service::start();
        let endpoint = service.serve();
        let url = endpoint.url();
        // Nothing comes after the first: that nobody reads any more is found without writing.
        let line = format!("'{BINARY}' watch '{url}' 'user = 42' --quiet | head -n 1; echo \"${{PIPESTATUS[0]}}\"");
        for more in [false, true] {
            let shell = Command::new("bash").args(["-c", &line]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
            let mut shell = shell.expect("there is bash");
            wait_for_session_at(&url);
            emit("first");
            wait_until("the session to be closed", || {
                if more {
                    emit("more");
                }
                service.router.sessions().is_empty()
            });
            wait_for("the shell to end", || shell.try_wait().expect("it can be waited for"));
            let output = shell.wait_with_output().expect("it has ended");
            let text = String::from_utf8(output.stdout).expect("it is text");
            assert!(text.contains("\"first\"") && text.ends_with("}\n0\n"), "{text}");
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        }
    }

    fn a_killed_writer_leaves_whole_lines_to_append_to() {
        let service = Service::start();
        let endpoint = service.serve();
        let (url, folder) = (endpoint.url(), Folder::new());
        let path = folder.path("events.json");
        let watch = [&url, "user = 42", "--output", &path];
        let mut program = crate::program::watch(&watch);
        let lines_of = || std::fs::read_to_string(&path).map_or(0, |text| text.lines().count());
        wait_until("some lines to be written", || {
            emit("before");
            lines_of() > 50
        });
        program.signal("KILL");
        assert_eq!(program.wait().code(), None);
        assert!(json_lines(&folder.read("events.json")).len() > 50);

        let refused = run(&[&["watch"], &watch[..]].concat());
        refused.assert(1, &["failed to write to", "events.json`: File exists", "or append to it with `--append`"]);

        // As if the machine had gone in the midst of a write.
        folder.write("events.json", "{\"whole\":1}\n{\"cut in the mid");
        let program = crate::program::watch(&[&watch[..], &["--append", "--max", "1"]].concat());
        emit("after");
        let ended = program.end();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
        let lines = json_lines(&folder.read("events.json"));
        assert_eq!((&lines[0]["whole"], messages(&lines)), (&1.into(), vec!["after"]));
    }

    fn a_file_may_be_no_file() {
        let service = Service::start();
        let endpoint = service.serve();
        for append in [&["--append"][..], &[]] {
            let url = endpoint.url();
            let program = crate::program::watch(&[&[&url, "user = 42", "--max", "1", "--output", "/dev/null"], append].concat());
            emit("into nothing");
            program.end().assert(0, &["1 event delivered"]);
        }
        let program = crate::program::watch(&[&endpoint.url(), "user = 42", "--output", "/dev/full"]);
        emit("into what is full");
        program.end().assert(1, &["failed to write to `/dev/full`: No space left"]);
        service.wait_for_sessions(0);
    }
}

#[test]
fn a_provisional_coverage_at_the_end_is_asked_for_again() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let stranger = Stranger::start(|head, stream| {
        if head.starts_with("POST ") {
            return respond(stream, "201 Created", "application/json", OPENED);
        }
        if head.contains("/stream ") {
            begin_stream(stream);
            let ended = b"event: ended\ndata: {\"type\":\"ended\",\"reason\":\"expired\"}\n\n";
            return stream.write_all(ended).expect("the watch reads");
        }
        if !head.contains("/coverage?") {
            return respond(stream, "204 No Content", "text/plain", "");
        }
        let finding = if ASKED.fetch_add(1, Ordering::Relaxed) < 2 { "rebuild_pending" } else { "not_installed" };
        let json = r#"{"findings":[{"finding":"F","text":"it is F"}],"notes":[]}"#.replace('F', finding);
        respond(stream, "200 OK", "application/json", &json);
    });
    let ended = crate::program::watch(&[&stranger.url(), "*"]).end();
    assert!(ended.stderr.ends_with("0 lost.\n  ! it is not_installed\n"), "{}", ended.stderr);
}

#[test]
fn the_second_ctrl_c_leaves_at_once_whatever_the_server_does() {
    let stranger = Stranger::start(|head, stream| {
        if head.starts_with("POST ") {
            respond(stream, "201 Created", "application/json", OPENED);
        } else if head.contains("/stream ") {
            begin_stream(stream);
            wait_for_the_other_end(stream);
        } else {
            wait_for_the_other_end(stream);
        }
    });
    let program = crate::program::watch(&[&stranger.url(), "*"]);
    program.signal("INT");
    program.stderr.wait_for("Ctrl-C again exits at once");
    assert!(wait_for("the closing", || {
        stranger.requests().iter().find(|head| head.starts_with("DELETE ")).map(|head| head.contains("/sessions/8c6f"))
    }));
    program.signal("INT");
    assert_eq!(program.end().code, Some(130));
}

#[test]
fn ctrl_c_leaves_a_server_that_answers_nothing() {
    let stranger = Stranger::start(|_, stream| wait_for_the_other_end(stream));
    let program = Program::start(&mut command(&["watch", &stranger.url(), "*"]));
    wait_until("it to be asked", || !stranger.requests().is_empty());
    program.signal("INT");
    assert_eq!(program.end().code, Some(130));
}

#[test]
fn an_output_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    for (name, more) in [("new", ""), ("appended", "--append")] {
        let stranger = Stranger::streaming("event: ended\ndata: {\"type\":\"ended\",\"reason\":\"closed\"}\n\n");
        let path = folder.path(name);
        let script = format!("umask 0; exec '{BINARY}' watch '{}' '*' --output '{path}' {more}", stranger.url());
        let status = Command::new("bash").args(["-c", &script]).stderr(Stdio::null()).status().expect("there is bash");
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((status.code(), mode), (Some(0), 0o600), "{name}: {mode:o}");
    }
}

#[test]
fn an_output_that_cannot_be_made_opens_no_session() {
    let stranger = Stranger::streaming("");
    let ended = run(&["watch", &stranger.url(), "*", "--output", "/nowhere/events"]);
    ended.assert(1, &["failed to write to `/nowhere/events`: No such file"]);
    assert_eq!(stranger.requests().len(), 0);
}

#[test]
fn a_session_that_cannot_be_opened_leaves_no_file() {
    let folder = Folder::new();
    let path = folder.path("events");
    run(&["watch", "http://127.0.0.1:1", "*", "--output", &path]).assert(1, &["failed to open a session"]);
    assert!(!std::path::Path::new(&path).exists());
}

#[test]
fn a_file_without_a_line_is_not_appended_to() {
    let folder = Folder::new();
    let path = folder.write("notes", "precious");
    run(&["watch", "http://127.0.0.1:1", "*", "--append", "--output", &path]).assert(1, &["it has no whole line"]);
    assert_eq!(folder.read("notes"), "precious");
}

#[test]
fn a_closed_standard_error_changes_nothing() {
    let stranger = Stranger::streaming("event: ended\ndata: {\"type\":\"ended\",\"reason\":\"closed\"}\n\n");
    let script = format!("exec '{BINARY}' watch '{}' '*' 2>&-", stranger.url());
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).envs(command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_eq!(shell.output().expect("there is bash").status.code(), Some(0));
}
