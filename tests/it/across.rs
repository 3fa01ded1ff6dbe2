//! Requests that are followed from one service into the next: the sessions in scope, and the spans that they follow.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use testing::messages;
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Event, Subscriber, debug, info, info_span, span};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, fmt, registry};
use tracing_tap::{EventStream, Follow, Item, Predicate, SessionOptions, TapRouter};

/// The router of this process, in its global subscriber.
fn router() -> TapRouter {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    router
}

fn user() -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", 42)).across_services()
}

/// A stack's name, and how it is made.
type Stack = (&'static str, fn(&TapRouter) -> Dispatch);

isolated! {

fn a_request_is_in_scope_once_its_spans_match() {
    let router = router();
    let session = router.watch(user());
    let in_scope = || router.sessions_in_scope();
    let request = info_span!("request", user = tracing::field::Empty);
    request.in_scope(|| assert_eq!(in_scope(), []));
    request.record("user", 42);
    request.in_scope(|| assert_eq!(in_scope(), [session.id()]));
    request.in_scope(|| info_span!("inner", user = 7).in_scope(|| assert_eq!(in_scope(), [session.id()])));
    let elsewhere = info_span!(parent: &request, "elsewhere");
    thread::scope(|scope| scope.spawn(|| elsewhere.in_scope(|| assert_eq!(in_scope(), [session.id()]))).join())
        .expect("it does not panic");
    assert_eq!(in_scope(), [], "outside any span");
    info_span!(parent: None, "request", user = 43).in_scope(|| assert_eq!(in_scope(), []));
    drop(session);
    request.in_scope(|| assert_eq!(in_scope(), [], "it is closed"));
}

fn a_span_older_than_the_session_is_known_by_the_registry() {
    let router = router();
    // The layer keeps nothing of it while no session is open.
    let request = info_span!("request");
    let session = router.watch(SessionOptions::new(Predicate::span("request")).across_services());
    request.in_scope(|| assert_eq!(router.sessions_in_scope(), [session.id()]));
}

fn sessions_of_another_router_are_not_in_scope() {
    let (one, other) = (TapRouter::new(), TapRouter::new());
    tracing_subscriber::registry().with(one.layer()).with(other.layer()).init();
    let (_ones, others) = (one.watch(user()), other.watch(user()));
    info_span!("request", user = 42).in_scope(|| {
        assert_eq!((other.sessions_in_scope(), one.sessions_in_scope()), (vec![others.id()], vec![]));
    });
}

fn only_sessions_across_services_are_in_scope() {
    let router = router();
    let _alone = router.watch(Predicate::eq("user", 42));
    let _of_events = router.watch(SessionOptions::new("user = 42 and status = 500".parse().unwrap()).across_services());
    let _of_all = router.watch(SessionOptions::new(Predicate::everything()).across_services());
    let sampled_out = router.watch(user().sample(u32::MAX));
    let none = info_span!("request", user = 42).in_scope(|| router.sessions_in_scope());
    assert_eq!(none, [], "{sampled_out:?} may show one request in four thousand million");
    let confined = router.watch(user().confined_to(Predicate::eq("tenant", 7)));
    info_span!("request", user = 42).in_scope(|| assert_eq!(router.sessions_in_scope(), []));
    info_span!("request", user = 42, tenant = 7).in_scope(|| assert_eq!(router.sessions_in_scope(), [confined.id()]));
}

fn a_subscriber_without_the_layer_knows_no_session() {
    let router = router();
    let session = router.watch(user());
    let other = Dispatch::new(tracing_subscriber::registry().with(TapRouter::new().layer()));
    for dispatch in [other, Dispatch::none()] {
        tracing::dispatcher::with_default(&dispatch, || {
            info_span!("request", user = 42).in_scope(|| {
                assert_eq!(router.sessions_in_scope(), []);
                assert_eq!(router.follow_current_span(&[session.id()]), 0);
            });
        });
    }
}

fn all_that_happens_in_a_followed_span_belongs_to_the_session() {
    let router = router();
    // Older than the session.
    let request = info_span!("request", path = "/a");
    let mut session = router.watch(user());
    request.in_scope(|| {
        debug!("before");
        assert_eq!(router.follow_current_span(&[session.id(), session.id()]), 1);
        debug!("after");
        info_span!("inner").in_scope(|| info!("inside"));
    });
    thread::scope(|scope| scope.spawn(|| request.in_scope(|| debug!("elsewhere"))).join()).expect("no panic");
    info_span!("request", path = "/b").in_scope(|| debug!("another request"));
    info!(parent: &request, "by its parent");
    debug!("outside");
    assert_eq!(messages(&mut session), ["after", "inside", "elsewhere", "by its parent"]);
    request.in_scope(|| assert_eq!(router.sessions_in_scope(), [session.id()], "the next service may follow it as well"));
}

fn only_the_current_span_is_followed_and_not_what_is_around_it() {
    let router = router();
    let mut session = router.watch(user());
    info_span!("connection").in_scope(|| {
        info_span!("request").in_scope(|| {
            assert_eq!(router.follow_current_span(&[session.id()]), 1);
            info!("first");
        });
        info_span!("request").in_scope(|| info!("second"));
        info!("between");
    });
    assert_eq!(messages(&mut session), ["first"]);
}

fn what_is_not_open_or_not_on_several_services_is_not_followed() {
    let router = router();
    let mut alone = router.watch(Predicate::eq("user", 42));
    let ended = router.watch(user());
    let mut other = router.watch(user());
    router.close(ended.id());
    info_span!("request").in_scope(|| {
        assert_eq!(router.follow_current_span(&[alone.id(), ended.id()]), 0);
        assert_eq!(router.follow_current_span(&[]), 0);
        info!("nobody's");
    });
    assert_eq!(router.follow_current_span(&[other.id()]), 0, "there is no span");
    assert_eq!((messages(&mut alone), messages(&mut other)), (Vec::new(), Vec::new()));
}

fn levels_targets_and_confinements_hold_where_it_is_followed() {
    let router = router();
    let watch = |session: SessionOptions| router.watch(session.across_services());
    let of = |text: &str| SessionOptions::new(text.parse().expect("it is a predicate"));
    let mut sessions = [
        watch(of("user = 42")),
        watch(of("user = 42 and @level >= info")),
        watch(of("user = 42 and @target = chat")),
        watch(of("user = 42").max_level(LevelFilter::INFO)),
        watch(of("user = 42").confined_to(Predicate::eq("tenant", 7))),
        watch(of("user = 42 and @level >= info").follow(Follow::Root)),
        watch(of("user = 42").sample(u32::MAX)),
    ];
    let ids: Vec<_> = sessions.iter().map(EventStream::id).collect();
    info_span!("request").in_scope(|| {
        assert_eq!(router.follow_current_span(&ids), ids.len());
        info!("info");
        debug!("debug");
        debug!(target: "chat", "chat");
        debug!(tenant = 7, "tenant");
    });
    let all = ["info", "debug", "chat", "tenant"];
    let expected: [&[&str]; 7] = [&all, &["info"], &["chat"], &["info"], &["tenant"], &all, &all];
    for (session, expected) in sessions.iter_mut().zip(expected) {
        assert_eq!(messages(session), expected, "{session:?}");
    }
}

fn the_times_of_followed_spans_are_shown() {
    let router = router();
    let mut session = router.watch(user().timings().without_events());
    info_span!("request").in_scope(|| {
        assert_eq!(router.follow_current_span(&[session.id()]), 1);
        info_span!("inner").in_scope(|| info!("inside"));
    });
    info_span!("request").in_scope(|| info!("another"));
    let names = session.drain().filter_map(Item::into_timing).map(|timing| timing.name().to_owned());
    assert_eq!(names.collect::<Vec<_>>(), ["inner", "request"]);
}

fn no_other_layer_sees_a_question() {
    let (router, hooks) = (TapRouter::new(), Arc::new(AtomicUsize::new(0)));
    let layers = || Counting(Arc::clone(&hooks), thread::current().id());
    tracing_subscriber::registry().with(layers()).with(router.layer()).with(layers()).init();
    let session = router.watch(user());
    info_span!("request", user = 42).in_scope(|| {
        let before = hooks.load(Ordering::Relaxed);
        assert_eq!(router.sessions_in_scope().len() + router.follow_current_span(&[session.id()]), 2);
        assert_eq!(hooks.load(Ordering::Relaxed), before);
        info!("seen");
        assert!(hooks.load(Ordering::Relaxed) > before, "it counts");
    });
}

fn the_layer_is_asked_wherever_it_is_in_a_stack() {
    let stacks: [Stack; 8] = [
        ("alone", |router| registry().with(router.layer()).into()),
        ("inside", |router| registry().with(router.layer()).with(fmt::layer().with_writer(std::io::sink)).into()),
        ("outside", |router| registry().with(fmt::layer().with_writer(std::io::sink)).with(router.layer()).into()),
        ("by filters", |router| {
            let inner = fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::WARN);
            let outer = fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::WARN);
            registry().with(inner).with(router.layer()).with(outer).into()
        }),
        ("under a filter", |router| registry().with(router.layer()).with(LevelFilter::INFO).into()),
        ("boxed", |router| registry().with(router.layer::<Registry>().boxed()).into()),
        ("optional", |router| registry().with(Some(router.layer())).into()),
        ("in a list", |router| registry().with(vec![router.layer::<Registry>().boxed(), fmt::layer().with_writer(std::io::sink).boxed()]).into()),
    ];
    for (name, stack) in stacks {
        let router = TapRouter::new();
        tracing::dispatcher::with_default(&stack(&router), || {
            let mut session = router.watch(SessionOptions::new(Predicate::eq("user", 42)).across_services());
            info_span!("request", user = 42).in_scope(|| assert_eq!(router.sessions_in_scope(), [session.id()], "{name}"));
            info_span!("request").in_scope(|| {
                assert_eq!(router.follow_current_span(&[session.id()]), 1, "{name}");
                info!("inside");
            });
            assert_eq!(session.drain().count(), 1, "{name}");
        });
    }
}

fn a_question_inside_a_hook_finds_nothing_and_waits_for_nothing() {
    let router = router();
    let session = router.watch(user());
    let asking = tracing_subscriber::registry().with(router.layer()).with(Asking(router.clone()));
    tracing::subscriber::with_default(asking, || {
        info_span!("request", user = 42).in_scope(|| info!("asks"));
        info_span!("request", user = 42).in_scope(|| assert_eq!(router.sessions_in_scope(), [session.id()]));
    });
}

}

/// Counts the calls of its hooks on one thread: the router logs that a session was opened on a thread of its own.
struct Counting(Arc<AtomicUsize>, ThreadId);

impl Counting {
    fn count(&self) {
        if thread::current().id() == self.1 {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<S: Subscriber> Layer<S> for Counting {
    fn enabled(&self, _: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        self.count();
        true
    }

    fn on_new_span(&self, _: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        self.count();
    }

    fn on_record(&self, _: &span::Id, _: &span::Record<'_>, _: Context<'_, S>) {
        self.count();
    }

    fn on_follows_from(&self, _: &span::Id, _: &span::Id, _: Context<'_, S>) {
        self.count();
    }

    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        self.count();
    }

    fn on_enter(&self, _: &span::Id, _: Context<'_, S>) {
        self.count();
    }

    fn on_exit(&self, _: &span::Id, _: Context<'_, S>) {
        self.count();
    }
}

/// Asks in the middle of an event.
struct Asking(TapRouter);

impl<S: Subscriber> Layer<S> for Asking {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        assert_eq!(self.0.sessions_in_scope(), []);
        let ids: Vec<_> = self.0.sessions().iter().map(|session| session.id).collect();
        assert_eq!((ids.len(), self.0.follow_current_span(&ids)), (1, 0));
    }
}
