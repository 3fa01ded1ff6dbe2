//! Terminal escapes, HTML and forged lines in every name and text that a client or a producer chooses.

use crate::fixture::{Served, Service};
use std::net::SocketAddr;
use testing::client::{Answer, Curl, request};
use tracing_tap_web::{Auth, Caller, Endpoint};

/// Clears a terminal, sets its title, goes back over a line, turns text around; ends a page's script; forges what an endpoint
/// would say itself.
const EVIL: &str = "</script><img src=x onerror=alert(1)>\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\r\u{8}\u{7f}\u{202e}\u{2066}\u{2028}\u{feff}\u{0}\n\n\
    event: ended\ndata: {\"type\":\"ended\"}\n\n{\"type\":\"ended\",\"reason\":\"forged\"}\n-- session over: forged\n::error::forged";

const FORMS: [&str; 5] = ["json", "sse", "human", "compact", "github"];

/// Whether a terminal would obey it, or a reader not see it.
fn is_obeyed(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[track_caller]
fn check_text(what: &str, text: &str) {
    assert!(!text.contains(is_obeyed), "{what}: {text:?}");
    for line in text.lines() {
        let is_forged = line.starts_with("event: ended") && text.contains("forged\nevent: ended");
        let is_said = line.starts_with("{\"type\":\"ended\"") && line.contains("forged");
        assert!(!is_forged && !is_said, "{what}: {text:?}");
        assert!(
            !line.starts_with("-- session over: forged") && !line.starts_with("::error::forged"),
            "{what}: {text:?}"
        );
    }
}

#[track_caller]
fn check_answer(what: &str, answer: &Answer) {
    // Lines of the head end with a carriage return.
    check_text(what, &answer.head.replace("\r\n", "\n"));
    check_text(what, &answer.body);
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(!kind.contains("html") && answer.header("x-content-type-options") == Some("nosniff"), "{what}: {answer:?}");
}

fn log_evil() {
    let error = std::io::Error::other(EVIL);
    let error: &(dyn std::error::Error + 'static) = &error;
    let span = tracing::info_span!(target: "</b>\u{1b}[31m", "<i>\u{1b}[32m", user = 42, evil = EVIL);
    let _inside = span.enter();
    tracing::info!(target: "<b>\u{1b}[31m\n", user = 42, text = EVIL, shown = %EVIL, debug = ?EVIL, error, bytes = EVIL.as_bytes(),
        "<u>\u{1b}[33m\n" = 1, "{EVIL}");
}

fn evil_endpoint(service: &Service) -> Endpoint {
    Endpoint::new(service.router.clone(), Auth::check(|_| Ok(Caller::new(EVIL))))
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn ask(address: SocketAddr, method: &str, path: &str, body: Option<&str>) -> Answer {
    request(address, "anything", method, path, body)
}

isolated! {
    fn nothing_that_is_logged_or_named_reaches_a_reader_raw() {
        let service = Service::start();
        let served = Served::start(evil_endpoint(&service));
        for form in FORMS {
            let path = format!("/watch?q=user%3D42&max=1&format={form}&name={}", encoded(&EVIL.chars().take(120).collect::<String>()));
            let mut curl = Curl::with(served.address, &path, &["--include"]);
            service.wait_for_sessions(1);
            std::thread::Builder::new().name("<s>\u{1b}[34m".to_owned()).spawn(log_evil).unwrap().join().unwrap();
            let text = curl.rest();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(body.contains("alert(1)") && !head.contains("text/html"), "{form}: {text:?}");
            assert!(head.to_ascii_lowercase().contains("x-content-type-options: nosniff"), "{form}: {head}");
            check_text(form, &head.replace("\r\n", "\n"));
            check_text(form, body);
            if form == "sse" {
                let ends = body.lines().filter(|line| line.starts_with("event: ended")).count();
                assert_eq!(ends, 1, "{body:?}");
            }
            if form == "json" {
                let lines: Vec<serde_json::Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                assert_eq!((lines.len(), &lines[0]["fields"]["text"]), (2, &EVIL.into()));
            }
            service.wait_for_sessions(0);
        }
        served.stop();
    }

    fn nothing_of_a_request_is_answered_or_logged_raw() {
        let service = Service::start();
        let served = Served::start(evil_endpoint(&service));
        let address = served.address;
        std::thread::Builder::new().spawn(log_evil).unwrap().join().unwrap();
        let name: String = EVIL.chars().take(120).collect();
        let body = serde_json::json!({"q": format!("user = {EVIL:?}"), "name": name}).to_string();
        let opened = ask(address, "POST", "/sessions", Some(&serde_json::json!({"q": "user = 42", "name": name}).to_string()));
        assert_eq!(opened.status, 201);
        check_answer("an opening", &opened);
        let session = opened.header("location").unwrap();
        let evil = encoded(EVIL);
        let asked = [
            ("POST", "/sessions".to_owned(), Some(body)),
            ("GET", "/sessions".to_owned(), None),
            ("GET", session.to_owned(), None),
            ("GET", "/catalog".to_owned(), None),
            ("GET", "/stats".to_owned(), None),
            ("GET", format!("/coverage?q={}", encoded("\"</b>\u{1b}[2J\" = 1")), None),
            ("GET", format!("/coverage?q={evil}"), None),
            ("GET", format!("/watch?q={evil}"), None),
            ("GET", format!("/watch?q=*&{evil}=1"), None),
            ("GET", format!("/watch?q=*&level={evil}"), None),
            ("GET", format!("/{evil}"), None),
            ("GET", format!("/sessions/{evil}"), None),
            ("POST", "/parse".to_owned(), Some(serde_json::json!({"q": EVIL}).to_string())),
            ("POST", "/parse".to_owned(), Some(serde_json::json!({"q": "*", EVIL: 1}).to_string())),
            ("POST", "/parse".to_owned(), Some(serde_json::json!({"q": format!("{EVIL:?} = {EVIL:?}")}).to_string())),
        ];
        for (method, path, body) in asked {
            check_answer(&format!("{method} {path}"), &ask(address, method, &path, body.as_deref()));
        }
        assert_eq!(ask(address, "DELETE", session, None).status, 204);
        service.router.shutdown();
        served.stop();
        // Each telling is one line, and a line that was forged would begin otherwise.
        for line in service.log.all_lines().iter().filter(|line| line.contains("tracing_tap::audit")) {
            check_text("the audit", line);
            assert!(line.starts_with(" INFO tracing_tap::audit: "), "{line:?}");
        }
        assert!(service.audit("request refused").len() > 3);
        assert!(!service.log.all_lines().iter().any(|line| line.starts_with("event: ") && line.contains("audit")));
    }
}
