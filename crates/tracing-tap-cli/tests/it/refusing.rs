//! Failures: their messages and exit codes.

use crate::fixture::{Service, TOKEN};
use crate::program::{Ended, Folder, Program, command, run};
use crate::strangers::{Stranger, respond};

/// Asks with a configuration folder and a few variables.
fn run_in(folder: &Folder, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = command(arguments);
    command.env("XDG_CONFIG_HOME", folder.path("")).envs(variables.iter().copied());
    Program::start(&mut command).end()
}

isolated! {
    fn the_token_comes_from_a_file_a_profile_or_the_environment() {
        let service = Service::start();
        let endpoint = service.serve_with_token();
        let (url, folder) = (endpoint.url(), Folder::new());
        let good = folder.write("good", &format!("{TOKEN}\n"));
        let wrong = folder.write("wrong", "0123456789abcdef");
        folder.write("tracing-tap/config.toml", &format!(
            "[profiles.prod]\nurl = '{url}'\ntoken_file = '../good'\n[profiles.bare]\nurl = '{url}'\n"
        ));
        let sessions = ["sessions", &url];
        let refused = run_in(&folder, &sessions, &[]);
        refused.assert(3, &["failed to list the sessions at http://127.", "(not-authenticated, 401)"]);
        refused.assert(3, &["401", "\n  give `--token-file`, or set TRACING_TAP_TOKEN and"]);
        run_in(&folder, &sessions, &[("TRACING_TAP_TOKEN", TOKEN), ("TRACING_TAP_URL", &*url)]).assert(0, &[]);
        run_in(&folder, &["sessions", &url, "--token-file", &good], &[]).assert(0, &[]);
        let wrong_file = ["sessions", &url, "--token-file", &wrong];
        run_in(&folder, &wrong_file, &[("TRACING_TAP_TOKEN", TOKEN)]).assert(3, &["(not-authenticated, 401)"]);
        run_in(&folder, &["sessions", "--profile", "prod"], &[]).assert(0, &[]);
        run_in(&folder, &["sessions"], &[("TRACING_TAP_PROFILE", "prod")]).assert(0, &[]);
        // A profile's token is for its own URL.
        run_in(&folder, &sessions, &[("TRACING_TAP_PROFILE", "prod")]).assert(3, &["401"]);
        let both = [("TRACING_TAP_PROFILE", "prod"), ("TRACING_TAP_URL", &*url)];
        run_in(&folder, &["sessions"], &both).assert(3, &["401"]);
        let bare = [("TRACING_TAP_TOKEN", TOKEN), ("TRACING_TAP_PROFILE", "bare")];
        run_in(&folder, &["sessions"], &bare).assert(0, &[]);
    }

    fn a_refusal_is_shown_in_the_words_of_the_server() {
        let service = Service::start();
        let endpoint = service.serve();
        let url = endpoint.url();
        let watch = |more: &[&str]| run(&[&["watch", &url, "user = 42"], more].concat());
        watch(&["--for", "25h"]).assert(3, &["failed to open a session at http://", "longer than 24 hours"]);
        let watching: Vec<_> = (0..8).map(|_| crate::program::watch(&[&url, "user = 42"])).collect();
        watch(&[]).assert(3, &["8 sessions of yours are open", "(too-many-sessions, 429)"]);
        drop(watching);
    }
}

#[test]
fn invalid_arguments_fail_before_any_request() {
    let stranger = Stranger::start(|_, _| {});
    let url = stranger.url();
    let watch = |more: &[&str]| run(&[&["watch"], more].concat());
    let shown = "error: failed to parse the predicate: line 1, column 6: expected an operator after `user`, found `=>`";
    watch(&[&url, "user => 42"]).assert(2, &[shown, "\n  user => 42\n       ^^\n"]);
    watch(&[&url, " "]).assert(2, &["failed to parse the predicate: it is empty\n  write `user = 42`"]);
    watch(&[&url]).assert(2, &["there is a URL and no predicate", "write `tracing-tap watch URL PREDICATE`"]);
    watch(&["user = 42", &url]).assert(2, &["failed to watch: the URL comes before the predicate"]);
    watch(&["user = 42"]).assert(2, &["failed to find the URL: no argument, profile or variable has it\n  give a URL"]);
    watch(&["localhost:1", "user = 42"])
        .assert(2, &["does not begin with `http://` or `https://`\n  write `http://localhost:1`"]);
    watch(&["http://ann:secret@a", "*"]).assert(2, &["it contains a password"]);
    let with_token = watch(&["http://127.0.0.1:1/tap?token=secret", "*"]);
    with_token.assert(2, &["failed to read the URL `http://127.0.0.1:1/tap?…`: it has a query\n  use --token-file"]);
    assert!(!with_token.stderr.contains("secret"), "{}", with_token.stderr);
    watch(&[&url, "*", "--profile", "prod"]).assert(2, &["there is an argument and a profile\n  give one"]);
    for (option, value, problem) in [
        ("--for", "soon", "write `90s`, `15m` or `1h30m`"),
        ("--for", "900", "it has no unit: did you mean `900s`?"),
        ("--max-line-bytes", "100", "100 is not in 4096.."),
        ("--for", "0s", "a session of zero duration shows nothing"),
        ("--reconnect-for", "-1s", "write `90s`"),
        ("--max", "0", "0 is not in 1.."),
        ("--sample", "0", "0 is not in 1.."),
        ("--capacity", "65537", "65537 is not in 1..=65536"),
        ("--follow", "named:", "named:"),
        ("--name", "", "a name has 1 to 256 bytes"),
        ("--format", "yaml", "possible values: human, json, compact, github"),
        ("--level", "loud", "possible values: error, warn, info, debug, trace"),
        ("--spans", "loud", "possible values: error, warn, info, debug, trace"),
        ("--color", "blue", "possible values: auto, always, never"),
    ] {
        watch(&[&url, "*", &format!("{option}={value}")]).assert(2, &[problem, option]);
    }
    watch(&[&url, "*", "--append"]).assert(2, &["--output <FILE>"]);
    run(&["close", &url, "xyz"]).assert(2, &["failed to close `xyz`: an id has hexadecimal digits only"]);
    run(&["catalog", "localhost", "hub"]).assert(2, &["failed to read the URL `localhost`"]);
    run(&["nothing"]).assert(2, &["unrecognized subcommand 'nothing'"]);
    assert_eq!(stranger.requests(), [""; 0], "nobody was asked");
}

#[test]
fn an_invalid_file_is_reported() {
    let folder = Folder::new();
    let with_file = |file: &str| run_in(&folder, &["sessions", "http://127.0.0.1:1", "--token-file", file], &[]);
    with_file(&folder.path("none")).assert(2, &["failed to read the token file `", "none`: No such file"]);
    with_file(&folder.write("empty", "\n")).assert(2, &["empty`: it is empty\n  it must be the endpoint's token"]);
    with_file(&folder.write("odd", "a b")).assert(2, &["odd`: it has characters that a token cannot have"]);
    let variable = [("TRACING_TAP_TOKEN", "")];
    run_in(&folder, &["sessions", "http://127.0.0.1:1"], &variable).assert(2, &["read TRACING_TAP_TOKEN: it is empty"]);
    let ca = |file: &str| run_in(&folder, &["sessions", "https://127.0.0.1:1", "--ca-file", file], &[]);
    ca(&folder.path("none")).assert(2, &["failed to read the CA file `", "No such file"]);
    ca(&folder.write("no.pem", "nothing")).assert(2, &["it contains no certificate\n  it must be PEM"]);

    let profile = ["sessions", "--profile", "prod"];
    run_in(&folder, &profile, &[])
        .assert(2, &["there is no file of profiles\n  write `[profiles.prod]` with its `url` into"]);
    folder.write("tracing-tap/config.toml", "[profiles.prod]\nurl = 'http://127.0.0.1:1'\ntoken = 'x'\n");
    run_in(&folder, &profile, &[])
        .assert(2, &["config.toml`: TOML parse error at line 3, column 1", "unknown field `token`"]);
    folder.write("tracing-tap/config.toml", "[profiles.test]\nurl = 'http://127.0.0.1:1'\n");
    run_in(&folder, &profile, &[]).assert(2, &["failed to find the profile `prod`: `", "` has `test`"]);
}

#[test]
fn a_token_that_others_can_read_gets_a_warning() {
    let folder = Folder::new();
    let token = folder.write("token", "0123456789abcdef");
    let sessions = ["sessions", "http://127.0.0.1:1", "--token-file", &token];
    assert!(!run(&sessions).stderr.contains("warning"));
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("it is ours");
    run(&sessions).assert(1, &["warning: others can read the token file `", "`: `chmod 600 "]);
    let elsewhere = run(&["sessions", "http://tap.invalid", "--token-file", &token]);
    elsewhere.assert(
        2,
        &["failed to send the token to http://tap.invalid: the connection is without TLS\n  use `https://`"],
    );
}

#[test]
fn an_unreachable_service_fails_with_advice() {
    let ended = run(&["watch", "http://127.0.0.1:1", "*"]);
    ended
        .assert(1, &["failed to open a session at http://127.0.0.1:1: ", "refused", "\n  check that the service runs"]);
    // It speaks no HTTP.
    let stranger = Stranger::start(|_, stream| drop(std::io::Write::write_all(stream, b"what?\r\n")));
    run(&["watch", &stranger.url(), "*"]).assert(1, &["failed to open a session at"]);
}

#[test]
fn another_server_is_reported_as_one() {
    let page = |status: &'static str, kind: &'static str, body: &'static str| {
        Stranger::start(move |_, stream| respond(stream, status, kind, body)).url()
    };
    let ended = run(&["watch", &page("404 Not Found", "text/html", "<h1>?</h1>"), "*"]);
    ended.assert(3, &["the answer is 404 Not Found, and not from a tracing-tap endpoint\n  give the URL at which the endpoint is mounted"]);
    run(&["sessions", &page("200 OK", "text/html", "<h1>hi</h1>")])
        .assert(1, &["the answer is not that of a tracing-tap endpoint"]);
    run(&["sessions", &page("500 Oh", "text/html", "")]).assert(1, &["the answer is 500 Internal Server Error"]);
    run(&["catalog", &page("200 OK", "application/json", "{\"callsites\":[{}]}")]).assert(1, &["missing field `kind`"]);
}

#[test]
fn a_token_follows_no_redirect() {
    let elsewhere = Stranger::start(|_, stream| respond(stream, "200 OK", "application/json", "{\"sessions\":[]}"));
    let place = elsewhere.url();
    let stranger = Stranger::start(move |_, stream| {
        let head = format!("HTTP/1.1 307 Away\r\nlocation: {place}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let _ = std::io::Write::write_all(stream, head.as_bytes());
    });
    let mut command = command(&["sessions", &stranger.url()]);
    let ended = Program::start(command.env("TRACING_TAP_TOKEN", TOKEN).env("TRACING_TAP_URL", stranger.url())).end();
    ended.assert(1, &["the server redirects to `http://127.0.0.1:", "redirects are not followed"]);
    assert!(stranger.requests()[0].contains(&format!("authorization: Bearer {TOKEN}")));
    assert_eq!(elsewhere.requests(), [""; 0]);
}
