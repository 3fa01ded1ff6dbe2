//! Requests that are not what they seem: bytes that are no text, headers within headers, paths that lead elsewhere, two
//! requests in one.

use super::bystander::Bystander;
use crate::fixture::{Served, Service, TOKEN};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;
use testing::client::{connect, request};
use tracing_tap_web::{Auth, Endpoint};

/// Sends bytes as they are, and reads what comes until the endpoint closes; the first status, or 0, and all of it.
fn exchange(address: SocketAddr, bytes: &[u8]) -> (u16, String) {
    let mut stream = connect(address);
    // It may close before it has read all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer)
}

/// An endpoint that waits no longer than it must for what does not come.
fn impatient(endpoint: Endpoint) -> Endpoint {
    endpoint.request_timeout(Duration::from_millis(300))
}

/// A request with the right token, byte by byte.
fn authorized(line: &[u8], headers: &[u8], body: &[u8]) -> Vec<u8> {
    let fixed = format!(" HTTP/1.1\r\nhost: door.example\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n");
    [line, fixed.as_bytes(), headers, b"\r\n", body].concat()
}

const JSON: &[u8] = b"content-type: application/json\r\n";

/// A second request hidden in the first, without a token: it would open a session.
const HIDDEN: &str = "GET /watch?q=* HTTP/1.1\r\nhost: door.example\r\n\r\n";

isolated! {
    fn bytes_that_are_no_text_are_refused_wherever_they_are() {
        let service = Service::start();
        let served = Served::start(impatient(service.endpoint()));
        let mut bystander = Bystander::start(&service, &served);
        let body = |body: &[u8]| {
            let headers = [JSON, format!("content-length: {}\r\n", body.len()).as_bytes()].concat();
            authorized(b"POST /sessions", &headers, body)
        };
        let requests = [
            authorized(b"GET /watch?q=\xff", b"", b""),
            authorized(b"GET /watch?q=%c3%28", b"", b""),
            authorized(b"GET /watch?q=*&name=%ed%a0%80", b"", b""),
            authorized(b"GET /wat\xffch?q=*", b"", b""),
            authorized(b"G\xffT /watch?q=*", b"", b""),
            authorized(b"GET /watch?q=*", b"last-event-id: \xff\xfe\r\n", b""),
            authorized(b"GET /watch?q=*", b"origin: http://\xff\r\n", b""),
            authorized(b"GET /watch?q=*", b"accept: \xff\r\n", b""),
            authorized(b"GET /watch?q=*", b"x\xff: 1\r\n", b""),
            body(b"{\"q\":\"\xff\"}"),
            body(b"{\"q\":\"*\",\"name\":\"\xc3\x28\"}"),
            body(b"{\"q\":\"*\",\"name\":\"\\ud800\"}"),
            body(b"\xef\xbb\xbf{\"q\":\"*\"}"),
            body(b"{\"q\":\"*\"}\0"),
            b"\xff\xfe\xfd\r\n\r\n".to_vec(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            vec![0; 4096],
        ];
        for bytes in requests {
            let (status, answer) = exchange(served.address, &bytes);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(status == 0 || (400..500).contains(&status) || status == 505, "{text:?} {answer}");
            bystander.is_alone(&service, &text);
        }
        let token = [b"GET /stats HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ", TOKEN.as_bytes(), b"\xff\r\nconnection: close\r\n\r\n"];
        assert_eq!(exchange(served.address, &token.concat()).0, 401);
        served.stop();
    }

    fn headers_cannot_be_injected_and_non_headers_are_refused() {
        let service = Service::start();
        let served = Served::start(impatient(service.endpoint()));
        let mut bystander = Bystander::start(&service, &served);
        // What is asked for appears in no head, whatever is in it.
        for path in ["/watch%0d%0aset-cookie:%20a=1", "/sessions/%0d%0aset-cookie:a=1", "/watch?q=*&%0d%0aset-cookie:a=1",
            "/watch?q=%0d%0aset-cookie:a=1%0d%0a%0d%0a<html>", "/watch?q=*&format=%0d%0aset-cookie:a=1", "/parse?a=%0d%0aset-cookie:b"] {
            let answer = request(served.address, TOKEN, "GET", path, None);
            assert!(answer.status >= 400, "{path} {answer:?}");
            assert!(!answer.head.to_ascii_lowercase().contains("set-cookie"), "{path} {answer:?}");
            // What no server could read is answered by the server, with nothing.
            if !answer.body.is_empty() {
                assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path} {answer:?}");
                assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
            }
        }
        bystander.is_alone(&service, "a header in a path");
        for headers in [&b"x: a\rb\r\n"[..], b"x: a\0b\r\n", b" x: folded\r\n", b"x y: 1\r\n", b"x : 1\r\n", b": 1\r\n", b"x\r\n",
            b"x: 1\r\n continues: here\r\n", b"x: 1\r\n\tcontinues\r\n"] {
            let bytes = authorized(b"GET /watch?q=*", headers, b"");
            let (status, answer) = exchange(served.address, &bytes);
            assert!(status == 0 || status == 400, "{:?} {answer}", String::from_utf8_lossy(headers));
            bystander.is_alone(&service, &String::from_utf8_lossy(headers));
        }
        served.stop();
    }

    fn paths_lead_nowhere_but_where_they_say() {
        let service = Service::start();
        let served = Served::start(impatient(service.endpoint()));
        let mut bystander = Bystander::start(&service, &served);
        for path in ["//watch", "/./watch", "/../watch", "/sessions/../watch", "/%2e%2e/watch", "/%2E/watch", "/watch/", "/watch/.",
            "/WATCH", "/%77atch", "/watch%2f", "/watch%00", "/watch;a=b", "/watch\\", "\\watch", "watch", "*", "/sessions//stream",
            "http://evil.example//watch", "http:///watch", "file:///etc/passwd", "/..%2f..%2fetc%2fpasswd", "/etc/passwd", "/\0"] {
            let bytes = authorized(format!("GET {path}?q=*").as_bytes(), b"", b"");
            let (status, answer) = exchange(served.address, &bytes);
            assert!(status == 0 || status == 400 || status == 404, "{path:?} {answer}");
            bystander.is_alone(&service, path);
        }
        served.stop();
    }

    fn a_loopback_endpoint_checks_header_and_request_line() {
        let service = Service::start();
        let served = Served::start(Endpoint::new(service.router.clone(), Auth::loopback_only()));
        let ask = |target: &str, host: &str| {
            let head = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
            exchange(served.address, head.as_bytes()).0
        };
        assert_eq!(ask("http://localhost/sessions", "localhost"), 200);
        assert_eq!(ask("http://evil.example/sessions", "localhost"), 403);
        assert_eq!(ask("http://localhost/sessions", "evil.example"), 403);
        assert_eq!(ask("http://localhost@evil.example/sessions", "localhost"), 403);
        served.stop();
    }

    fn no_request_hides_within_another() {
        let service = Service::start();
        let served = Served::start(impatient(service.endpoint()));
        let mut bystander = Bystander::start(&service, &served);
        let length = HIDDEN.len();
        let chunked_end = format!("0\r\n\r\n{HIDDEN}");
        let both = format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", chunked_end.len());
        let shapes: Vec<(String, String)> = vec![
            (both.clone(), chunked_end.clone()),
            (format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"), chunked_end.clone()),
            (format!("content-length: 0\r\ncontent-length: {length}\r\n"), HIDDEN.to_owned()),
            (format!("content-length: {length}, 0\r\n"), HIDDEN.to_owned()),
            (format!("content-length: +{length}\r\n"), HIDDEN.to_owned()),
            (format!("content-length: -{length}\r\n"), HIDDEN.to_owned()),
            (format!("content-length: 0x{length:x}\r\n"), HIDDEN.to_owned()),
            ("content-length: 99999999999999999999\r\n".to_owned(), HIDDEN.to_owned()),
            ("transfer-encoding: identity\r\n".to_owned(), HIDDEN.to_owned()),
            ("transfer-encoding: xchunked\r\n".to_owned(), chunked_end.clone()),
            ("transfer-encoding: chunked, identity\r\n".to_owned(), chunked_end.clone()),
            ("transfer-encoding:\x0bchunked\r\n".to_owned(), chunked_end.clone()),
            ("transfer-encoding : chunked\r\n".to_owned(), chunked_end.clone()),
            ("transfer-encoding:\r\n chunked\r\n".to_owned(), chunked_end.clone()),
            ("transfer-encoding: chunked\r\n".to_owned(), format!("ffffffffffffffffff\r\n{HIDDEN}")),
            ("transfer-encoding: chunked\r\n".to_owned(), format!("-1\r\n{HIDDEN}")),
            ("transfer-encoding: chunked\r\n".to_owned(), format!("1;\n\nx\r\n0\r\n\r\n{HIDDEN}")),
            (String::new(), HIDDEN.to_owned()),
        ];
        for (headers, body) in shapes {
            let head = format!("POST /parse HTTP/1.1\r\nhost: door.example\r\nauthorization: Bearer {TOKEN}\r\n");
            let bytes = format!("{head}content-type: application/json\r\n{headers}\r\n{body}");
            let (_, answer) = exchange(served.address, bytes.as_bytes());
            // What is behind the first request counts as another, which brings no token.
            assert!(!answer.contains("HTTP/1.1 2"), "{headers:?} {answer}");
            bystander.is_alone(&service, &headers);
        }
        served.stop();
    }
}
