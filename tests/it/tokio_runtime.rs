//! Users whose work is tasks of a `tokio` runtime, polled by whichever thread is free.

use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use testing::messages;
use testing::runtime::{self, Gate, soon, until};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking, yield_now};
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Span, field, info_span};
use tracing_subscriber::prelude::*;
use tracing_tap::session::Overflow;
use tracing_tap::{CapturedEvent, EndReason, EventStream, Item, MissingReason, Predicate, SessionOptions, TapRouter};

isolated! {
    fn a_users_tasks_arrive_whole_over_thousands_of_polls() {
        const USERS: u64 = 16;
        const TASKS: u64 = 8;
        const ROUNDS: u64 = 50;
        let router = install();
        runtime::run(async {
            let gate = Gate::closed();
            let (arrived, mut arrivals) = mpsc::unbounded_channel();
            let mut tasks = JoinSet::new();
            for (user, task) in (0..USERS).flat_map(|user| (0..TASKS).map(move |task| (user, task))) {
                let span = info_span!("conn", user).in_scope(|| info_span!("task", task));
                let (gate, arrived) = (gate.clone(), arrived.clone());
                tasks.spawn(async move {
                    tracing::trace!("before the session");
                    arrived.send(()).expect("the test listens");
                    gate.pass().await;
                    rounds(ROUNDS).instrument(tracing::debug_span!("rounds")).await;
                }.instrument(span));
            }
            for _ in 0..USERS * TASKS {
                soon("a task to arrive", arrivals.recv()).await.expect("tasks wait at the gate");
            }
            let session = |user| SessionOptions::new(Predicate::eq("user", user)).spans(LevelFilter::DEBUG);
            let mut streams: Vec<_> = (0..USERS).map(|user| router.watch(session(user))).collect();
            gate.open();
            soon("the tasks to end", tasks.join_all()).await;
            for (user, stream) in streams.iter_mut().enumerate() {
                let steps = steps(stream, |event| {
                    let names: Vec<_> = event.spans().map(|span| span.name()).collect();
                    assert_eq!(names, ["conn", "task", "rounds"]);
                    assert_eq!(number(event, "user"), user as u64);
                });
                assert_eq!(steps.len() as u64, TASKS);
                assert!(steps.values().all(|rounds| rounds.iter().copied().eq(0..ROUNDS)), "{steps:?}");
                let stats = stream.stats();
                assert_eq!((stats.matched, stats.delivered, stats.lost), (TASKS * ROUNDS, TASKS * ROUNDS, 0));
            }
        });
    }

    fn a_child_polled_on_other_threads_matches_by_its_parent() {
        let router = install();
        runtime::run(async {
            let alice = info_span!("conn", user = "alice");
            let bob = info_span!("conn", user = "bob");
            let child = alice.in_scope(|| info_span!("child", task = 0));
            let mut stream = router.watch(Predicate::eq("user", "alice"));
            let mut others = router.watch(Predicate::eq("user", "bob"));
            let alone = tokio::spawn(rounds(100).instrument(child.clone()));
            let inside_bob = tokio::spawn(async move {
                child.in_scope(|| tracing::trace!(round = 100, "step"));
                tracing::trace!("bob's own");
            }.instrument(bob));
            soon("both tasks", async { tokio::try_join!(alone, inside_bob) }).await.expect("neither panics");
            let mut shown = steps(&mut stream, |_| {});
            shown.values_mut().for_each(|rounds| rounds.sort_unstable());
            assert_eq!(shown, BTreeMap::from([(0, (0..=100).collect())]));
            assert_eq!(messages(&mut others), ["bob's own"]);
        });
    }

    fn work_that_is_handed_on_matches_where_instrumented() {
        let router = install();
        runtime::run(async {
            let mut stream = router.watch(Predicate::eq("user", "alice"));
            let alice = info_span!("conn", user = "alice");
            async {
                let here = Span::current();
                let named = info_span!("named");
                let work = [
                    tokio::spawn(async { tracing::debug!("a") }.in_current_span()),
                    tokio::spawn(async { tracing::debug!("b") }.instrument(named)),
                    tokio::spawn(async { yield_now().await; tracing::debug!("bare task") }),
                    spawn_blocking(move || here.in_scope(|| tracing::debug!("c"))),
                    spawn_blocking(|| tracing::debug!("bare blocking task")),
                    tokio::spawn(async { tracing::debug!(parent: None, "without a parent") }.in_current_span()),
                ];
                for work in work {
                    soon("the work to end", work).await.expect("no work panics");
                }
                std::thread::spawn(|| tracing::debug!("bare thread")).join().expect("it does not panic");
                tracing::debug!("d");
            }.instrument(alice).await;
            tracing::debug!("after");
            let mut shown = messages(&mut stream);
            shown.sort();
            assert_eq!(shown, ["a", "b", "c", "d"]);
        });
    }

    fn a_future_that_select_drops_ends_in_its_users_scope() {
        let router = install();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        let [mut alice, mut bob] = ["alice", "bob"].map(|user| router.watch(Predicate::eq("user", user)));
        // One thread, so that whatever a dropped future left behind would meet the next user's task.
        runtime.block_on(soon("all rounds", async {
            for round in 0..200 {
                let abandoned = async move {
                    let _goodbye = Goodbye(round);
                    tracing::trace!("begins {round}");
                    async { std::future::pending::<()>().await }.instrument(info_span!("inner")).await;
                };
                tokio::select! {
                    biased;
                    () = abandoned.instrument(info_span!("conn", user = "alice")) => unreachable!("it waits forever"),
                    () = yield_now() => tracing::trace!("nobody's {round}"),
                }
                let task = async move { tracing::trace!("bob {round}") }.instrument(info_span!("conn", user = "bob"));
                tokio::spawn(task).await.expect("bob does not panic");
            }
        }));
        let begins_and_ends = (0..200).flat_map(|round| [format!("begins {round}"), format!("ends {round}")]);
        assert_eq!(messages(&mut alice), begins_and_ends.collect::<Vec<_>>());
        assert_eq!(messages(&mut bob), (0..200).map(|round| format!("bob {round}")).collect::<Vec<_>>());
    }

    fn an_aborted_task_ends_in_its_users_scope_alone() {
        let router = install();
        runtime::run(async {
            let [mut alice, mut bob] = ["alice", "bob"].map(|user| router.watch(Predicate::eq("user", user)));
            for user in ["alice", "bob"] {
                let (started, mut has_started) = mpsc::channel(1);
                let task = async move {
                    let _goodbye = Goodbye(0);
                    started.send(()).await.expect("the test listens");
                    std::future::pending::<()>().await;
                };
                let task = tokio::spawn(task.instrument(info_span!("conn", user)));
                soon("the task to start", has_started.recv()).await;
                task.abort();
                assert!(soon("the abort", task).await.is_err_and(|error| error.is_cancelled()));
            }
            assert_eq!(messages(&mut alice), ["ends 0"]);
            assert_eq!(messages(&mut bob), ["ends 0"]);
        });
    }

    fn a_user_recorded_by_a_task_counts_for_all_of_the_connection() {
        let router = install();
        runtime::run(async {
            let mut stream = router.watch(Predicate::eq("user", 42));
            let conn = info_span!("conn", user = field::Empty);
            let mut tasks = JoinSet::new();
            let mut steppers = Vec::new();
            for task in 0..6 {
                let (step, steps) = mpsc::unbounded_channel();
                let (stepped, has_stepped) = mpsc::unbounded_channel();
                let span = info_span!(parent: &conn, "task", task);
                tasks.spawn(follow_steps(steps, stepped).instrument(span));
                steppers.push((step, has_stepped));
            }
            let authenticate = async |user: u64| {
                let conn = conn.clone();
                tokio::spawn(async move { _ = conn.record("user", user) }).await.expect("recording does not panic");
            };
            // Nobody yet, then 42, then another user, then 42 again: the last value wins.
            for (phase, user) in [None, Some(42), Some(7), Some(42)].into_iter().enumerate() {
                if let Some(user) = user {
                    authenticate(user).await;
                }
                for round in 0..50 {
                    for (step, has_stepped) in &mut steppers {
                        step.send(phase as u64 * 50 + round).expect("the task runs");
                        soon("a step", has_stepped.recv()).await.expect("the task runs");
                    }
                }
            }
            drop(steppers);
            soon("the tasks to end", tasks.join_all()).await;
            let expected: Vec<_> = (50..100).chain(150..200).collect();
            let shown = steps(&mut stream, |event| assert_eq!(number(event, "user"), 42));
            assert_eq!(shown, (0..6).map(|task| (task, expected.clone())).collect());
        });
    }

    fn a_waiting_task_is_woken_by_events_and_the_end() {
        let router = install();
        runtime::run(async {
            let mut by_recv = router.watch(Predicate::eq("user", "alice"));
            let by_stream = router.watch(Predicate::eq("user", "alice"));
            let ids = [by_recv.id(), by_stream.id()];
            let read = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&read);
            let receiver = tokio::spawn(async move {
                let mut items = Vec::new();
                loop {
                    // A `recv` that is given up again and again loses nothing.
                    let item = tokio::select! {
                        item = by_recv.recv() => item,
                        () = yield_now() => continue,
                    };
                    let Some(item) = item else { return items };
                    counted.fetch_add(1, Ordering::Relaxed);
                    items.push(item);
                }
            });
            let collector = tokio::spawn(by_stream.collect::<Vec<_>>());
            for round in 0..500_u64 {
                let span = info_span!("conn", user = "alice", task = 0);
                tokio::spawn(async move { tracing::trace!(round, "step") }.instrument(span)).await.expect("no panic");
                if round % 100 == 0 {
                    until("the reader to have read it", || read.load(Ordering::Relaxed) == round + 1).await;
                }
            }
            assert!(ids.into_iter().all(|id| router.close(id)));
            for items in [receiver, collector].map(|reader| soon("a reader to end", reader)) {
                let mut items = items.await.expect("readers do not panic");
                assert!(matches!(items.pop(), Some(Item::Ended(EndReason::Closed))));
                let events = items.into_iter().map(|item| item.into_event().expect("nothing is lost"));
                assert!(events.map(|event| number(&event, "round")).eq(0..500));
            }
        });
    }

    fn sessions_get_all_of_their_users_tasks_while_open() {
        let router = install();
        runtime::run(async {
            let (alice, bob) = (Crowd::start("alice"), Crowd::start("bob"));
            for repetition in 0..40 {
                alice.all_get_on().await;
                // The newest are lost if there are too many, so that what is kept is whole.
                let session = SessionOptions::new(Predicate::eq("user", "alice")).overflow(Overflow::DropNewest);
                let mut stream = router.watch(session);
                let opened = alice.done();
                alice.all_get_on().await;
                let closed = alice.done();
                if repetition % 4 == 0 {
                    continue; // Dropped, with all that nobody read.
                }
                assert!(router.close(stream.id()));
                let shown = steps(&mut stream, |event| {
                    assert_eq!(event.find("user").map(ToString::to_string).as_deref(), Some("alice"));
                });
                for (task, (opened, closed)) in opened.into_iter().zip(closed).enumerate() {
                    // The round under way when the session opened may be missing, and those before may be there.
                    let rounds = shown.get(&(task as u64)).map(Vec::as_slice).unwrap_or_default();
                    let whole: Vec<_> = rounds.iter().copied().skip_while(|round| *round <= opened).collect();
                    assert!((opened + 1..).zip(&whole).all(|(expected, round)| expected == *round), "a gap: {whole:?}");
                    let last = opened + whole.len() as u64;
                    assert!(last + 1 >= closed || stream.stats().missing[MissingReason::Overflow] > 0, "{last} is too short of {closed}");
                }
            }
            alice.end().await;
            bob.end().await;
            assert_eq!(router.sessions().len(), 0);
            // What was pushed while a stream was dropped is counted when its session is freed.
            until("all sessions to be freed", || router.stats().events.buffered == 0).await;
            let events = router.stats().events;
            assert_eq!(events.matched, events.delivered + events.lost);
            assert!(events.delivered > 0 && events.missing[MissingReason::Closed] > 0, "{events:?}");
        });
    }
}

/// Tasks of one user that run on their own until asked to end.
struct Crowd {
    done: Arc<[AtomicU64]>,
    is_over: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Crowd {
    const TASKS: u64 = 6;

    fn start(user: &str) -> Self {
        let done: Arc<[AtomicU64]> = (0..Self::TASKS).map(|_| AtomicU64::new(0)).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for task in 0..Self::TASKS {
            let (done, is_over) = (Arc::clone(&done), Arc::clone(&is_over));
            let work = async move {
                for round in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    tracing::trace!(round, "step");
                    done[task as usize].store(round + 1, Ordering::SeqCst);
                    yield_now().await;
                }
            };
            tasks.spawn(work.instrument(info_span!("conn", user, task)));
        }
        Self { done, is_over, tasks }
    }

    /// How many rounds each task has done.
    fn done(&self) -> Vec<u64> {
        self.done.iter().map(|done| done.load(Ordering::SeqCst)).collect()
    }

    /// Waits until every task has done some more rounds.
    async fn all_get_on(&self) {
        let before = self.done();
        until("all tasks to get on", || self.done().iter().zip(&before).all(|(now, before)| *now > before + 20)).await;
    }

    async fn end(self) {
        self.is_over.store(true, Ordering::SeqCst);
        soon("the tasks to end", self.tasks.join_all()).await;
    }
}

/// Sets the process up as a service would: its own output at INFO, and the router beside it.
fn install() -> TapRouter {
    let router = TapRouter::new();
    let fmt = tracing_subscriber::fmt::layer().with_writer(testing::Output::default());
    tracing_subscriber::registry().with(fmt.with_filter(LevelFilter::INFO)).with(router.layer()).init();
    router
}

/// One event for each poll.
async fn rounds(count: u64) {
    for round in 0..count {
        tracing::trace!(round, "step");
        yield_now().await;
    }
}

/// One event for each number it gets.
async fn follow_steps(mut steps: mpsc::UnboundedReceiver<u64>, stepped: mpsc::UnboundedSender<()>) {
    while let Some(round) = steps.recv().await {
        tracing::trace!(round, "step");
        stepped.send(()).expect("the test listens");
    }
}

/// Says goodbye when it is dropped.
struct Goodbye(u64);

impl Drop for Goodbye {
    fn drop(&mut self) {
        tracing::trace!("ends {}", self.0);
    }
}

/// The rounds of each task that a session has shown so far, in the session's order, each event checked.
fn steps(stream: &mut EventStream, check: impl Fn(&CapturedEvent)) -> BTreeMap<u64, Vec<u64>> {
    let mut steps = BTreeMap::<_, Vec<_>>::new();
    for event in testing::events(stream) {
        assert_eq!(event.message(), "step");
        check(&event);
        steps.entry(number(&event, "task")).or_default().push(number(&event, "round"));
    }
    steps
}

fn number(event: &CapturedEvent, name: &str) -> u64 {
    let value = event.find(name).unwrap_or_else(|| panic!("a field `{name}`: {event}"));
    value.to_string().parse().expect("a number")
}
