use super::*;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, TapRouter};

/// More than a session holds.
const MANY: u64 = 10_000;
/// Fewer than a session holds, and more than are buffered on their way out.
const SOME: u64 = 1_000;

/// An output that blocks until `open` returns.
struct Gate<F> {
    open: F,
    text: Arc<Mutex<String>>,
}

impl<F: FnMut()> Write for Gate<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.open)();
        self.text.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints a session of so many events and closes it.
fn emit(events: u64, printer: &Printer) {
    let router = TapRouter::new();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(router.layer()), || {
        let stream = router.watch(Predicate::eq("user", 42));
        let session = stream.id();
        printer.print(stream);
        (0..events).for_each(|number| tracing::debug!(user = 42, number, "said something"));
        router.close(session);
    });
}

#[track_caller]
fn account(printed: Printed) -> Account {
    match printed {
        Printed::All(account) => account,
        Printed::ReaderGone => panic!("nobody has gone"),
    }
}

#[test]
fn events_a_blocked_output_has_no_room_for_are_reported_lost() {
    let text = Arc::<Mutex<String>>::default();
    let (unblock, blocked) = channel::<()>();
    // Blocks until the sender is dropped, and not from then on.
    let open = move || assert!(blocked.recv().is_err());
    let printer = Printer::start(Gate { open, text: Arc::clone(&text) }, || ()).unwrap();
    emit(MANY, &printer);
    drop(unblock);
    let Account { matched, delivered, lost } = account(printer.finish(Duration::from_secs(3600)).unwrap());

    assert_eq!((matched, delivered + lost), (MANY, MANY));
    assert!(lost > 0);
    let text = text.lock().unwrap();
    assert_eq!(text.matches("said something\n").count() as u64, delivered);
    let announced = text.split('[').skip(1).map(|rest| rest.split(' ').next().unwrap().parse::<u64>().unwrap());
    assert_eq!(announced.sum::<u64>(), lost);
}

#[test]
fn events_that_are_left_when_it_gives_up_are_lost() {
    let text = Arc::<Mutex<String>>::default();
    let (give_up, given_up) = channel::<Arc<OnceLock<Instant>>>();
    let mut give_up_at = None;
    let open = move || {
        let give_up_at = give_up_at.get_or_insert_with(|| given_up.recv().unwrap());
        give_up_at.wait();
    };
    let printer = Printer::start(Gate { open, text: Arc::clone(&text) }, || ()).unwrap();
    give_up.send(Arc::clone(&printer.give_up_at)).unwrap();
    emit(SOME, &printer);
    let Account { matched, delivered, lost } = account(printer.finish(Duration::ZERO).unwrap());

    assert_eq!((matched, delivered + lost), (SOME, SOME));
    assert!(delivered > 0 && lost > 0);
    assert_eq!(text.lock().unwrap().matches("said something\n").count() as u64, delivered);
}

#[test]
fn a_failing_output_is_reported_once_a_gone_reader_never() {
    struct Failing(io::ErrorKind);
    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    for (kind, is_quiet) in [(io::ErrorKind::BrokenPipe, true), (io::ErrorKind::StorageFull, false)] {
        let (report, reports) = channel();
        let printer = Printer::start(Failing(kind), move || report.send(()).unwrap()).unwrap();
        emit(SOME, &printer);
        let printed = printer.finish(Duration::ZERO);
        assert_eq!(matches!(printed, Ok(Printed::ReaderGone)), is_quiet, "{printed:?}");
        assert_eq!(printed.is_err(), !is_quiet, "{printed:?}");
        assert_eq!(reports.iter().count(), 1);
    }
}
