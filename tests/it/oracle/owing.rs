//! What is owed to a session: the events that it is about, one after the other, and those of the past before them.

use super::asked::{Asked, Limit};
use super::evaluator::{Fields, Happened};
use super::history::SPANS;
use super::requests::{Before, Owed, RequestName, Requests};
use std::collections::BTreeSet;
use tracing_tap::Follow;

/// What is owed to one session, but for what its sampling leaves out.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) limit: Limit,
    pub(crate) owed: Vec<Owed>,
    /// It holds requests until their outcome is known.
    pub(crate) decides: bool,
    pub(crate) follows: bool,
    /// It looks back and is confined: its horizon does not count what is gone.
    pub(crate) hides_losses: bool,
    /// Events whose request is over without the outcome.
    pub(crate) not_chosen: u64,
    /// Events whose request was not over at the end.
    pub(crate) undecided: u64,
}

/// A span that exists.
pub(super) struct Span {
    pub(super) site: usize,
    pub(super) subscriber: usize,
    /// Whether each router's scopes show it.
    pub(super) visible: Vec<bool>,
    /// It would not be there without a router.
    pub(super) only_with_router: bool,
    pub(super) parent: Option<usize>,
    pub(super) fields: Fields,
    /// The handles to it, and the spans inside it that are open: without any it has closed.
    pub(super) uses: usize,
}

/// An event that a router keeps.
pub(super) struct Kept {
    pub(super) router: usize,
    /// The number of the router's layer in the subscriber.
    pub(super) layer: usize,
    pub(super) thread: usize,
    pub(super) happened: Happened,
    pub(super) text: String,
    pub(super) around: Vec<usize>,
}

/// A session as the model keeps it.
pub(super) struct Session {
    pub(super) asked: Asked,
    pub(super) is_open: bool,
    /// The spans in which everything belongs to it from now on.
    pub(super) followed: Vec<usize>,
    pub(super) requests: Requests,
}

impl Kept {
    fn owed(&self, is_past: bool, spans: &[Span]) -> Owed {
        let outermost = self.around.iter().rev().find(|number| spans[**number].visible[self.router]);
        Owed {
            text: self.text.clone(),
            root: self.around.last().copied(),
            request: outermost.map(|number| (*number, self.layer)),
            thread: self.thread,
            is_past,
        }
    }
}

impl Session {
    /// Notes an event that it is about.
    pub(super) fn owe(&mut self, event: &Kept, expected: &mut Expected, spans: &[Span]) {
        if !self.takes(event, spans) {
            return;
        }
        let owed = event.owed(false, spans);
        if self.asked.decides_by_outcome() {
            let (request, is_reached) = (self.request(event, spans), self.asked.is_reached_by(&event.happened));
            expected.owed.extend(self.requests.take(request, is_reached, owed));
        } else {
            expected.owed.push(owed);
        }
        self.is_open = expected.limit != Limit::Events(expected.owed.len() as u64);
    }

    /// Notes the past, if it has just been opened: what became of each request first, then what is shown of it.
    pub(super) fn look_back(&mut self, kept: &[Kept], expected: &mut Expected, spans: &[Span]) {
        let mut reached = BTreeSet::new();
        if self.asked.decides_by_outcome() {
            for event in kept {
                if self.takes(event, spans) && self.asked.is_reached_by(&event.happened) {
                    reached.extend(self.request(event, spans));
                }
            }
            self.followed.clear();
        }
        kept.iter().for_each(|event| self.owe_past(event, expected, spans, &reached));
    }

    fn owe_past(&mut self, event: &Kept, expected: &mut Expected, spans: &[Span], reached: &BTreeSet<RequestName>) {
        if !self.takes(event, spans) {
            return;
        }
        let owed = event.owed(true, spans);
        if self.asked.decides_by_outcome() {
            let before = |name: RequestName| {
                let (is_reached, is_over) = (reached.contains(&name), spans[name.1].uses == 0);
                (name, Before { is_reached, is_over })
            };
            let request = self.request(event, spans).map(before);
            let is_reached = self.asked.is_reached_by(&event.happened);
            expected.owed.extend(self.requests.take_past(request, is_reached, owed));
        } else {
            expected.owed.push(owed);
        }
        self.is_open = expected.limit != Limit::Events(expected.owed.len() as u64);
    }

    /// Whether it is about an event. Follows what that has it follow.
    fn takes(&mut self, event: &Kept, spans: &[Span]) -> bool {
        let Kept { router, happened, around, .. } = event;
        let is_open = self.is_open && self.asked.router == *router;
        let takes = is_open && self.asked.is_about(happened, self.is_followed(around));
        if takes {
            self.followed.extend(to_follow(&self.asked.follow, *router, spans, around));
        }
        takes
    }

    /// The request that an event is part of: its root's, or that of the nearest span of the followed name.
    fn request(&self, event: &Kept, spans: &[Span]) -> Option<RequestName> {
        let mut visible = event.around.iter().copied().filter(|span| spans[*span].visible[event.router]);
        let span = match &self.asked.follow {
            Follow::Named(name) => visible.find(|span| SPANS[spans[*span].site].name == name),
            _ => event.around.last().copied(),
        };
        span.map(|span| (event.layer, span))
    }

    pub(super) fn is_followed(&self, around: &[usize]) -> bool {
        around.iter().any(|span| self.followed.contains(span))
    }
}

/// The span that a session is to follow once an event with these spans around it belongs to it, innermost first.
fn to_follow(follow: &Follow, router: usize, spans: &[Span], around: &[usize]) -> Option<usize> {
    let mut visible = around.iter().copied().filter(|span| spans[*span].visible[router]);
    match follow {
        Follow::Event => None,
        Follow::Span => visible.next(),
        Follow::Root => around.last().copied(),
        Follow::Named(name) => visible.find(|span| SPANS[spans[*span].site].name == name),
        other => unreachable!("no history has {other:?}"),
    }
}
