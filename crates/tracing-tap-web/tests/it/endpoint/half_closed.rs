//! Clients that close their sending side with the request, as `printf … | nc -N` does.

use crate::fixture::{Served, Service, TOKEN};
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use testing::client::{Answer, connect, read_answer};

/// Sends a request as it is, and closes the sending side.
fn ask(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).expect("the endpoint takes the request");
    stream.shutdown(Shutdown::Write).expect("a socket has two sides");
    stream
}

fn watch(version: &str, more: &str) -> String {
    format!("GET /watch?q=user%3D42{more} {version}\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n")
}

/// The lines that say something, without the lengths of chunks.
fn said(answer: &Answer) -> Vec<&str> {
    answer
        .body
        .lines()
        .filter(|line| line.len() > "fffff".len() && !line.starts_with("id: ") && !line.starts_with("event: "))
        .collect()
}

isolated! {
    fn a_half_closed_client_gets_its_stream_to_the_end() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        for version in ["HTTP/1.0", "HTTP/1.1"] {
            for format in ["json", "sse", "compact"] {
                let stream = ask(served.address, &watch(version, &format!("&max=2&format={format}")));
                service.wait_for_sessions(1);
                tracing::info!(user = 42, "first");
                tracing::info!(user = 42, "second");
                let answer = read_answer(stream);
                assert_eq!(answer.status, 200, "{answer:?}");
                let said = said(&answer);
                let [.., first, second, ended] = &said[..] else { panic!("{answer:?}") };
                assert!(first.contains("first") && second.contains("second"), "{answer:?}");
                assert!(ended.contains("max_events") || ended.contains("reached its number"), "{answer:?}");
            }
        }
        service.wait_for_sessions(0);
        served.stop();
    }

    fn a_client_may_close_its_sending_side_later() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let mut stream = connect(served.address);
        stream.write_all(watch("HTTP/1.0", "&max=2").as_bytes()).expect("the endpoint takes the request");
        service.wait_for_sessions(1);
        tracing::info!(user = 42, "first");
        let mut begun = Vec::new();
        while !begun.ends_with(b"\"first\"") {
            let mut byte = [0];
            std::io::Read::read_exact(&mut stream, &mut byte).expect("it is sent");
            begun.push(byte[0]);
        }
        stream.shutdown(Shutdown::Write).expect("a socket has two sides");
        // The sign of life, by which the endpoint finds out whether the client is gone, is an empty line.
        let mut line = String::new();
        while !line.ends_with("}\n\n") {
            let mut byte = [0];
            std::io::Read::read_exact(&mut stream, &mut byte).expect("it is sent");
            line.push(byte[0].into());
        }
        tracing::info!(user = 42, "second");
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut stream, &mut rest).expect("it is text");
        assert!(rest.contains("second") && rest.ends_with("{\"type\":\"ended\",\"reason\":\"max_events\"}\n"), "{rest}");
        served.stop();
    }

    fn a_half_closed_client_is_answered_whatever_it_asks() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let head = |method, path| format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n");
        let answer = read_answer(ask(served.address, &format!("{}\r\n", head("GET", "/catalog"))));
        assert!(answer.json()["callsites"].is_array());
        let body = r#"{"q":"user = 42"}"#;
        let typed = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let answer = read_answer(ask(served.address, &format!("{}{typed}", head("POST", "/sessions"))));
        assert_eq!(answer.status, 201, "{answer:?}");
        // One whose body is cut is not waited for.
        let cut = typed.strip_suffix('}').expect("it is a body");
        let answer = read_answer(ask(served.address, &format!("{}{cut}", head("POST", "/sessions"))));
        assert!(answer.status == 400 || answer.head.is_empty(), "{answer:?}");
        served.stop();
    }

    fn mounted_routes_leave_half_closed_clients_to_the_server() {
        let service = Service::start();
        let served = Served::start_mounted(service.endpoint().routes());
        let answer = read_answer(ask(served.address, &watch("HTTP/1.0", "&max=1")));
        // `axum::serve` takes a closed sending side for the end of the connection: docs/http.md says so.
        assert!(!answer.body.contains("ended"), "{answer:?}");
        service.wait_for_sessions(0);
        served.stop();
    }

    fn a_client_that_is_gone_leaves_no_session() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        for format in ["json", "sse", "human"] {
            // At once, and when its stream has begun: nothing else is ever sent to it.
            drop(ask(served.address, &watch("HTTP/1.1", &format!("&format={format}"))));
            let mut stream = connect(served.address);
            stream.write_all(watch("HTTP/1.1", &format!("&format={format}")).as_bytes()).expect("it is taken");
            std::io::Read::read_exact(&mut stream, &mut [0; 15]).expect("it is answered");
            drop(stream);
            service.wait_for_sessions(0);
        }
        assert!(service.router.stats().opened_sessions > 0);
        served.stop();
    }
}
