//! Events and times of spans name the request that they belong to.

use std::collections::HashSet;
use testing::{events, wait_until};
use tracing::{Dispatch, Span, dispatcher::with_default, info, info_span};
use tracing_subscriber::{filter::filter_fn, prelude::*};
use tracing_tap::{CapturedEvent, CapturedSpan, Item, LookBack, Predicate, RequestId, SessionOptions, TapRouter};

fn install_with(router: &TapRouter) {
    tracing_subscriber::registry().with(router.layer()).init();
}

fn install() -> TapRouter {
    let router = TapRouter::new();
    install_with(&router);
    router
}

fn request() -> Span {
    info_span!("request", user = 42)
}

fn user() -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", 42))
}

fn ids(items: impl Iterator<Item = Item>) -> Vec<RequestId> {
    let id = |item: Item| match item {
        Item::Event { event, .. } => Some(event.request().expect("it is in a span")),
        Item::Timing { timing, .. } => Some(timing.request().expect("it is of a span")),
        _ => None,
    };
    items.filter_map(id).collect()
}

isolated! {
    fn requests_alike_at_the_same_time_have_different_ids() {
        let router = install();
        let mut stream = router.watch(user().timings());
        let (one, other) = (request(), request());
        one.in_scope(|| info!("begins"));
        other.in_scope(|| info!("begins"));
        one.in_scope(|| info_span!("query").in_scope(|| info!("inside")));
        drop((one, other));
        let ids = ids(stream.drain());
        let [begins, other_begins, inside, query, one, other] = ids[..] else { panic!("{ids:?}") };
        assert_ne!(begins, other_begins);
        assert_eq!([inside, query, one], [begins; 3]);
        assert_eq!(other, other_begins);
    }

    fn an_id_stays_for_the_request_s_life_on_all_threads() {
        let router = install();
        let mut stream = router.watch(user());
        let span = info_span!("request", user = 42, status = tracing::field::Empty);
        let inside = || info_span!("query").in_scope(|| info!("event"));
        span.in_scope(inside);
        span.record("status", 200);
        std::thread::scope(|scope| scope.spawn(|| span.in_scope(inside)).join()).unwrap();
        info!(parent: &span, "event");
        assert_eq!(ids(stream.drain()).into_iter().collect::<HashSet<_>>().len(), 1);
    }

    fn ids_of_spans_recur_and_those_of_requests_do_not() {
        const REQUESTS: usize = 20_000;
        let router = install();
        let mut stream = router.watch(user().capacity(2 * REQUESTS));
        (0..REQUESTS).for_each(|_| request().in_scope(|| info!("event")));
        let ids = ids(stream.drain());
        assert_eq!((ids.len(), ids.into_iter().collect::<HashSet<_>>().len()), (REQUESTS, REQUESTS));
    }

    fn the_past_and_the_present_of_a_request_have_one_id() {
        let router = TapRouter::builder().look_back(LookBack::new(1 << 20)).build();
        install_with(&router);
        wait_until("looking back to be switched on", || router.stats().look_back_bytes > 0);
        let span = request();
        request().in_scope(|| info!("before, and closed"));
        span.in_scope(|| info!("before"));
        let mut stream = router.watch(user().look_back(std::time::Duration::from_secs(60)));
        span.in_scope(|| info!("after"));
        let events = events(&mut stream);
        assert_eq!(events.iter().map(|event| event.is_past()).collect::<Vec<_>>(), [true, true, false]);
        let ids: Vec<_> = events.iter().map(|event| event.request()).collect();
        assert!(ids[0].is_some() && ids[1] == ids[2] && ids[0] != ids[1], "{ids:?}");
    }

    fn two_layers_of_a_router_have_ids_of_their_own() {
        for builder in [TapRouter::builder(), TapRouter::builder().look_back(LookBack::new(1 << 20))] {
            let router = builder.build();
            let dispatches = [(); 2].map(|()| Dispatch::new(tracing_subscriber::registry().with(router.layer())));
            let mut stream = router.watch(user());
            for dispatch in &dispatches {
                with_default(dispatch, || request().in_scope(|| info!("event")));
            }
            let ids = ids(stream.drain());
            assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
        }
    }

    fn each_layer_of_a_subscriber_shows_what_it_sees() {
        let router = TapRouter::new();
        let hides = filter_fn(|metadata| metadata.name() != "hidden");
        let subscriber = tracing_subscriber::registry().with(router.layer()).with(router.layer().with_filter(hides));
        let mut stream = router.watch(Predicate::everything());
        with_default(&Dispatch::new(subscriber), || {
            let inside = || info_span!("hidden").in_scope(|| info_span!("query").in_scope(|| info!("event")));
            info_span!("request").in_scope(inside);
        });
        let events = events(&mut stream);
        let shown: HashSet<Vec<_>> = events.iter().map(|event| event.spans().map(CapturedSpan::name).collect()).collect();
        assert_eq!(shown, HashSet::from([vec!["request", "hidden", "query"], vec!["request", "query"]]));
        assert_ne!(events[0].request(), events[1].request());
    }

    fn an_event_in_no_span_is_in_no_request() {
        let router = install();
        let mut stream = router.watch(Predicate::everything());
        info!("outside");
        request().in_scope(|| info!(parent: None, "outside"));
        let events = events(&mut stream);
        assert_eq!(events.iter().map(|event| event.request()).collect::<Vec<_>>(), [None, None]);
    }

    fn a_recorded_line_has_the_id_and_an_old_one_none() {
        let router = install();
        let mut stream = router.watch(user());
        request().in_scope(|| info!("event"));
        let event = events(&mut stream).remove(0);
        let mut line = serde_json::to_value(&*event).unwrap();
        assert_eq!(line["request"], event.request().unwrap().to_string());
        let read = |line: &serde_json::Value| serde_json::from_value::<CapturedEvent>(line.clone()).unwrap().request();
        assert_eq!(read(&line), event.request());
        line.as_object_mut().unwrap().remove("request");
        assert_eq!(read(&line), None);
    }
}
