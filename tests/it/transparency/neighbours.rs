//! The layers that a router stands beside, in every form that layers and filters are put together.

use super::recorder::Log;
use super::stage::Reload;
use super::witness::Witness;
use std::cell::RefCell;
use std::sync::Arc;
use testing::Output;
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Level, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, Targets, dynamic_filter_fn, filter_fn};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, fmt, reload};
use tracing_tap::TapRouter;

/// Which layers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Neighbours {
    /// One that wants everything.
    Unfiltered,
    /// Two with filters of their own.
    Filtered,
    /// Two with an `EnvFilter` each, one of them by spans and their fields.
    ByEnvironment,
    /// One by a filter that is reloaded, and one that is not.
    ReloadedFilter,
    /// One that is whole in a `reload::Layer`, filter and all.
    ReloadedLayer,
    /// In an `Option`, a `Box` and a `Vec`.
    Wrapped,
    /// Beside a layer that is not there.
    BesideNone,
    /// Two joined by `and_then`, under one filter.
    Joined,
    /// Under filters that are made of others, or of functions.
    Combined,
    /// Behind a filter for all.
    Global,
    /// As services have it: `fmt` for people and as JSON.
    Formatted,
}

pub(crate) const ALL: [Neighbours; 11] = [
    Neighbours::Unfiltered,
    Neighbours::Filtered,
    Neighbours::ByEnvironment,
    Neighbours::ReloadedFilter,
    Neighbours::ReloadedLayer,
    Neighbours::Wrapped,
    Neighbours::BesideNone,
    Neighbours::Joined,
    Neighbours::Combined,
    Neighbours::Global,
    Neighbours::Formatted,
];

/// Where the routers' layers are among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouterPlace {
    First,
    Last,
}

impl Neighbours {
    /// Whether there is one filter at most, which nothing that arguments log can take by surprise.
    pub(crate) fn are_simple(self) -> bool {
        matches!(self, Self::Unfiltered | Self::Joined)
    }

    /// Whether what no filter wants is turned off.
    ///
    /// A layer that is not there, and one that is whole in a `reload::Layer`, let `tracing` make every span: without us
    /// the levels alone keep verbose ones from being made, and a session widens those.
    pub(crate) fn turn_callsites_off(self) -> bool {
        !matches!(self, Self::BesideNone | Self::ReloadedLayer)
    }
}

/// A subscriber of layers, and of those of the routers at their place.
macro_rules! stacked {
    ($routers:expr, $place:expr, $($layer:expr),+) => {
        match ($routers, $place) {
            ([], _) => Registry::default()$(.with($layer))+.into(),
            ([one], RouterPlace::First) => Registry::default().with(one.layer())$(.with($layer))+.into(),
            ([one], RouterPlace::Last) => Registry::default()$(.with($layer))+.with(one.layer()).into(),
            ([one, other, ..], RouterPlace::First) => {
                Registry::default().with(one.layer()).with(other.layer())$(.with($layer))+.into()
            }
            ([one, other, ..], RouterPlace::Last) => {
                Registry::default()$(.with($layer))+.with(one.layer()).with(other.layer()).into()
            }
        }
    };
}

/// Builds a subscriber; what its witnesses get goes to the log, what `fmt` prints to the output.
pub(crate) fn subscriber(
    neighbours: Neighbours,
    place: RouterPlace,
    routers: &[TapRouter],
    log: &Log,
    output: &Output,
) -> (Dispatch, Reload) {
    let reloads: RefCell<Vec<Reload>> = RefCell::default();
    let witness = |name| Witness { name, log: Arc::clone(log) };
    let environment = |directives: &str| EnvFilter::new(directives);
    let dispatch = match neighbours {
        Neighbours::Unfiltered => stacked!(routers, place, witness("it")),
        Neighbours::Filtered => stacked!(
            routers,
            place,
            witness("one").with_filter(LevelFilter::INFO),
            witness("other").with_filter("app::db=trace,app=warn".parse::<Targets>().expect("it is well formed"))
        ),
        Neighbours::ByEnvironment => stacked!(
            routers,
            place,
            witness("one").with_filter(environment("info,app::db=debug,[conn{user=42}]=trace")),
            witness("other").with_filter(environment("warn,app=info"))
        ),
        Neighbours::ReloadedFilter => stacked!(
            routers,
            place,
            {
                let (filter, handle) = reload::Layer::new(LevelFilter::INFO);
                reloads.borrow_mut().push(Box::new(move |level| handle.reload(level).unwrap()));
                witness("one").with_filter(filter)
            },
            witness("other").with_filter(LevelFilter::WARN)
        ),
        Neighbours::ReloadedLayer => stacked!(routers, place, {
            let (layer, handle) = reload::Layer::new(witness("it").with_filter(LevelFilter::INFO));
            let reload = move |level| handle.modify(|layer| *layer.filter_mut() = level).unwrap();
            reloads.borrow_mut().push(Box::new(reload));
            layer
        }),
        Neighbours::Wrapped => stacked!(
            routers,
            place,
            Some(witness("one").with_filter(LevelFilter::INFO)),
            witness("other").with_filter(LevelFilter::DEBUG).boxed(),
            vec![witness("third").with_filter(LevelFilter::WARN), witness("fourth").with_filter(LevelFilter::ERROR)]
        ),
        Neighbours::BesideNone => {
            stacked!(routers, place, None::<Witness>, witness("it").with_filter(LevelFilter::INFO))
        }
        Neighbours::Joined => {
            stacked!(routers, place, witness("one").and_then(witness("other")).with_filter(LevelFilter::INFO))
        }
        Neighbours::Combined => stacked!(
            routers,
            place,
            witness("one").with_filter(LevelFilter::INFO.or(filter_fn(|metadata| metadata.target() == "apple"))),
            witness("other").with_filter(dynamic_filter_fn(|metadata, context| {
                *metadata.level() <= Level::INFO || context.lookup_current().is_some_and(|span| span.name() == "conn")
            }))
        ),
        Neighbours::Global => stacked!(routers, place, environment("info,app::db=debug"), witness("it")),
        Neighbours::Formatted => stacked!(
            routers,
            place,
            printed(output).with_filter(environment("info,app::db=debug")),
            printed(output).json().with_filter(LevelFilter::WARN)
        ),
    };
    let reloads = reloads.into_inner();
    (dispatch, Box::new(move |level| reloads.iter().for_each(|reload| reload(level))))
}

fn printed<S>(
    output: &Output,
) -> fmt::Layer<S, fmt::format::DefaultFields, fmt::format::Format<fmt::format::Full, ()>, Output>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    let spans = fmt::format::FmtSpan::NEW | fmt::format::FmtSpan::ACTIVE;
    fmt::layer().with_writer(output.clone()).with_ansi(false).without_time().with_span_events(spans)
}
