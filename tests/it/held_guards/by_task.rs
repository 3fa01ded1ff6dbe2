//! Without an adaptor, by the ids of tasks.

use super::*;
use std::rc::Rc;
use testing::measure::allocations;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::filter::LevelFilter;

isolated! {
    fn a_guard_held_by_a_local_task_is_named() {
        let stream = watch();
        on_one_thread(async || {
            let tasks = [spawn_local(holds("first")), spawn_local(logs())];
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(held(&stream.coverage()), ["first"], "{}", stream.coverage());
    }

    fn a_guard_in_an_instrumented_task_is_named() {
        let stream = watch();
        on_one_thread(async || {
            let task = holds("first").instrument(info_span!("task"));
            let tasks = [spawn_local(task), spawn_local(logs().instrument(info_span!("other")))];
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(held(&stream.coverage()), ["first"], "{}", stream.coverage());
    }

    fn a_guard_is_named_where_the_main_future_logs_inside_it() {
        let stream = watch();
        on_one_thread(async || {
            let task = spawn_local(holds("first"));
            logs().await;
            task.await.unwrap();
        });
        assert_eq!(held(&stream.coverage()), ["first"], "{}", stream.coverage());
    }

    fn instrumented_futures_hold_no_guard() {
        check_clean(|| {
            on_one_thread(async || {
                let tasks: Vec<_> = (0..4).map(|n| spawn_local(logs().instrument(info_span!("task", n)))).collect();
                logs().instrument(info_span!("main")).await;
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
    }

    fn a_guard_in_sync_code_around_a_runtime_is_right() {
        check_clean(|| {
            let _guard = info_span!("service").entered();
            on_one_thread(async || spawn_local(logs()).await.unwrap());
            one_thread().block_on(async { tokio::spawn(logs()).await.unwrap() });
        });
    }

    fn a_guard_around_a_runtime_in_a_blocking_task_is_right() {
        check_clean(|| {
            testing::runtime::run(async {
                let work = || {
                    let _guard = info_span!("job").entered();
                    on_one_thread(async || {
                        let tasks = [spawn_local(logs()), spawn_local(logs().instrument(info_span!("inner")))];
                        for task in tasks {
                            task.await.unwrap();
                        }
                        tracing::info!("of the main future");
                    });
                    one_thread().block_on(async { tokio::spawn(logs()).await.unwrap() });
                    tokio::runtime::Handle::current().block_on(logs());
                };
                tokio::task::spawn_blocking(work).await.unwrap();
            });
        });
    }

    fn a_guard_around_block_in_place_is_right() {
        check_clean(|| {
            testing::runtime::run(async {
                let block = || {
                    tracing::info!("blocking");
                    tokio::runtime::Handle::current().block_on(logs());
                    one_thread().block_on(async { tokio::spawn(logs()).await.unwrap() });
                };
                let work = async move { info_span!("job").in_scope(|| tokio::task::block_in_place(block)) };
                tokio::spawn(work).await.unwrap();
            });
        });
    }

    fn a_local_set_inside_a_local_task_is_right() {
        check_clean(|| {
            on_one_thread(async || {
                let inner = async {
                    let local = LocalSet::new();
                    let tasks: Rc<[_]> = (0..3).map(|_| Rc::new(())).collect();
                    let run = async {
                        for _ in tasks.iter() {
                            spawn_local(logs()).await.unwrap();
                            tracing::info!("of the outer task");
                        }
                    };
                    local.run_until(run).instrument(info_span!("outer")).await;
                };
                let others = spawn_local(logs());
                spawn_local(inner).await.unwrap();
                others.await.unwrap();
            });
        });
    }

    fn a_span_of_another_subscriber_with_that_id_is_no_guard() {
        fn request() -> tracing::Span {
            info_span!("request")
        }
        tracing::subscriber::set_global_default(registry()).unwrap();
        let router = TapRouter::new();
        let watched = registry().with(info_printer(&Output::default())).with(router.layer());
        let stream = router.watch(Predicate::eq("user", 42));
        request().in_scope(|| {
            let inner = async {
                LocalSet::new().run_until(async { spawn_local(logs()).await.unwrap() }).instrument(request()).await;
            };
            on_one_thread(async || spawn_local(inner.with_subscriber(watched)).await.unwrap());
        });
        assert_eq!(held(&stream.coverage()), [] as [&str; 0]);
    }

    fn looking_between_polls_allocates_nothing() {
        const POLLS: usize = 1_000;
        let router = TapRouter::new();
        // It prints nowhere, since what is printed is allocated.
        let printer = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::INFO);
        registry().with(printer).with(router.layer()).init();
        let _stream = router.watch(Predicate::eq("user", 42));
        on_one_thread(async || {
            let task = async {
                let inner = async {
                    spawn_local(logs_for(POLLS)).await.unwrap();
                    let before = allocations();
                    spawn_local(logs_for(POLLS)).await.unwrap();
                    allocations() - before
                };
                LocalSet::new().run_until(inner).await
            };
            let allocated = spawn_local(task.instrument(info_span!("outer", user = 7))).await.unwrap();
            assert!(allocated < POLLS / 10, "{allocated} allocations in {POLLS} polls");
        });
    }

    fn guards_dropped_out_of_order_in_sync_code_are_right() {
        check_clean(|| {
            on_one_thread(async || {
                let work = async {
                    for _ in 0..3 {
                        let (one, two) = (info_span!("one").entered(), info_span!("two").entered());
                        drop(one);
                        tracing::info!("in two");
                        drop(two);
                        yield_now().await;
                    }
                };
                let tasks = [spawn_local(work), spawn_local(logs())];
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
    }
}
