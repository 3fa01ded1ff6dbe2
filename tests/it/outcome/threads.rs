//! A request on several threads: it is one request, whole and in order, and ends with its last span.

use super::{check_account, failing, install, read_to_end, request};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use testing::{events, messages, wait_until};
use tracing_tap::{MissingReason, Value};

isolated! {
    fn a_task_that_outlives_its_root_is_part_of_the_request() {
        let router = install();
        let mut stream = router.watch(failing());
        for status in [200, 500] {
            let root = tracing::info_span!("request");
            root.in_scope(|| tracing::info!("accepted {status}"));
            let task = tracing::info_span!(parent: &root, "task");
            drop(root);
            assert_eq!(stream.stats().held, 1, "the request goes on");
            let work = move || task.in_scope(|| tracing::info!(status, "done {status}"));
            thread::spawn(work).join().unwrap();
            assert_eq!(stream.stats().held, 0);
        }
        assert_eq!(messages(&mut stream), ["accepted 500", "done 500"]);
        assert_eq!(stream.stats().missing[MissingReason::NotChosen], 2);
    }

    fn threads_of_one_request_lose_and_reorder_nothing() {
        const THREADS: u64 = 4;
        const EVENTS: u64 = 200;
        let router = install();
        let mut stream = router.watch(failing().capacity(10_000));
        for round in 0..20_u64 {
            let root = tracing::info_span!("request", round);
            let start = Barrier::new(THREADS as usize);
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (root, start) = (&root, &start);
                    scope.spawn(move || {
                        start.wait();
                        root.in_scope(|| {
                            for number in 0..EVENTS {
                                let decides = thread == 0 && number == round * 9;
                                tracing::info!(thread, number, status = if decides { 500 } else { 200 }, "event");
                            }
                        });
                    });
                }
            });
            drop(root);
            let mut next = [0; THREADS as usize];
            for event in events(&mut stream) {
                let [thread, number] = ["thread", "number"].map(|name| event.field(name).and_then(Value::as_u64).unwrap());
                assert_eq!(number, next[thread as usize], "round {round}, thread {thread}");
                next[thread as usize] += 1;
            }
            assert_eq!(next, [EVENTS; THREADS as usize], "round {round}: {:?}", stream.stats());
        }
        check_account(stream.stats());
    }

    fn a_storm_of_requests_openings_and_ends_keeps_the_account() {
        let router = install();
        let logging = AtomicUsize::new(3);
        let logging = &logging;
        thread::scope(|scope| {
            for thread in 0..3_u64 {
                scope.spawn(move || {
                    (0..1_500).for_each(|number| request(number, 400 + thread * 60));
                    logging.fetch_sub(1, Ordering::SeqCst);
                });
            }
            for _ in 0..2 {
                let router = &router;
                scope.spawn(move || {
                    for _ in 0..30 {
                        let mut stream = router.watch(failing().capacity(64));
                        testing::wait_for("a few events", || {
                            (stream.stats().matched > 20 || logging.load(Ordering::SeqCst) == 0).then_some(())
                        });
                        router.close(stream.id());
                        let (_, missing, _) = read_to_end(&mut stream);
                        // A producer may be on its way with an event of the session.
                        wait_until("nothing to be held", || stream.stats().held == 0);
                        let stats = stream.stats();
                        check_account(stats);
                        let told = |reason| missing.iter().filter(|(told, _)| *told == reason).map(|(_, count)| count).sum::<u64>();
                        for reason in [MissingReason::NotChosen, MissingReason::Undecided, MissingReason::Overflow] {
                            assert_eq!(told(reason), stats.missing[reason], "{reason}");
                        }
                    }
                });
            }
        });
        wait_until("all to be freed", || router.stats().buffered_bytes == 0 && router.stats().open_sessions == 0);
        check_account(router.stats().events);
        assert_eq!(router.stats().events.held, 0);
    }
}
