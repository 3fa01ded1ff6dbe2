//! Lists of sessions and callsites, and closing a session.

use crate::fixture::Service;
use crate::program::run;

isolated! {
    fn sessions_are_listed_for_people_and_for_programs() {
        let service = Service::start();
        let endpoint = service.serve();
        let url = endpoint.url();
        assert_eq!(run(&["sessions", &url]).stdout, "no sessions\n");
        assert_eq!(run(&["sessions", &url, "--format", "json"]).stdout, "");
        let _first = crate::program::watch(&[&url, "user = 42", "--name", "ticket 7", "--for", "1h"]);
        let _second = crate::program::watch(&[&url, "status >= 500"]);
        let listed = run(&["sessions", &url]);
        listed.assert(0, &[]);
        let lines: Vec<_> = listed.stdout.lines().collect();
        assert!(lines[0].starts_with("ID") && lines[0].contains("PREDICATE") && lines[0].ends_with("WAITING"));
        assert!(lines[1].contains("ticket 7") && lines[1].contains("user = 42") && lines[1].contains(" 5"));
        assert!(lines[2].contains("status >= 500") && lines[2].contains("loopback"));
        let sessions = run(&["sessions", &url, "--format", "json"]).json();
        assert_eq!(sessions.len(), 2);
        assert_eq!(sessions[0]["name"], "ticket 7");
        assert!(sessions[0]["id"].as_str().is_some_and(|id| lines[1].starts_with(&id[..8])));
    }

    fn a_session_is_closed_by_an_unambiguous_beginning_of_its_id() {
        let service = Service::start();
        let endpoint = service.serve();
        let url = endpoint.url();
        // With 17 sessions two would begin with the same digit; eight may be open, so one is found that differs.
        let first = crate::program::watch(&[&url, "user = 42"]);
        let _second = crate::program::watch(&[&url, "user = 7"]);
        let sessions = run(&["sessions", &url, "--format", "json"]).json();
        let ids: Vec<_> = sessions.iter().filter_map(|session| session["id"].as_str()).collect();
        let common = ids[0].bytes().zip(ids[1].bytes()).take_while(|(one, other)| one == other).count();
        run(&["close", &url, ids[0].split_at(common).0]).assert(2, &[]);
        let upper = ids[0][..=common].to_uppercase();
        let closed = run(&["close", &url, &upper]);
        assert_eq!((closed.code, closed.stdout), (Some(0), format!("closed {}\n", &ids[0][..8])));
        first.end().assert(0, &["Session over: closed."]);
        service.wait_for_sessions(1);
        run(&["close", &url, ids[0]]).assert(3, &["no session of yours has such an id", "`tracing-tap sessions` lists your open"]);
    }

    fn the_catalog_lists_what_was_reached_and_contains_the_pattern() {
        let service = Service::start();
        let endpoint = service.serve();
        let url = endpoint.url();
        tracing::info_span!(target: "chat::conn", "conn", user = 42).in_scope(|| {
            tracing::info!(target: "chat::hub", channel = "orders", attempt = 3, "subscribed");
        });
        let all = run(&["catalog", &url]);
        all.assert(0, &[]);
        assert!(all.stdout.starts_with("KIND") && all.stdout.lines().count() >= 3, "{}", all.stdout);
        let found = run(&["catalog", &url, "CHANNEL"]).stdout;
        assert_eq!(found.lines().count(), 2, "{found}");
        assert!(found.contains("chat::hub") && found.contains("tests/it/listing.rs:") && found.contains("channel attempt"));
        let spans = run(&["catalog", &url, "chat::conn", "--format", "json"]).json();
        assert_eq!((spans.len(), &spans[0]["name"], &spans[0]["kind"]), (1, &"conn".into(), &"span".into()));
        assert_eq!(run(&["catalog", &url, "nothing has this"]).stdout, "no callsites\n");
        drop(service);
    }
}
