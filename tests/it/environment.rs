//! A session from an environment variable: each test starts itself again with that variable set.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::process::Command;
use testing::program::Program;
use testing::{Output, messages, wait_until};
use tracing_subscriber::prelude::*;
use tracing_tap::forward::Forwarding;
use tracing_tap::switch::WatchEnvError;
use tracing_tap::{EndReason, Format, Predicate, TapRouter, TapRouterBuilder};

const VARIABLE: &str = "TRACING_TAP_TEST_SESSION";
const IS_CHILD: &str = "TRACING_TAP_TEST_IS_CHILD";

/// Runs a test in a process of its own, with the variable set to `text`.
#[track_caller]
fn with_variable(test: &str, text: impl AsRef<OsStr>, body: fn()) {
    if std::env::var_os(IS_CHILD).is_some() {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("environment::{test}"), "--exact", "--nocapture"]).env(IS_CHILD, "1").env(VARIABLE, text);
    let ended = Program::start(&mut command).end();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("1 passed"), "no test has this name: {}", ended.stdout);
}

fn install(builder: TapRouterBuilder) -> TapRouter {
    let router = builder.build();
    tracing_subscriber::registry().with(router.layer()).init();
    router
}

fn open(router: &TapRouter, output: &Output) -> Result<Option<Forwarding>, WatchEnvError> {
    router.watch_env(VARIABLE, output.clone(), Format::Compact)
}

/// It is an error that names the variable; nothing was opened or written, and the session that was there goes on.
#[track_caller]
fn check_error(builder: TapRouterBuilder) -> WatchEnvError {
    let router = install(builder);
    let mut other = router.watch(Predicate::eq("user", 1));
    let output = Output::default();
    let error = open(&router, &output).expect_err("it is refused");
    assert_eq!(error.variable(), VARIABLE);
    assert!(
        error.to_string().starts_with(&format!("failed to open a session from the environment variable `{VARIABLE}`"))
    );
    tracing::debug!(user = 1, "goes on");
    assert_eq!(messages(&mut other), ["goes on"]);
    assert_eq!((router.sessions().len(), router.stats().opened_sessions), (1, 1));
    router.shutdown();
    assert!(output.lines().is_empty());
    error
}

#[test]
fn a_predicate_in_the_environment_opens_a_forwarded_session() {
    with_variable("a_predicate_in_the_environment_opens_a_forwarded_session", " user = 42 ", || {
        let (router, output) = (install(TapRouter::builder()), Output::default());
        let forwarding = open(&router, &output).unwrap().expect("the variable is set");
        let session = &router.sessions()[0];
        assert_eq!((session.id, &session.predicate), (forwarding.id(), &Predicate::eq("user", 42)));
        assert_eq!(session.opened_by.as_deref(), Some(&*format!("environment variable {VARIABLE}")));
        tracing::debug!(user = 42, "hers");
        tracing::debug!(user = 43, "not hers");
        wait_until("the batch that its delay sends", || output.lines().len() == 1);
        router.shutdown();
        assert_eq!(forwarding.join().unwrap(), EndReason::Shutdown);
        assert!(output.lines()[0].contains(" hers") && output.lines().len() == 2, "{:#?}", output.lines());
    });
}

#[test]
fn a_blank_variable_opens_nothing() {
    with_variable("a_blank_variable_opens_nothing", " \t\n", || {
        let router = TapRouter::new();
        assert!(open(&router, &Output::default()).unwrap().is_none());
        assert_eq!(router.stats().opened_sessions, 0);
    });
}

#[test]
fn an_unset_variable_opens_nothing_a_wrong_one_is_an_error() {
    let router = TapRouter::new();
    let open = |name: &str| router.watch_env(name, std::io::sink(), Format::Json);
    assert!(open("TRACING_TAP_TEST_NOT_SET").unwrap().is_none());
    for (name, shown) in [("", ""), ("A=B", "A=B"), ("A\0B\u{202E}", r"A\x00B\u202E")] {
        let words =
            format!("failed to open a session from the environment variable `{shown}`: no variable can have this name");
        assert_eq!(open(name).unwrap_err().to_string(), words);
    }
    assert_eq!(router.stats().opened_sessions, 0);
}

#[test]
fn a_text_that_is_no_predicate_is_an_error_with_the_place() {
    with_variable("a_text_that_is_no_predicate_is_an_error_with_the_place", "user => 42", || {
        let error = check_error(TapRouter::builder());
        assert!(error.is_bad_predicate() && !error.is_bad_unicode() && !error.is_refused());
        let source = error.source().expect("it says what is wrong").to_string();
        assert_eq!(source, "user => 42".parse::<Predicate>().unwrap_err().to_string());
        assert!(source.contains("line 1, column 6") && source.contains("did you mean `>=`?"), "{source}");
    });
}

#[cfg(unix)]
#[test]
fn a_text_that_is_not_unicode_is_an_error_that_shows_it_escaped() {
    use std::os::unix::ffi::OsStringExt;
    let text = OsString::from_vec(b"user = \xFF\x1B[2J".to_vec());
    with_variable("a_text_that_is_not_unicode_is_an_error_that_shows_it_escaped", text, || {
        let error = check_error(TapRouter::builder());
        assert!(error.is_bad_unicode() && !error.is_bad_predicate());
        assert!(error.to_string().ends_with(r#": its text is not Unicode: "user = \xFF\u{1b}[2J""#), "{error}");
        assert!(error.source().is_none());
    });
}

#[test]
fn a_session_that_policy_forbids_is_refused() {
    with_variable("a_session_that_policy_forbids_is_refused", "password exists", || {
        let error = check_error(TapRouter::builder().redact_fields(["password"]));
        assert!(error.is_refused());
        let source = error.source().expect("it says why").to_string();
        assert_eq!(source, "the session was not opened: the field `password` is redacted and cannot be tested");
    });
}
