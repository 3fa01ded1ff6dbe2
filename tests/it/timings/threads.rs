//! Spans that end in unusual ways: in another order, on another thread, with an id that was another's.

use super::{install, names, only, timings, user};
use tracing::Span;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, SessionOptions, TapRouter};

isolated! {
    fn a_parent_that_closes_with_its_last_child_is_timed() {
        let mut stream = install().watch(user(42));
        let request = tracing::info_span!("request", user = 42);
        let child = tracing::info_span!(parent: &request, "child");
        let grandchild = tracing::info_span!(parent: &child, "grandchild");
        drop((request, child));
        assert_eq!(timings(&mut stream).len(), 0);
        std::thread::spawn(move || drop(grandchild)).join().unwrap();
        let timings = timings(&mut stream);
        assert_eq!(names(&timings), ["grandchild", "child", "request"]);
        assert!(timings.iter().all(|timing| timing.is_whole()));
        assert_eq!(timings[0].path().map(|span| span.name()).collect::<Vec<_>>(), ["request", "child", "grandchild"]);
    }

    fn spans_left_out_of_order_are_counted_right() {
        let mut stream = install().watch(user(42));
        let (outer, inner) = (tracing::info_span!("outer", user = 42), tracing::info_span!("inner", user = 42));
        for _ in 0..3 {
            let first = outer.clone().entered();
            let second = inner.clone().entered();
            drop(first);
            drop(second);
        }
        tracing::info_span!("other", user = 43).in_scope(|| outer.in_scope(|| ()));
        drop((outer, inner));
        let polls: Vec<_> = timings(&mut stream).iter().map(|timing| (timing.name().to_owned(), timing.polls())).collect();
        assert_eq!(polls, [("outer".to_owned(), Some(4)), ("inner".to_owned(), Some(3))]);
    }

    fn an_event_in_a_span_between_two_timed_ones_matches_as_ever() {
        let mut stream = install().watch(user(42));
        let a = tracing::info_span!("a", user = 42);
        let b = tracing::info_span!("b", user = 43);
        a.in_scope(|| {
            tracing::info!("in a");
            b.in_scope(|| {
                tracing::info!("in b");
                // Entered twice: the registry goes on saying b.
                a.in_scope(|| tracing::info!("still in b"));
                tracing::info!("in b");
            });
            tracing::info!("in a again");
        });
        tracing::info!("outside");
        drop((a, b));
        let seen: Vec<_> = stream.drain().collect();
        let messages: Vec<_> =
            seen.iter().filter_map(|item| item.clone().into_event()).map(|event| event.message().to_owned()).collect();
        assert_eq!(messages, ["in a", "in a again"]);
        assert_eq!(seen.last().unwrap().clone().into_timing().unwrap().polls(), Some(2));
    }

    fn an_id_that_recurs_brings_no_times_along() {
        let mut stream = install().watch(user(42));
        let watched = tracing::info_span!("watched", user = 42);
        let id = watched.id().unwrap();
        watched.in_scope(|| watched.in_scope(|| ()));
        drop(watched);
        assert_eq!(only(&mut stream).polls(), Some(2));
        let mut others = 0;
        // An id comes again after as many spans as a place has generations.
        while others < 20_000 {
            let other = tracing::info_span!("other", user = 43);
            let is_same = other.id().as_ref() == Some(&id);
            other.in_scope(|| ());
            others += 1;
            if is_same {
                break;
            }
        }
        assert!(others < 20_000, "the id has not come again");
        assert_eq!(timings(&mut stream).len(), 0, "it was another's");
        let next = tracing::info_span!("watched", user = 42);
        next.in_scope(|| ());
        drop(next);
        assert_eq!(only(&mut stream).polls(), Some(1));
    }

    fn two_routers_in_one_stack_time_for_themselves() {
        let (one, two) = (TapRouter::new(), TapRouter::new());
        tracing_subscriber::registry().with(one.layer()).with(two.layer()).init();
        let (mut first, mut second) = (one.watch(user(42)), two.watch(SessionOptions::new(Predicate::eq("user", 42))));
        let request = tracing::info_span!("request", user = 42);
        request.in_scope(|| tracing::info!("inside"));
        drop(request);
        assert_eq!(only(&mut first).polls(), Some(1));
        assert_eq!(timings(&mut second).len(), 0);
    }

    fn a_span_that_outlives_the_thread_it_was_entered_on_is_timed() {
        let mut stream = install().watch(user(42));
        let request = std::thread::spawn(|| {
            let request = tracing::info_span!("request", user = 42);
            request.in_scope(|| ());
            request
        }).join().unwrap();
        assert_eq!(Span::current().id(), None);
        request.in_scope(|| ());
        drop(request);
        assert_eq!(only(&mut stream).polls(), Some(2));
    }
}
