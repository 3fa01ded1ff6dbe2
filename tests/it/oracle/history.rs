//! Histories: what happens, in one total order, on several threads.
//!
//! A generated [`Step`] speaks in numbers of whatever is there, so that any part of a history is a history and
//! shrinking works; [`plan`](super::planner::plan) says what they are. Both runs, with the router and without, get the same plan.

use super::asked::Asked;
use super::callsites::{EventSite, SpanSite, event_sites, span_sites};
use super::evaluator::{Fields, Val};
use std::sync::LazyLock;
use tracing::Level;
use tracing::level_filters::LevelFilter;

pub(crate) static EVENTS: LazyLock<Vec<EventSite>> = LazyLock::new(event_sites);
pub(crate) static SPANS: LazyLock<Vec<SpanSite>> = LazyLock::new(span_sites);

pub(crate) const THREADS: usize = 3;

/// Two layers of one router in one subscriber, which deliver each event once each.
pub(crate) const TWICE: &[usize] = &[0, 0];

pub(crate) const LARGE_RING: usize = 1 << 20;
/// As small as one may be.
pub(crate) const SMALL_RING: usize = 4 << 10;

/// How the router stands beside the other layer, and what that wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// Called before the other layer, which has a filter.
    TapFirst,
    /// Called after it.
    TapLast,
    /// As before, and the other layer is whole in a `reload::Layer`.
    TapLastOfReloaded,
    /// The other layer wants everything.
    Unfiltered,
}

/// What the router and the layers beside it are made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) stack: Stack,
    pub(crate) span_level: Level,
    /// What the other layer wants to begin with, unless it wants everything.
    pub(crate) other: LevelFilter,
    /// Whether sessions may ask for spans that nobody else wants.
    pub(crate) asks_for_spans: bool,
    /// The target of which no session gets anything, if there is one.
    pub(crate) denied: Option<&'static str>,
    /// The field whose values nobody sees, if there is one.
    pub(crate) redacted: Option<&'static str>,
    /// The most verbose events that the routers keep, if they look back.
    pub(crate) look_back: Option<Level>,
    /// The size of a thread's ring, if they look back.
    pub(crate) ring_bytes: usize,
    /// For each subscriber the routers that have a layer in it, in order. The second is a thread's default at times.
    pub(crate) layers: &'static [&'static [usize]],
}

impl Setting {
    /// One router in one subscriber.
    pub(crate) fn plain(stack: Stack) -> Self {
        let (span_level, other) = (Level::INFO, LevelFilter::INFO);
        Self {
            stack,
            span_level,
            other,
            asks_for_spans: true,
            denied: None,
            redacted: None,
            look_back: None,
            ring_bytes: LARGE_RING,
            layers: &[&[0]],
        }
    }

    /// Whether it is mended wherever arguments that log disturb the bits of filters.
    ///
    /// A session in one subscriber has the others asked for its events as well, where nobody mends; and a filter inside
    /// a `reload::Layer` turns no callsite off, so that events are evaluated while no session is open.
    pub(crate) fn mends(&self) -> bool {
        let has_all = |routers: &&[usize]| (0..self.routers()).all(|router| routers.contains(&router));
        let is_even = self.layers.len() == 1 || self.layers.iter().all(has_all);
        is_even && self.stack != Stack::TapLastOfReloaded
    }

    /// Whether the other layer's filter turns off what it does not want.
    ///
    /// Inside a `reload::Layer` it does not: without us the levels alone keep verbose spans from being made, and a
    /// session widens those.
    pub(crate) fn turns_callsites_off(&self) -> bool {
        self.stack != Stack::TapLastOfReloaded
    }

    /// How many routers there are.
    pub(crate) fn routers(&self) -> usize {
        self.layers.iter().flat_map(|routers| *routers).max().map_or(0, |last| last + 1)
    }

    /// Whether this target is the denied one, or below it.
    pub(crate) fn denies(&self, target: &str) -> bool {
        self.denied.is_some_and(|denied| target == denied || target.starts_with(&format!("{denied}::")))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) setting: Setting,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Span { thread: usize, site: usize, parent: usize, values: Vec<Val> },
    Enter { thread: usize, span: usize },
    Exit { thread: usize, nth: usize },
    Record { thread: usize, span: usize, field: usize, value: Val },
    RecordCurrent { thread: usize, field: usize, value: Val },
    Capture { thread: usize },
    Follows { thread: usize, span: usize, of: usize },
    Close { thread: usize, span: usize },
    Event { thread: usize, site: usize, parent: usize, values: Vec<Val>, argument: Argument },
    Open { thread: usize, asked: Asked },
    Shut { session: usize, by: Closer },
    Drain { session: usize },
    Rebuild { thread: usize },
    Hint { thread: usize, level: Level },
    Reload { thread: usize, level: LevelFilter },
    Breathe,
    Respawn { thread: usize },
    Switch { thread: usize },
    Churn { thread: usize, spans: usize },
}

/// What an argument of an event does besides having a value.
#[derive(Clone, Debug)]
pub(crate) enum Argument {
    Plain,
    /// Evaluating it emits an event.
    Emits {
        site: usize,
        values: Vec<Val>,
    },
    /// Evaluating it makes a span, and drops it.
    Spans {
        site: usize,
    },
    /// Evaluating it asks whether an event is wanted.
    Hints {
        level: Level,
    },
    /// Formatting it emits an event.
    PrintsAndEmits {
        site: usize,
        values: Vec<Val>,
    },
    /// Evaluating it opens a session, and drops it.
    Opens,
    /// So does formatting it.
    PrintsAndOpens,
    /// Formatting it panics where a session has it formatted.
    Panics,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closer {
    Router,
    Drop,
}

/// A step whose numbers are resolved. Spans and sessions are numbered in the order they are opened.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Span {
        thread: usize,
        subscriber: usize,
        site: usize,
        parent: Option<usize>,
        fields: Fields,
    },
    Enter {
        thread: usize,
        span: usize,
    },
    Exit {
        thread: usize,
        nth: usize,
        span: usize,
    },
    Record {
        thread: usize,
        span: usize,
        field: &'static str,
        value: Val,
    },
    /// Records on whatever span is current.
    RecordCurrent {
        thread: usize,
        field: &'static str,
        value: Val,
    },
    /// Captures whatever span is current. It is numbered as one that is opened.
    Capture {
        thread: usize,
        subscriber: usize,
    },
    /// Says that a span follows from another one.
    Follows {
        thread: usize,
        span: usize,
        of: usize,
    },
    Close {
        thread: usize,
        span: usize,
    },
    Event(Emission),
    Open {
        thread: usize,
        asked: Asked,
    },
    Shut {
        session: usize,
        by: Closer,
    },
    Drain {
        session: usize,
    },
    Rebuild {
        thread: usize,
    },
    Hint {
        thread: usize,
        level: Level,
    },
    Reload {
        thread: usize,
        level: LevelFilter,
    },
    Breathe,
    Respawn {
        thread: usize,
    },
    /// Has the thread change the subscriber that is its default, to this one.
    Switch {
        thread: usize,
        to: usize,
    },
    /// Has the thread make spans and close them, one by one.
    Churn {
        thread: usize,
        spans: usize,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Emission {
    pub(crate) op: u64,
    pub(crate) thread: usize,
    pub(crate) subscriber: usize,
    pub(crate) site: usize,
    pub(crate) parent: Option<usize>,
    /// Those that the callsite declares, `op` first.
    pub(crate) fields: Fields,
    pub(crate) inner: Inner,
}

/// What happens while an event is evaluated or formatted.
#[derive(Clone, Debug)]
pub(crate) enum Inner {
    Nothing,
    Evaluating(Box<Logged>),
    Formatting(Box<Logged>),
    /// Formatting panics where it is for a session.
    Panicking,
}

#[derive(Clone, Debug)]
pub(crate) enum Logged {
    Event(Emission),
    Span {
        site: usize,
    },
    Hint(Level),
    /// A session is opened, and dropped.
    Session,
}

impl Emission {
    pub(crate) fn site(&self) -> &'static EventSite {
        &EVENTS[self.site]
    }
}

/// Whether arguments may log while they are printed.
///
/// Where a default is scoped, `tracing` lets nothing of it happen, and turns off callsites that it meets there first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prints {
    /// Nor while they are evaluated: they do nothing but have a value.
    Nothing,
    Silently,
    AndEmits,
}
