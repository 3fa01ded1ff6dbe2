//! A family of callsites to pick from, since callsites are static: every combination of level, target or name,
//! fields, and where the parent comes from.

use super::evaluator::Val;
use tracing::field::Value;
use tracing::{Level, Span, event, span};

/// What a callsite takes the value of a field for.
pub(crate) type Boxed = Option<Box<dyn Value>>;

/// Where an event or a span takes its parent from; part of the callsite's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    Context,
    Explicit,
    None,
}

/// One callsite of events. `emit` asks for the argument `op` first, and then for the others.
pub(crate) struct EventSite {
    pub(crate) level: Level,
    pub(crate) target: &'static str,
    pub(crate) fields: &'static [&'static str],
    pub(crate) parent: Parent,
    pub(crate) emit: fn(&dyn Arguments, &Span),
}

/// One callsite of spans. Those that declare fields declare `sid` first.
pub(crate) struct SpanSite {
    pub(crate) level: Level,
    pub(crate) name: &'static str,
    pub(crate) target: &'static str,
    pub(crate) fields: &'static [&'static str],
    pub(crate) parent: Parent,
    pub(crate) open: fn(&dyn Arguments, &Span) -> Span,
}

/// What a callsite's field expressions evaluate to; evaluating them may log.
pub(crate) trait Arguments {
    fn op(&self) -> u64;
    fn value(&self, field: &str) -> Boxed;
}

pub(crate) const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
pub(crate) const TARGETS: [&str; 3] = ["app", "app::db", "apple"];

/// Every event callsite of the family.
pub(crate) fn event_sites() -> Vec<EventSite> {
    let mut sites = Vec::new();
    macro_rules! site {
        ($level:ident, $target:literal, [$($field:ident)*]) => {{
            let (level, target, fields) = (Level::$level, $target, &["op", $(stringify!($field)),*] as &[_]);
            let mut add = |parent, emit| sites.push(EventSite { level, target, fields, parent, emit });
            add(Parent::Context, |with, _| {
                event!(target: $target, Level::$level, op = with.op() $(, $field = with.value(stringify!($field)))*)
            });
            add(Parent::Explicit, |with, span| {
                event!(
                    target: $target, parent: span, Level::$level,
                    op = with.op() $(, $field = with.value(stringify!($field)))*
                )
            });
            add(Parent::None, |with, _| {
                event!(
                    target: $target, parent: None, Level::$level,
                    op = with.op() $(, $field = with.value(stringify!($field)))*
                )
            });
        }};
    }
    macro_rules! sites_of {
        ($($level:ident)*) => { $(
            sites_at!($level, "app");
            sites_at!($level, "app::db");
            sites_at!($level, "apple");
        )* };
    }
    macro_rules! sites_at {
        ($level:ident, $target:literal) => {
            site!($level, $target, []);
            site!($level, $target, [user]);
            site!($level, $target, [n]);
            site!($level, $target, [user n message]);
            site!($level, $target, [tenant path r#type]);
        };
    }
    sites_of!(ERROR WARN INFO DEBUG TRACE);
    sites
}

/// Every span callsite of the family.
pub(crate) fn span_sites() -> Vec<SpanSite> {
    let mut sites = Vec::new();
    macro_rules! site {
        ($level:ident, $name:literal, $target:literal, [$($field:ident)*]) => {{
            let (level, name, target) = (Level::$level, $name, $target);
            let fields = &[$(stringify!($field)),*] as &[_];
            let mut add = |parent, open| sites.push(SpanSite { level, name, target, fields, parent, open });
            add(Parent::Context, |_with, _| {
                span!(target: $target, Level::$level, $name, $($field = _with.value(stringify!($field))),*)
            });
            add(Parent::Explicit, |_with, span| {
                span!(target: $target, parent: span, Level::$level, $name, $($field = _with.value(stringify!($field))),*)
            });
            add(Parent::None, |_with, _| {
                span!(target: $target, parent: None, Level::$level, $name, $($field = _with.value(stringify!($field))),*)
            });
        }};
    }
    macro_rules! sites_of {
        ($($level:ident)*) => { $(
            sites_at!($level, "conn", "app");
            sites_at!($level, "req", "app::db");
        )* };
    }
    macro_rules! sites_at {
        ($level:ident, $name:literal, $target:literal) => {
            site!($level, $name, $target, []);
            site!($level, $name, $target, [sid user]);
            site!($level, $name, $target, [sid user n tenant]);
            site!($level, $name, $target, [sid tenant path r#type]);
        };
    }
    sites_of!(ERROR WARN INFO DEBUG TRACE);
    sites
}

impl Val {
    /// The value as a callsite passes it.
    pub(crate) fn boxed(&self) -> Boxed {
        Some(match self.clone() {
            Self::I64(value) => Box::new(value),
            Self::U64(value) => Box::new(value),
            Self::I128(value) => Box::new(value),
            Self::U128(value) => Box::new(value),
            Self::F64(value) => Box::new(value),
            Self::Bool(value) => Box::new(value),
            Self::Str(text) => Box::new(text),
            Self::Display(text) => Box::new(tracing::field::display(text)),
            Self::Debug(text) => Box::new(tracing::field::debug(text)),
            Self::Error(text) => Box::new(Box::<dyn std::error::Error>::from(text)),
            Self::Bytes(bytes) => Box::new(bytes.into_boxed_slice()),
            Self::Absent | Self::Redacted => return None,
        })
    }
}
