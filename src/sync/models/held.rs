//! Holding, choosing and dropping a request under `loom`.

use super::*;
use crate::sync::{thread, try_all};
use std::sync::Arc;

/// What became of the events of one request, each noted where it went.
#[derive(Debug, Default)]
struct Seen {
    shown: Vec<u32>,
    gone: Vec<u32>,
}

/// The ring, and the counts: its lock is the model's own.
type Sink = std::sync::Mutex<Seen>;

fn show(sink: &Sink, event: u32) {
    sink.lock().unwrap().shown.push(event);
}

fn leave_out(sink: &Sink, events: impl IntoIterator<Item = u32>) {
    sink.lock().unwrap().gone.extend(events);
}

fn fits(_: usize) -> Result<(), Full> {
    Ok(())
}

/// What a producer does with its event.
fn log(held: &Held<u32>, sink: &Sink, event: u32, decides: bool) {
    match held.add(event, When::Present, fits) {
        Added::Kept if decides => choose(held, sink),
        Added::Kept => {}
        Added::Chosen(event) => show(sink, event),
        Added::Gone(event, _) => leave_out(sink, [event]),
        Added::Full(..) => panic!("everything fits"),
    }
}

fn choose(held: &Held<u32>, sink: &Sink) {
    if let Some(events) = held.choose() {
        events.into_iter().for_each(|event| show(sink, event));
        held.pass_on(|event| show(sink, event));
    }
}

fn drop_all(held: &Held<u32>, sink: &Sink, fate: Fate) {
    leave_out(sink, held.drop_all(fate).into_iter().flatten());
}

fn shared() -> (Arc<Held<u32>>, Arc<Sink>) {
    (Arc::new(Held::new()), Arc::default())
}

fn spawn(of: &(Arc<Held<u32>>, Arc<Sink>), run: impl FnOnce(&Held<u32>, &Sink) + 'static) -> thread::JoinHandle<()> {
    let (held, sink) = (Arc::clone(&of.0), Arc::clone(&of.1));
    thread::spawn(move || run(&held, &sink))
}

#[test]
fn loom_a_release_beside_a_push_loses_and_reorders_nothing() {
    try_all(|| {
        let request = shared();
        log(&request.0, &request.1, 1, false);
        let other = spawn(&request, |held, sink| {
            log(held, sink, 10, false);
            log(held, sink, 11, false);
        });
        log(&request.0, &request.1, 2, true);
        other.join().unwrap();
        let seen = request.1.lock().unwrap();
        let of = |thread: fn(&u32) -> bool| seen.shown.iter().copied().filter(thread).collect::<Vec<_>>();
        assert_eq!((of(|event| *event < 10), of(|event| *event >= 10)), (vec![1, 2], vec![10, 11]), "{seen:?}");
        assert!(seen.gone.is_empty(), "{seen:?}");
    });
}

#[test]
fn loom_of_two_that_choose_one_passes_on() {
    try_all(|| {
        let request = shared();
        let other = spawn(&request, |held, sink| log(held, sink, 10, true));
        log(&request.0, &request.1, 1, true);
        other.join().unwrap();
        let mut seen = request.1.lock().unwrap();
        seen.shown.sort_unstable();
        assert_eq!((&*seen.shown, &*seen.gone), (&[1, 10][..], &[][..]));
    });
}

#[test]
fn loom_a_request_that_closes_beside_a_release_is_whole_or_gone() {
    try_all(|| {
        let request = shared();
        log(&request.0, &request.1, 1, false);
        let ending = spawn(&request, |held, sink| drop_all(held, sink, Fate::Ended));
        let other = spawn(&request, |held, sink| log(held, sink, 10, false));
        log(&request.0, &request.1, 2, true);
        ending.join().unwrap();
        other.join().unwrap();
        let seen = request.1.lock().unwrap();
        let of = |list: &[u32], event: u32| list.iter().filter(|seen| **seen == event).count();
        for event in [1, 2, 10] {
            assert_eq!(of(&seen.shown, event) + of(&seen.gone, event), 1, "{event} is in one place: {seen:?}");
        }
        assert_eq!(of(&seen.shown, 1), of(&seen.shown, 2), "one thread's are shown all or none: {seen:?}");
    });
}

#[test]
fn loom_the_past_is_put_before_a_present_that_decides_meanwhile() {
    try_all(|| {
        let request = (Arc::new(Held::before()), Arc::default());
        let other = spawn(&request, |held, sink| {
            log(held, sink, 10, true);
            log(held, sink, 11, false);
        });
        assert_eq!(request.0.add(1, When::Past, fits), Added::Kept);
        assert_eq!(request.0.add(2, When::Past, fits), Added::Kept);
        if request.0.begin_present() == Some(Decided::Chosen) {
            choose(&request.0, &request.1);
        }
        other.join().unwrap();
        let seen = request.1.lock().unwrap();
        assert_eq!((&*seen.shown, &*seen.gone), (&[1, 2, 10, 11][..], &[][..]));
    });
}

#[test]
fn loom_a_request_that_ends_while_the_past_is_read_goes_whole() {
    try_all(|| {
        let request = (Arc::new(Held::before()), Arc::default());
        let other = spawn(&request, |held, sink| {
            log(held, sink, 10, false);
            drop_all(held, sink, Fate::NotChosen);
        });
        assert_eq!(request.0.add(1, When::Past, fits), Added::Kept);
        if request.0.begin_present() == Some(Decided::Over) {
            drop_all(&request.0, &request.1, Fate::NotChosen);
        }
        other.join().unwrap();
        let seen = request.1.lock().unwrap();
        assert_eq!((&*seen.shown, &*seen.gone), (&[][..], &[1, 10][..]));
    });
}
