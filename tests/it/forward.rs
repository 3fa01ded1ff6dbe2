//! Forwarding a session, in batches by size and by a deadline, until it ends or its writer fails.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use testing::{Output, PATIENCE, wait_until};
use tracing_subscriber::prelude::*;
use tracing_tap::render::FormatOptions;
use tracing_tap::{EndReason, EventStream, Format, Item, Predicate, SessionOptions, TapRouter};

const NEVER: Duration = Duration::from_secs(3600);

fn watch() -> (TapRouter, EventStream) {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    let stream = router.watch(Predicate::everything());
    (router, stream)
}

/// Forwards into a channel, a batch a message.
fn forward(stream: EventStream, batch_bytes: usize, batch_delay: Duration) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let publish = move |batch: &[u8]| {
        let text = String::from_utf8(batch.to_vec()).map_err(io::Error::other)?;
        sender.send(text).map_err(io::Error::other)
    };
    let forwarder = stream.forwarder(Format::Json).batch_bytes(batch_bytes).batch_delay(batch_delay);
    drop(forwarder.with(publish).expect("the system gives a thread"));
    receiver
}

isolated! {
    fn a_stream_that_is_over_is_forwarded_to_its_end_at_once() {
        let (router, mut stream) = watch();
        router.shutdown();
        assert_eq!(stream.drain().count(), 1);
        let forwarding = stream.forward_to(Output::default(), Format::Json).expect("the system gives a thread");
        wait_until("the forwarding to end", || forwarding.is_finished());
        assert_eq!(forwarding.join().expect("the writer does not fail"), EndReason::Shutdown);
    }

    fn a_delay_past_the_end_of_the_clock_never_ends() {
        let (router, stream) = watch();
        let output = Output::default();
        let forwarder = stream.forwarder(Format::Compact).batch_delay(Duration::MAX);
        let forwarding = forwarder.to(output.clone()).expect("the system gives a thread");
        tracing::debug!("event");
        router.shutdown();
        assert_eq!(forwarding.join().expect("the writer does not fail"), EndReason::Shutdown);
        assert_eq!(output.lines().len(), 2);
    }

    fn a_writer_gets_every_item_and_the_end() {
        let (router, stream) = watch();
        let output = Output::default();
        let forwarding = stream.forward_to(output.clone(), Format::Json).expect("the system gives a thread");
        for n in 0..1000 {
            tracing::debug!(n, "event");
        }
        router.shutdown();
        assert_eq!(forwarding.join().expect("the writer does not fail"), EndReason::Shutdown);
        let lines = output.lines();
        assert_eq!(lines.len(), 1001);
        assert!(lines[999].contains(r#""n":999"#) && lines[1000].contains("ended"), "{lines:?}");
    }

    fn a_batch_goes_when_it_is_large_enough() {
        let (_router, stream) = watch();
        let batches = forward(stream, 2000, NEVER);
        for n in 0..100 {
            tracing::debug!(n, "event");
        }
        let batch = batches.recv_timeout(PATIENCE).expect("a full batch goes at once");
        assert!(batch.len() >= 2000 && batch.len() < 4000 && batch.ends_with('\n'), "{}", batch.len());
    }

    fn a_steady_trickle_is_not_held_back() {
        let (_router, stream) = watch();
        let batches = forward(stream, usize::MAX, Duration::from_millis(20));
        // Events keep coming, faster than the delay: a delay after the last byte would never be over.
        let mut arrived = None;
        wait_until("a batch while events keep coming", || {
            tracing::debug!("trickle");
            arrived = batches.try_recv().ok();
            arrived.is_some()
        });
        assert!(arrived.is_some_and(|batch| batch.lines().count() > 1));
    }

    fn by_default_a_batch_goes_at_64_kibibytes_or_soon() {
        const BATCH_BYTES: usize = 64 << 10;
        let (router, stream) = watch();
        let (sender, batches) = mpsc::channel();
        let publish = move |batch: &[u8]| sender.send(batch.len()).map_err(io::Error::other);
        let forwarding = stream.forward_with(Format::Json, publish).expect("the system gives a thread");
        tracing::debug!("alone");
        let alone = batches.recv_timeout(PATIENCE).expect("one event is not held back");

        let text = "x".repeat(8000);
        for _ in 0..100 {
            tracing::debug!(text, "many");
        }
        router.shutdown();
        assert_eq!(forwarding.join().expect("the function does not fail"), EndReason::Shutdown);
        let sizes: Vec<_> = batches.iter().collect();
        assert!(alone < 1000 && sizes.iter().sum::<usize>() > 800_000, "{alone} {sizes:?}");
        assert!(sizes.iter().all(|size| *size < BATCH_BYTES + 9000), "{sizes:?}");
    }

    fn no_line_of_default_limits_is_split_by_a_container() {
        const CONTAINER: usize = 16 << 10;
        let (router, stream) = watch();
        let whole = router.watch(Predicate::everything());
        let [output, long] = [Output::default(), Output::default()];
        let options = FormatOptions::new(Format::Json).max_line_bytes(CONTAINER);
        let forwarding = stream.forward_to(output.clone(), options).expect("the system gives a thread");
        let unbounded = whole.forward_to(long.clone(), Format::Json).expect("the system gives a thread");
        let text = "\u{1}".repeat(9_000);
        let span = || tracing::info_span!("deep", a = text, b = text, c = text, d = text).entered();
        let spans: Vec<_> = (0..20).map(|_| span()).collect();
        tracing::info!(a = text, b = text, c = text, d = text, n = 7, "the worst");
        drop(spans);
        router.shutdown();
        forwarding.join().expect("the writer does not fail");
        unbounded.join().expect("the writer does not fail");
        let (lines, long) = (output.lines(), long.lines());
        assert_eq!((lines.len(), long.len()), (2, 2));
        assert!(lines[0].len() < CONTAINER && long[0].len() > 4_000_000, "{} and {}", lines[0].len(), long[0].len());
        let read: Item = serde_json::from_str(&lines[0]).expect("it is an item");
        let event = read.into_event().expect("it is an event");
        assert_eq!((event.message(), event.spans().len()), ("the worst", 20));
        assert!(event.fields().chain(event.spans().flat_map(|span| span.fields())).filter(|(_, value)| value.is_cut()).count() == 84);
    }

    fn an_error_of_the_writer_ends_the_session_and_is_reported() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::other("no space left"))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (router, stream) = watch();
        let forwarding = stream.forwarder(Format::Human).batch_bytes(1).to(Full).expect("the system gives a thread");
        tracing::debug!("event");
        assert_eq!(forwarding.join().expect_err("the writer fails").to_string(), "no space left");
        assert!(router.sessions().is_empty());
    }

    fn a_panic_of_the_function_ends_the_session_and_is_reported() {
        let (router, stream) = watch();
        let forwarding = stream.forwarder(Format::Human).batch_bytes(1).with(|_| panic!("in the function"));
        tracing::debug!("event");
        let error = forwarding.expect("the system gives a thread").join().expect_err("the function panics");
        assert!(error.to_string().contains("panicked"), "{error}");
        assert!(router.sessions().is_empty());
    }

    fn a_writer_that_logs_does_not_feed_itself() {
        let (router, stream) = watch();
        let (sender, batches) = mpsc::channel();
        let publish = move |batch: &[u8]| {
            tracing::info!("handing over");
            sender.send(batch.to_vec()).map_err(io::Error::other)
        };
        let forwarding = stream.forwarder(Format::Json).batch_bytes(1).with(publish).expect("the system gives a thread");
        tracing::debug!("one");
        batches.recv_timeout(PATIENCE).expect("the event is handed over");
        router.shutdown();
        forwarding.join().expect("the function does not fail");
        let rest: Vec<_> = batches.iter().collect();
        assert_eq!(rest.len(), 1, "the end, and nothing that handing over logged");
        assert_eq!(router.stats().events.matched, 1);
    }

    fn the_forwarding_ends_with_a_session_that_ends_by_a_limit() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).init();
        let stream = router.watch(SessionOptions::new(Predicate::everything()).max_events(2));
        let output = Output::default();
        let forwarding = stream.forward_to(output.clone(), Format::Compact).expect("the system gives a thread");
        for _ in 0..5 {
            tracing::debug!("event");
        }
        assert_eq!(forwarding.join().expect("the writer does not fail"), EndReason::MaxEvents);
        assert_eq!(output.lines().len(), 3);
    }
}
