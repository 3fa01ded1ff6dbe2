//! A session and its reader under `loom`, during its first matches, at its limits and at its end.

use super::*;
use crate::event::{Fields, Origin};
use crate::predicate::Predicate;
use crate::queue::budget::Budget;
use crate::session::SessionOptions;
use crate::session::admission::Admission;
use crate::session::open::wake_all;
use crate::session::sample::Sampled;
use crate::sync::{thread, try_all};
use tracing_core::{Callsite, Metadata};

/// A router that is gone.
struct Nowhere;

impl Home for Nowhere {
    fn close(&self, _: Arc<OpenSession>) {}

    fn coverage(&self, _: &Arc<OpenSession>) -> Option<Coverage> {
        None
    }
}

fn session(limits: SessionOptions) -> Arc<OpenSession> {
    Arc::new(OpenSession::new(SessionId(1), limits, Arc::new(Budget::new(1 << 20))))
}

fn stream(session: &Arc<OpenSession>) -> EventStream {
    EventStream::new(Arc::clone(session), Arc::new(Nowhere))
}

fn everything() -> SessionOptions {
    SessionOptions::new(Predicate::everything()).capacity(4)
}

fn event() -> Arc<CapturedEvent> {
    let metadata: &Metadata<'_> =
        tracing::callsite! { name: "event", kind: tracing::metadata::Kind::EVENT, fields: }.metadata();
    Arc::new(CapturedEvent::new(Origin::Callsite(metadata), Fields::named(metadata.fields()), Arc::new([])))
}

fn push(session: &OpenSession) {
    let buffer = session.buffer_to_fill();
    let (place, displaced) = buffer.make_place();
    drop(displaced);
    buffer.push(event(), 1, place);
}

/// What the layer does with an event that matched. Returns whether it was admitted.
fn deliver(session: &OpenSession) -> bool {
    let is_admitted = session.admit(Sampled::In) == Admission::Admitted;
    if is_admitted {
        push(session);
        wake_all(std::iter::once(&session.reader));
        if session.is_used_up() {
            session.end(EndReason::MaxEvents);
        }
    }
    is_admitted
}

fn spawn<R: 'static>(
    session: &Arc<OpenSession>,
    run: impl FnOnce(&Arc<OpenSession>) -> R + 'static,
) -> thread::JoinHandle<R> {
    let session = Arc::clone(session);
    thread::spawn(move || run(&session))
}

/// What a reader was given so far.
#[derive(Debug, Default)]
struct Given {
    events: u64,
    lost: u64,
    end: Option<EndReason>,
}

impl Given {
    /// Reads once; whether there was anything.
    fn read(&mut self, stream: &mut EventStream) -> bool {
        match stream.try_recv() {
            Ok(Item::Event { .. }) => self.events += 1,
            Ok(Item::Missing(missing)) => self.lost += missing.count,
            Ok(Item::Ended(reason)) => self.end = Some(reason),
            Ok(item) => unreachable!("no session here asks for {item:?}"),
            Err(_) => return false,
        }
        true
    }
}

#[test]
fn loom_two_first_matches_meet_in_one_ring() {
    try_all(|| {
        let session = session(everything());
        let mut stream = stream(&session);
        let there = spawn(&session, |session| deliver(session));
        assert!(deliver(&session));
        assert!(there.join().unwrap());
        let mut given = Given::default();
        while given.read(&mut stream) {}
        assert_eq!((given.events, given.lost), (2, 0));
    });
}

#[test]
fn loom_the_end_is_seen_after_the_events_of_its_closer() {
    try_all(|| {
        let session = session(everything());
        let mut stream = stream(&session);
        let closing = spawn(&session, |session| {
            // Alone: the fence that follows it otherwise would order it as well.
            push(session);
            session.mark_ended(EndReason::Closed)
        });
        let mut given = Given::default();
        while given.read(&mut stream) {}
        if given.end.is_some() {
            assert_eq!(given.events, 1, "the event before the end is missing");
        }
        assert!(closing.join().unwrap());
        while given.read(&mut stream) {}
        assert_eq!((given.events, given.end), (1, Some(EndReason::Closed)));
    });
}

#[test]
fn loom_events_pushed_during_the_close_are_counted_once() {
    try_all(|| {
        let session = session(everything());
        let producing = spawn(&session, |session| u64::from(deliver(session)) + u64::from(deliver(session)));
        let closing = spawn(&session, |session| {
            session.end(EndReason::Closed);
            session.discard_unread();
        });
        let stats = session.stats();
        assert!(stats.matched <= 2, "{stats:?}");
        let admitted = producing.join().unwrap();
        closing.join().unwrap();
        // As when its last owner frees it.
        session.discard_unread();
        let stats = session.stats();
        assert_eq!(
            (stats.matched, stats.missing[MissingReason::Closed], stats.buffered),
            (admitted, admitted, 0),
            "{stats:?}"
        );
        assert_eq!(session.buffered_bytes(), 0);
    });
}

/// With a ring of one, so that the second displaces the first where that was not read.
fn ends_after_as_many_as_may_be(max_events: u64, capacity: usize) {
    try_all(move || {
        let session = session(everything().capacity(capacity).max_events(max_events));
        let mut stream = stream(&session);
        let there = spawn(&session, |session| u64::from(deliver(session)));
        let here = spawn(&session, |session| u64::from(deliver(session)));
        let mut given = Given::default();
        given.read(&mut stream);
        given.read(&mut stream);
        let admitted = here.join().unwrap() + there.join().unwrap();
        assert_eq!(admitted, max_events);
        while given.read(&mut stream) {}
        assert_eq!((given.events + given.lost, given.end), (max_events, Some(EndReason::MaxEvents)), "{given:?}");
    });
}

#[test]
fn loom_a_session_of_one_event_admits_one_of_two() {
    ends_after_as_many_as_may_be(1, 1);
}

#[test]
fn loom_a_session_ends_after_its_last_admitted_event() {
    ends_after_as_many_as_may_be(2, 1);
}

#[test]
fn loom_a_delivered_event_is_not_counted_as_buffered() {
    try_all(|| {
        let session = session(everything());
        let mut stream = stream(&session);
        assert!(deliver(&session));
        let asking = spawn(&session, |session| session.stats());
        let mut given = Given::default();
        given.read(&mut stream);
        let stats = asking.join().unwrap();
        assert!(stats.matched <= 1, "{stats:?}");
    });
}
