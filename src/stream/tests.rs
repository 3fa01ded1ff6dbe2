use super::*;
use crate::event::testing::bare_event;
use crate::predicate::Predicate;
use crate::queue::budget::Budget;
use crate::session::SessionOptions;
use crate::session::admission::Admission;
use crate::session::buffer::RingPlace;
use crate::session::kept_back::KeptBackBy;
use crate::session::sample::Sampled;
use std::task::Waker;

/// A router that is gone.
struct Nowhere;

impl Home for Nowhere {
    fn close(&self, _: Arc<OpenSession>) {}

    fn coverage(&self, _: &Arc<OpenSession>) -> Option<Coverage> {
        None
    }
}

/// A session that withholds everything by its rate, and its reader.
fn open() -> (Arc<OpenSession>, EventStream) {
    let limits = SessionOptions::new(Predicate::everything()).max_rate(0);
    let session = Arc::new(OpenSession::new(SessionId(1), limits, Arc::new(Budget::new(1 << 20))));
    (Arc::clone(&session), EventStream::new(session, Arc::new(Nowhere)))
}

fn withhold(session: &OpenSession) -> Admission {
    session.admit(Sampled::In)
}

fn count_of(item: Option<Item>) -> Option<u64> {
    match item {
        Some(Item::Missing(missing)) => Some(missing.count),
        None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn word_is_left_once_for_each_announcement() {
    let (session, mut stream) = open();
    assert_eq!(withhold(&session), Admission::KeptBackUnannounced);
    assert_eq!(withhold(&session), Admission::KeptBack);
    assert_eq!(count_of(stream.next_item()), None, "it is not due");
    session.announce_kept_back();
    assert_eq!(count_of(stream.next_item()), Some(2));
    assert_eq!(count_of(stream.next_item()), None);
    assert_eq!(withhold(&session), Admission::KeptBackUnannounced);
}

#[test]
fn a_reader_that_lingers_has_news_where_an_announcement_is_due() {
    let (session, mut stream) = open();
    withhold(&session);
    let context = Context::from_waker(Waker::noop());
    for is_due in [false, true] {
        stream.linger = Linger::HasRead;
        if is_due {
            session.announce_kept_back();
        }
        assert_eq!(stream.poll_item(&context).is_ready(), is_due);
    }
}

#[test]
fn a_drain_announces_what_was_due_when_it_began_and_no_more() {
    let (session, mut stream) = open();
    withhold(&session);
    session.announce_kept_back();
    let counts: Vec<_> = stream
        .drain()
        .map(|item| {
            withhold(&session);
            session.announce_kept_back();
            count_of(Some(item))
        })
        .take(10)
        .collect();
    assert_eq!(counts, [Some(1)]);
    assert_eq!(stream.drain().map(|item| count_of(Some(item))).collect::<Vec<_>>(), [Some(1)]);
}

#[test]
fn the_end_comes_after_the_kept_back_counts() {
    let (session, mut stream) = open();
    withhold(&session);
    session.end(EndReason::Closed);
    assert_eq!(count_of(stream.next_item()), Some(1));
    // A producer that was preempted after it had found the session open.
    session.kept_back().unwrap().count(KeptBackBy::Rate);
    session.announce_kept_back();
    assert!(matches!(stream.next_item(), Some(Item::Ended(EndReason::Closed))));
    assert!(stream.next_item().is_none());
    assert_eq!((stream.stats().missing[MissingReason::RateLimited], stream.stats().matched), (1, 1));
    assert_eq!(withhold(&session), Admission::Ended);
}

#[test]
fn an_error_says_whether_more_may_come() {
    let texts = [TryRecvError::Empty, TryRecvError::Ended].map(|error| error.to_string());
    assert_eq!(texts, ["no item is available", "the session has ended"]);
}

#[test]
fn what_is_lost_after_the_end_was_given_is_no_overflow() {
    let limits = SessionOptions::new(Predicate::everything()).capacity(1);
    let session = Arc::new(OpenSession::new(SessionId(1), limits, Arc::new(Budget::new(1 << 20))));
    let mut stream = EventStream::new(Arc::clone(&session), Arc::new(Nowhere));
    let push = |events: usize| {
        for _ in 0..events {
            let event = bare_event();
            let bytes = event.held_bytes();
            session.buffer_to_fill().push(event, bytes, RingPlace::Any);
        }
    };
    push(3);
    session.end(EndReason::Closed);
    assert_eq!(count_of(stream.next_item()), Some(2));
    assert!(matches!(stream.next_item(), Some(Item::Event { .. })));
    assert!(matches!(stream.next_item(), Some(Item::Ended(EndReason::Closed))));
    // Two producers were on their way.
    push(2);
    let counts = || {
        let stats = session.stats();
        (stats.missing[MissingReason::Overflow], stats.missing[MissingReason::Closed], stats.buffered)
    };
    assert_eq!(counts(), (2, 1, 1), "what was announced stays what is counted");
    session.discard_unread();
    assert_eq!((counts(), session.stats().matched), ((2, 2, 0), 5));
}
