//! What a session that decides by outcome owes: whole requests, once they have had the outcome.

use super::asked::{Asked, Slow};
use super::evaluator::Happened;
use std::collections::BTreeMap;

/// An event that a session is about, and the root of the spans it happened in.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) text: String,
    pub(crate) root: Option<usize>,
    /// The request that its id must name: the outermost of the spans that it shows.
    pub(crate) request: Option<RequestName>,
    /// Names its thread; one that takes the place of another has a ring of its own.
    pub(crate) thread: usize,
    /// It happened before the session was opened.
    pub(crate) is_past: bool,
}

/// The span that makes a request, in one layer: two layers of a router in one subscriber each have their own.
pub(crate) type RequestName = (usize, usize);

/// The requests that are not over, and the counts of those that are.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    open: BTreeMap<RequestName, Request>,
    pub(crate) not_chosen: u64,
}

#[derive(Debug)]
enum Request {
    Held(Vec<Owed>),
    Chosen,
}

/// What the past says of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    pub(crate) is_reached: bool,
    pub(crate) is_over: bool,
}

impl Asked {
    /// Whether it shows requests for their outcome.
    pub(crate) fn decides_by_outcome(&self) -> bool {
        self.only_if.is_some() || self.slower_than.is_some()
    }

    /// Whether an event of the session is the outcome that it wants.
    pub(crate) fn is_reached_by(&self, event: &Happened) -> bool {
        self.slower_than == Some(Slow::Everything) || self.only_if.as_ref().is_some_and(|wanted| wanted.matches(event))
    }
}

impl Requests {
    /// Takes an event that the session is about; returns what is owed for it, in order.
    pub(crate) fn take(&mut self, request: Option<RequestName>, is_reached: bool, event: Owed) -> Vec<Owed> {
        let Some(name) = request else { return self.decide_alone(is_reached, event) };
        match self.open.entry(name).or_insert(Request::Held(Vec::new())) {
            Request::Chosen => vec![event],
            Request::Held(held) => {
                held.push(event);
                if !is_reached {
                    return Vec::new();
                }
                let released = std::mem::take(held);
                self.open.insert(name, Request::Chosen);
                released
            }
        }
    }

    /// The same for an event of the past, of whose request the past says this.
    pub(crate) fn take_past(
        &mut self,
        request: Option<(RequestName, Before)>,
        is_reached: bool,
        event: Owed,
    ) -> Vec<Owed> {
        match request {
            None => self.decide_alone(is_reached, event),
            Some((name, Before { is_reached: true, is_over })) => {
                if !is_over {
                    self.open.insert(name, Request::Chosen);
                }
                vec![event]
            }
            Some((_, Before { is_over: true, .. })) => {
                self.not_chosen += 1;
                Vec::new()
            }
            Some((name, _)) => self.take(Some(name), false, event),
        }
    }

    fn decide_alone(&mut self, is_reached: bool, event: Owed) -> Vec<Owed> {
        if is_reached {
            return vec![event];
        }
        self.not_chosen += 1;
        Vec::new()
    }

    /// A span and all inside it have closed.
    pub(crate) fn close(&mut self, span: usize) {
        let is_of = |(_, of): &RequestName| *of == span;
        let over: Vec<_> = self.open.keys().copied().filter(is_of).collect();
        for name in over {
            if let Some(Request::Held(held)) = self.open.remove(&name) {
                self.not_chosen += held.len() as u64;
            }
        }
    }

    /// How many events are held, which are undecided when the session ends.
    pub(crate) fn held(&self) -> u64 {
        let held = |request: &Request| if let Request::Held(held) = request { held.len() as u64 } else { 0 };
        self.open.values().map(held).sum()
    }
}
