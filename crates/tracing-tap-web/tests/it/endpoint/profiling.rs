//! CPU samples over HTTP.

use crate::fixture::{Served, Service, TOKEN};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use testing::client::{Curl, connect, exchange, get, request};
use testing::permitted::are_perf_events_permitted;
use testing::wait_until;

/// Requests of users 42 and 43, one after the other, until it is dropped.
struct Busy(Arc<AtomicBool>, Option<thread::JoinHandle<()>>);

impl Busy {
    fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let work = move || {
            while !ends.load(Ordering::Relaxed) {
                for user in [42, 43] {
                    tracing::info_span!("request", user).in_scope(|| tracing::info_span!("work").in_scope(toil));
                }
            }
        };
        Self(is_over, Some(thread::spawn(work)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.take().map(thread::JoinHandle::join);
    }
}

#[inline(never)]
fn toil() {
    black_box((0..100_000_u64).fold(1, |sum: u64, round| black_box(sum.wrapping_mul(31).wrapping_add(round))));
}

isolated! {
    fn a_profile_is_a_file_of_the_callers_requests() {
        let service = Service::start();
        let endpoint = Served::start(service.endpoint().cpu_profiles());
        let _busy = Busy::start();
        let path = "/profile?q=user%3D42&for=2s&rate_hz=499&form=folded";
        let text = Curl::get(endpoint.address, path).rest();
        if !are_perf_events_permitted(&text) {
            return;
        }
        assert!(text.lines().any(|line| line.starts_with("request;work;") && line.contains("toil")), "{text}");
        assert!(text.lines().all(|line| line.starts_with("request") || line.starts_with("# ")), "{text}");
        assert!(text.starts_with("# 499 samples a second of CPU time asked for"), "{text}");
        assert_eq!(service.audit("session profiled").len(), 1);
        assert!(service.router.sessions().is_empty());
    }

    fn a_profile_is_refused_with_its_reason() {
        let service = Service::start();
        let (closed, open) = (Served::start(service.endpoint()), Served::start(service.endpoint().cpu_profiles()));
        let status = |served: &Served, query: &str| {
            let answer = get(served.address, &format!("/profile?{query}"));
            (answer.status, answer.body)
        };
        let (code, text) = status(&closed, "q=*");
        assert!(code == 403 && text.contains("Endpoint::cpu_profiles"), "{code} {text}");
        for (query, word) in [("q=*&form=png", "form"), ("q=*&rate_hz=0", "rate_hz"), ("q=*&for=5", "unit"), ("q=*&for=11m", "10 minutes"), ("", "predicate")] {
            let (code, text) = status(&open, query);
            assert!(code == 400 && text.contains(word), "{query}: {code} {text}");
        }
        let nobody = exchange(open.address, "GET /profile?q=* HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        assert_eq!(nobody.status, 401);
        let session = service.router.watch(tracing_tap::SessionOptions::new(tracing_tap::Predicate::everything()).timings());
        let intervals = service.router.intervals(session.id(), Default::default());
        let (code, text) = status(&open, "q=*");
        if !are_perf_events_permitted(&text) {
            return;
        }
        assert!(code == 429 && text.contains("one can be taken at a time"), "{code} {text}");
        drop(intervals);
    }

    fn a_profile_that_is_deleted_ends_with_what_there_is() {
        let service = Service::start();
        let endpoint = Served::start(service.endpoint().cpu_profiles());
        let _busy = Busy::start();
        let mut socket = connect(endpoint.address);
        let path = "/profile?q=user%3D42&for=10m&rate_hz=499&form=folded";
        let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n");
        socket.write_all(head.as_bytes()).expect("it is sent");
        let mut lines = BufReader::new(&socket).lines().map_while(Result::ok);
        let id = lines.find_map(|line| line.strip_prefix("tap-session: ").map(str::to_owned));
        let id = id.expect("the answer has the session's id");
        let delete = |id: &str| request(endpoint.address, TOKEN, "DELETE", &format!("/sessions/{id}"), None).status;
        assert_eq!(delete(&"0".repeat(32)), 404);
        assert_eq!(delete(id.trim()), 204);
        let text = lines.collect::<Vec<_>>().join("\n");
        assert!(text.lines().any(|line| line.starts_with("# stacks from")), "{text}");
        assert!(service.router.sessions().is_empty());
        wait_until("the profile to be forgotten", || delete(id.trim()) == 404);
    }

    fn the_paper_of_requests_lists_every_form() {
        let paper = std::fs::read_to_string("../../docs/openapi.yaml").unwrap();
        let words: Vec<_> = tracing_tap_profile::forms::Form::all().map(|form| form.word()).collect();
        assert!(paper.contains(&format!("schema: {{ enum: [{}], default: {} }}", words.join(", "), words[0])));
    }

    fn a_client_that_leaves_ends_its_profile() {
        let service = Service::start();
        let endpoint = Served::start(service.endpoint().cpu_profiles());
        let mut socket = std::net::TcpStream::connect(endpoint.address).expect("it listens");
        write!(socket, "GET /profile?q=*&for=10m HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n").expect("it is sent");
        let (mut begins, mut answer) = (socket.try_clone().expect("a socket can be shared"), String::new());
        let refusal = thread::spawn(move || begins.read_to_string(&mut answer).map(|_| answer));
        wait_until("the session or a refusal", || service.router.sessions().len() == 1 || refusal.is_finished());
        if refusal.is_finished() {
            let refusal = refusal.join().expect("it only reads").expect("the answer is text");
            assert!(!are_perf_events_permitted(&refusal), "{refusal}");
            return;
        }
        socket.shutdown(std::net::Shutdown::Both).expect("it is open");
        drop(socket);
        wait_until("the session to end", || service.router.sessions().is_empty());
    }
}
