//! What is held of one request until its outcome is known, and what becomes of it.
//!
//! # The protocol
//! | state | the next event | it changes when |
//! |---|---|---|
//! | `Before` | is added | the session's opener has read the past, and [begins the present](Held::begin_present) |
//! | `Open` | is added | a thread [chooses](Held::choose) the request, or [drops](Held::drop_all) it |
//! | `Passing` | waits behind what is passed on | the thread that chose it has passed on everything, or refuses it |
//! | `Chosen` | goes its own way | never |
//! | `Gone` | is gone too | never |
//!
//! So every event is in one place: added, handed to the thread that chose or dropped the request, or handed back. What one
//! thread passes on it passes on in order, and nothing overtakes it: an event is handed back as chosen only after all
//! before it. The lock is held for a few instructions, and for the last few events that are passed on.
//!
//! A session that looks back begins with `Before`: events of the past come from its opener, and have their place before those
//! of the present, which come meanwhile. What decides the request is noted, and done once both are together.

use crate::sync::{Mutex, MutexGuard};
use std::sync::PoisonError;

/// After so many rounds what came meanwhile is passed on under the lock: other threads of the request may log faster than
/// one passes on.
const ROUNDS: usize = 8;

/// The events of one request.
#[derive(Debug)]
pub(crate) struct Held<E>(Mutex<State<E>>);

#[derive(Debug)]
enum State<E> {
    /// The past is being read.
    Before { past: Vec<E>, present: Vec<E>, decided: Option<Decided> },
    /// The outcome is not known.
    Open(Vec<E>),
    /// The outcome is the wanted one. A thread passes on what was held; these wait behind it.
    Passing(Vec<E>),
    /// All that was held is passed on.
    Chosen,
    /// It is not shown.
    Gone(Fate),
}

/// What has decided a request while the past was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decided {
    /// The outcome is the wanted one.
    Chosen,
    /// It has ended without.
    Over,
}

/// Where an event has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Past,
    Present,
}

/// Why the events of a request are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has ended without the wanted outcome.
    NotChosen,
    /// A bound came before its outcome.
    Undecided,
    /// It was chosen, and the rate was used up.
    RateLimited,
    /// It was chosen, and there was no room for all of it.
    NoRoom,
    /// The session ended before its outcome.
    Ended,
}

/// What came of adding an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added<E> {
    Kept,
    /// There is no room for it.
    Full(E, Full),
    /// The request was chosen: the event goes its own way.
    Chosen(E),
    /// The request is not shown, nor is the event.
    Gone(E, Fate),
}

/// What there is no room in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The request has as many events as a request may have.
    Request,
    /// The session or the router holds as many bytes as it may.
    Session,
}

impl<E> Held<E> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::Open(Vec::new())))
    }

    /// A request that begins while the past is being read.
    pub(crate) fn before() -> Self {
        Self(Mutex::new(State::Before { past: Vec::new(), present: Vec::new(), decided: None }))
    }

    /// A request of which nothing is shown from the start.
    pub(crate) fn gone(fate: Fate) -> Self {
        Self(Mutex::new(State::Gone(fate)))
    }

    /// Adds an event if it `fits` behind so many others.
    pub(crate) fn add(&self, event: E, when: When, fits: impl FnOnce(usize) -> Result<(), Full>) -> Added<E> {
        match &mut *self.lock() {
            State::Before { past, present, .. } => match fits(past.len() + present.len()) {
                Ok(()) => {
                    match when {
                        When::Past => past.push(event),
                        When::Present => present.push(event),
                    }
                    Added::Kept
                }
                Err(full) => Added::Full(event, full),
            },
            State::Open(events) | State::Passing(events) => match fits(events.len()) {
                Ok(()) => {
                    events.push(event);
                    Added::Kept
                }
                Err(full) => Added::Full(event, full),
            },
            State::Chosen => Added::Chosen(event),
            State::Gone(fate) => Added::Gone(event, *fate),
        }
    }

    /// Whether nothing is decided yet.
    pub(crate) fn is_open(&self) -> bool {
        matches!(*self.lock(), State::Open(_) | State::Before { .. })
    }

    /// Why it is not shown, if it is not.
    pub(crate) fn fate(&self) -> Option<Fate> {
        match *self.lock() {
            State::Gone(fate) => Some(fate),
            State::Before { .. } | State::Open(_) | State::Passing(_) | State::Chosen => None,
        }
    }

    /// Puts the events of the present behind those of the past. Returns what has decided the request meanwhile, for the caller
    /// to do.
    pub(crate) fn begin_present(&self) -> Option<Decided> {
        let mut state = self.lock();
        let State::Before { past, present, decided } = &mut *state else { return None };
        let (mut events, decided) = (std::mem::take(past), *decided);
        events.append(present);
        *state = State::Open(events);
        decided
    }

    /// Chooses the request, unless that is done or it is gone. The caller must then pass on what was held and
    /// [the rest](Self::pass_on), or [refuse](Self::refuse) it.
    pub(crate) fn choose(&self) -> Option<Vec<E>> {
        let mut state = self.lock();
        match &mut *state {
            State::Before { decided, .. } => {
                *decided = Some(Decided::Chosen);
                None
            }
            State::Open(events) => {
                let events = std::mem::take(events);
                *state = State::Passing(Vec::new());
                Some(events)
            }
            State::Passing(_) | State::Chosen | State::Gone(_) => None,
        }
    }

    /// Passes on what has come since the request was chosen, until there is nothing left. `pass` must not use the request.
    pub(crate) fn pass_on(&self, mut pass: impl FnMut(E)) {
        for _ in 0..ROUNDS {
            let mut state = self.lock();
            let State::Passing(waiting) = &mut *state else { return };
            if waiting.is_empty() {
                *state = State::Chosen;
                return;
            }
            let waiting = std::mem::take(waiting);
            drop(state);
            waiting.into_iter().for_each(&mut pass);
        }
        let mut state = self.lock();
        if let State::Passing(waiting) = std::mem::replace(&mut *state, State::Chosen) {
            waiting.into_iter().for_each(pass);
        }
    }

    /// Shows nothing of a request that was chosen. Returns what is held of it.
    pub(crate) fn refuse(&self, fate: Fate) -> Vec<E> {
        match std::mem::replace(&mut *self.lock(), State::Gone(fate)) {
            State::Open(events) | State::Passing(events) => events,
            State::Before { mut past, mut present, .. } => {
                past.append(&mut present);
                past
            }
            State::Chosen | State::Gone(_) => Vec::new(),
        }
    }

    /// Shows nothing of a request that was not chosen. Returns what was held, unless the request is chosen or gone. One that ends
    /// while the past is being read may yet be chosen by that.
    pub(crate) fn drop_all(&self, fate: Fate) -> Option<Vec<E>> {
        let mut state = self.lock();
        let events = match &mut *state {
            State::Before { decided, .. } if fate == Fate::NotChosen => {
                decided.get_or_insert(Decided::Over);
                return None;
            }
            State::Before { past, present, .. } => {
                past.append(present);
                std::mem::take(past)
            }
            State::Open(events) => std::mem::take(events),
            State::Passing(_) | State::Chosen | State::Gone(_) => return None,
        };
        *state = State::Gone(fate);
        Some(events)
    }

    /// Nothing panics while this lock is held but what passes events on, and that leaves the request chosen.
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn room(_: usize) -> Result<(), Full> {
        Ok(())
    }

    fn held(events: &[u32]) -> Held<u32> {
        let held = Held::new();
        events.iter().for_each(|event| assert_eq!(held.add(*event, When::Present, room), Added::Kept));
        held
    }

    #[test]
    fn a_chosen_request_hands_out_its_events_in_order() {
        let held = held(&[1, 2]);
        assert_eq!(held.choose(), Some(vec![1, 2]));
        assert_eq!(held.add(3, When::Present, room), Added::Kept, "it waits behind those before it");
        assert_eq!(held.choose(), None, "it is chosen once");
        let mut passed = Vec::new();
        held.pass_on(|event| passed.push(event));
        assert_eq!(passed, [3]);
        assert_eq!(held.add(4, When::Present, room), Added::Chosen(4));
        assert_eq!(held.drop_all(Fate::NotChosen), None);
    }

    #[test]
    fn a_request_that_is_dropped_takes_later_events_with_it() {
        let held = held(&[1, 2]);
        assert_eq!(held.drop_all(Fate::NotChosen), Some(vec![1, 2]));
        assert_eq!(held.add(3, When::Present, room), Added::Gone(3, Fate::NotChosen));
        assert_eq!((held.choose(), held.drop_all(Fate::Undecided)), (None, None));
    }

    #[test]
    fn a_request_that_is_refused_shows_nothing() {
        let held = held(&[1]);
        held.choose().unwrap();
        assert_eq!(held.add(2, When::Present, room), Added::Kept);
        assert_eq!(held.refuse(Fate::RateLimited), [2]);
        assert_eq!(held.add(3, When::Present, room), Added::Gone(3, Fate::RateLimited));
    }

    #[test]
    fn an_event_that_does_not_fit_is_handed_back() {
        let held = held(&[1]);
        let full = |len: usize| if len == 1 { Err(Full::Request) } else { Ok(()) };
        assert_eq!(held.add(2, When::Present, full), Added::Full(2, Full::Request));
        assert_eq!(held.choose(), Some(vec![1]));
    }

    #[test]
    fn the_past_comes_before_what_came_while_it_was_read() {
        let held = Held::before();
        assert_eq!(held.add(10, When::Present, room), Added::Kept);
        assert_eq!(held.add(1, When::Past, room), Added::Kept);
        assert_eq!(held.choose(), None, "not before the past is there");
        assert_eq!(held.add(11, When::Present, room), Added::Kept);
        assert_eq!(held.add(2, When::Past, room), Added::Kept);
        assert_eq!(held.begin_present(), Some(Decided::Chosen));
        assert_eq!(held.choose(), Some(vec![1, 2, 10, 11]));
        assert_eq!(held.begin_present(), None);
    }

    #[test]
    fn a_request_that_ends_while_the_past_is_read_may_be_chosen() {
        let held = Held::before();
        assert_eq!(held.add(10, When::Present, room), Added::Kept);
        assert_eq!(held.drop_all(Fate::NotChosen), None);
        assert_eq!(held.add(1, When::Past, room), Added::Kept);
        assert_eq!(held.begin_present(), Some(Decided::Over));
        assert_eq!(held.drop_all(Fate::NotChosen), Some(vec![1, 10]));
    }

    #[test]
    fn a_bound_takes_the_past_with_it() {
        let held = Held::before();
        assert_eq!(held.add(10, When::Present, room), Added::Kept);
        assert_eq!(held.add(1, When::Past, room), Added::Kept);
        assert_eq!(held.drop_all(Fate::Undecided), Some(vec![1, 10]));
        assert_eq!(held.add(2, When::Past, room), Added::Gone(2, Fate::Undecided));
        assert_eq!(held.begin_present(), None);
    }

    #[test]
    fn what_comes_faster_than_it_is_passed_on_ends() {
        let held = held(&[]);
        held.choose().unwrap();
        assert_eq!(held.add(0, When::Present, room), Added::Kept);
        let mut passed = 0;
        // Each event that is passed on has another one come, as long as the request can be asked.
        held.pass_on(|event| {
            passed += 1;
            if event < ROUNDS as u32 - 1 {
                assert_eq!(held.add(event + 1, When::Present, room), Added::Kept);
            }
        });
        assert_eq!(passed, ROUNDS);
        assert_eq!(held.add(9, When::Present, room), Added::Chosen(9));
    }

    #[test]
    fn both_the_past_and_the_present_of_a_request_take_room() {
        let behind = |held: &Held<u32>| {
            let mut others = None;
            let full = |count| {
                others = Some(count);
                Err(Full::Request)
            };
            assert_eq!(held.add(9, When::Present, full), Added::Full(9, Full::Request));
            others
        };
        let held = Held::before();
        assert_eq!(behind(&held), Some(0));
        assert_eq!(held.add(1, When::Past, room), Added::Kept);
        assert_eq!(behind(&held), Some(1));
        [10, 11].into_iter().for_each(|event| assert_eq!(held.add(event, When::Present, room), Added::Kept));
        assert_eq!(behind(&held), Some(3));
    }

    #[test]
    fn a_request_is_open_until_it_is_decided() {
        assert!(Held::<u32>::before().is_open() && held(&[1]).is_open());
        let chosen = held(&[1]);
        chosen.choose().unwrap();
        assert!(!chosen.is_open());
        chosen.pass_on(|_| {});
        assert!(!chosen.is_open() && !Held::<u32>::gone(Fate::Ended).is_open());
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../../sync/models/held.rs"]
mod models;
