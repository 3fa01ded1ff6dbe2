//! The page as it is served; what it does is tested in a browser, see `tests/page.rs`.

use crate::fixture::{Served, Service};
use std::net::SocketAddr;
use testing::client::{Answer, exchange};
use tracing_tap_web::{Auth, Endpoint};

/// The headers of a browser whose user has followed a link to a page.
const NAVIGATION: [&str; 3] = ["sec-fetch-site: cross-site", "sec-fetch-mode: navigate", "sec-fetch-dest: document"];

fn ask(address: SocketAddr, request: &str, headers: &[&str]) -> Answer {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    exchange(address, &format!("{request} HTTP/1.1\r\nhost: {address}\r\n{headers}connection: close\r\n\r\n"))
}

isolated! {
    fn the_page_is_served_to_everybody_and_nothing_else_is() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let page = ask(served.address, "GET /", &[]);
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(page.body.starts_with("<!doctype html>") && page.body.contains("src=\"./page/app.js\""), "{}", page.body);
        let script = ask(served.address, "GET /page/app.js", &[]);
        assert_eq!((script.status, script.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
        assert_eq!(ask(served.address, "GET /page/theme.css", &[]).header("content-type"), Some("text/css; charset=utf-8"));
        assert_eq!(ask(served.address, "GET /page/icon.svg", &[]).header("content-type"), Some("image/svg+xml"));
        assert_eq!(ask(served.address, "HEAD /", &[]).status, 200);
        for path in ["/catalog", "/sessions", "/stats", "/watch?q=*", "/other"] {
            assert_eq!(ask(served.address, &format!("GET {path}"), &[]).problem(), "not-authenticated", "{path}");
        }
        for (request, problem) in [
            ("GET /page/other.js", "not-found"), ("GET /page/..%2fmod.rs", "not-found"), ("GET /page/%ff", "not-found"),
            ("POST /", "method-not-allowed"), ("GET /?token=1", "unknown-parameter"), ("GET /page/app.js?v=1", "unknown-parameter"),
        ] {
            assert_eq!(ask(served.address, request, &[]).problem(), problem, "{request}");
        }
        for request in ["GET /?token=1", "GET /watch?q=*&access_token=1", "GET /catalog?api-key=1"] {
            let body = ask(served.address, request, &[]).body;
            assert!(body.contains("programs send the header `Authorization: Bearer TOKEN`, the page asks for the token"), "{request}: {body}");
        }
        let brought = ask(served.address, "GET /catalog?token=1", &["Authorization: Bearer 0123456789abcdef"]);
        assert_eq!(brought.problem(), "not-authenticated", "a wrong one in the header is another mistake");
        assert_eq!(service.router.sessions().len(), 0);
        served.stop();
    }

    fn the_page_may_only_talk_to_its_endpoint() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        for path in ["/", "/page/", "/page/app.js"] {
            let answer = ask(served.address, &format!("GET {path}"), &[]);
            let policy = answer.header("content-security-policy").expect("there is a policy");
            for rule in [
                "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self'",
                "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
            ] {
                assert!(policy.split("; ").any(|known| known == rule), "{rule} is not in {policy}");
            }
            assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
            assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"));
            assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
            assert_eq!(answer.header("cross-origin-embedder-policy"), Some("require-corp"));
        }
        served.stop();
    }

    fn a_browser_that_has_the_page_is_not_sent_it_again() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let first = ask(served.address, "GET /page/app.js", &[]);
        let tag = first.header("etag").expect("it has a tag").to_owned();
        assert_eq!(first.header("cache-control"), Some("no-cache"));
        let again = ask(served.address, "GET /page/app.js", &[&format!("if-none-match: {tag}")]);
        assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", Some(tag.as_str())));
        assert!(again.header("content-security-policy").is_some());
        let other = ask(served.address, "GET /page/api.js", &[&format!("if-none-match: {tag}")]);
        assert_eq!(other.status, 200);
        served.stop();
    }

    fn another_site_may_link_to_the_page_and_nothing_else() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        assert_eq!(ask(served.address, "GET /", &NAVIGATION).status, 200);
        let refused: [&[&str]; 6] = [
            &["sec-fetch-site: cross-site", "sec-fetch-mode: no-cors", "sec-fetch-dest: script"],
            &["sec-fetch-site: cross-site", "sec-fetch-mode: navigate", "sec-fetch-dest: iframe"],
            &["sec-fetch-site: same-site", "sec-fetch-mode: cors", "sec-fetch-dest: document"],
            &["sec-fetch-site: cross-site"],
            &["sec-fetch-site: cross-site", "sec-fetch-mode: navigate", "sec-fetch-mode: cors", "sec-fetch-dest: document"],
            &["origin: http://evil.example"],
        ];
        for headers in refused {
            for path in ["/", "/page/app.js"] {
                assert_eq!(ask(served.address, &format!("GET {path}"), headers).problem(), "cross-site", "{headers:?}");
            }
        }
        // A link to anything behind the page opens nothing.
        for path in ["/watch?q=*", "/sessions", "/stats"] {
            assert_eq!(ask(served.address, &format!("GET {path}"), &NAVIGATION).problem(), "cross-site", "{path}");
        }
        served.stop();
    }

    fn with_loopback_only_the_page_answers_loopback_names_alone() {
        let service = Service::start();
        let served = Served::start(Endpoint::new(service.router.clone(), Auth::loopback_only()));
        let with_host = |host: &str, path: &str| exchange(served.address, &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"));
        for path in ["/", "/page/", "/page/app.js"] {
            assert_eq!(with_host("localhost:8080", path).status, 200);
            assert_eq!(with_host("evil.example", path).problem(), "wrong-host");
        }
        served.stop();
    }

    fn under_a_path_the_page_finds_its_files_with_any_slash() {
        let service = Service::start();
        let endpoint = || service.endpoint().routes();
        let application = axum::Router::new().nest("/ops/tap", endpoint()).nest("/with/", endpoint()).nest("/of/{tenant}", endpoint());
        let served = Served::start_mounted(application.fallback(|| async { "nobody" }));
        for (path, script, file) in [
            ("/ops/tap", "./tap/page/app.js", "/ops/tap/page/app.js"),
            ("/ops/tap/page/", "./app.js", "/ops/tap/page/app.js"),
            ("/with/", "./page/app.js", "/with/page/app.js"),
            ("/of/a%20b", "./a%20b/page/app.js", "/of/a%20b/page/app.js"),
        ] {
            let page = ask(served.address, &format!("GET {path}"), &[]);
            assert!(page.body.contains(&format!("src=\"{script}\"")), "{path}: {}", page.body);
            assert_eq!(ask(served.address, &format!("GET {file}"), &[]).status, 200, "{file}");
        }
        // What the endpoint was not mounted for is the application's to answer.
        assert_eq!(ask(served.address, "GET /ops/tap/", &[]).body, "nobody");
        served.stop();
    }
}
