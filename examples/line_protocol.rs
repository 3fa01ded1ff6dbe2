//! An endpoint of one's own: a client sends a predicate as a line, and gets its events as lines until it hangs up.
//!
//! `cargo run --example line_protocol`

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use tracing_subscriber::prelude::*;
use tracing_tap::audit::{AuditEvent, AuditLimit, RefusedRequest};
use tracing_tap::{Format, Predicate, SessionOptions, TapRouter, endpoint::quietly, write_item};

fn main() -> io::Result<()> {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, accepting) = (listener.local_addr()?, router.clone());
    std::thread::spawn(move || {
        let limit = AuditLimit::default();
        // What serving logs must not come back as an event of the session that is served.
        listener.incoming().flatten().try_for_each(|client| quietly(|| serve(&accepting, &limit, client)))
    });
    // A client, and the service's work once its session is open.
    let client = TcpStream::connect(address)?;
    writeln!(&client, "user = 42")?;
    while router.stats().events.matched == 0 {
        [8, 7].iter().for_each(|tenant| tracing::debug!(user = 42, tenant, "ordered"));
    }
    let mut line = String::new();
    BufReader::new(client).read_line(&mut line)?;
    assert!(line.contains("\"tenant\":7"), "of tenant 7 alone: {line}");
    Ok(())
}

/// Of several clients, each would get a thread of its own.
fn serve(router: &TapRouter, limit: &AuditLimit, mut client: TcpStream) -> io::Result<()> {
    let mut asked = String::new();
    BufReader::new(client.try_clone()?).read_line(&mut asked)?;
    let peer = client.peer_addr().ok();
    // Clients of this protocol belong to tenant 7: whatever they ask for, they see nothing else.
    let options = |asked| SessionOptions::remote(asked).opened_by("a client").confined_to(Predicate::eq("tenant", 7));
    match asked.trim().parse().map(options) {
        Ok(options) => {
            // What it refuses itself, as one session too many, the router audits.
            let mut stream = router.try_watch(options).map_err(io::Error::other)?;
            let mut line = Vec::new();
            while let Some(item) = stream.blocking_recv() {
                write_item(&mut line, &item, Format::Json);
                client.write_all(&line)?; // Fails once the client has gone, which closes the session.
                line.clear();
            }
            Ok(())
        }
        Err(error) => {
            let (detail, reason) = (error.to_string(), "invalid_predicate");
            writeln!(client, "refused: {detail}")?;
            if let Some(suppressed) = limit.admit(std::time::Instant::now()) {
                let refused = RefusedRequest { peer, reason, detail, suppressed, ..RefusedRequest::default() };
                router.audit(AuditEvent::RequestRefused(refused));
            }
            Ok(())
        }
    }
}
