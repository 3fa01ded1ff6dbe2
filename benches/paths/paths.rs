//! The paths: what a producer does with no session open, with sessions about others, and with one about it.

use crate::across::{asked, asked_idle};
use crate::busy::{
    drained, drained_without_pause, follows_elsewhere, paced_for_a_looking_reader, paced_for_a_waiting_reader,
    records_elsewhere,
};
use crate::fresh::{chain, in_turn, inside, nested, request};
use crate::operations::{
    disabled_event, enter_event_exit, enter_exit, enter_exit_of_42, four_fields, four_fields_two_spans, line, lost,
    lost_and_printed, not_matching, own_field, printed_event, span_of_42, span_with_fields, span_without_fields,
    trace_span,
};
use crate::service::{
    bare, elsewhere, everything_beyond_a_rate, followed, idle, json, limited, matching, of_another_field, other_trace,
    other_trace_with, sampled_in, silent,
};
use crate::sessions::{open_all, rebuild, watch, watch_and_close};
use crate::table::{Path, path};
use tracing::level_filters::LevelFilter;
use tracing_tap::{Format, SessionOptions, TapRouter};

const WITHOUT: &str = "the same without the router";
const IDLE: &str = "the same with no session";
const JSON: &str = "fmt().json() writing the event to nowhere";
const LINE: &str = "the JSON line";
const SAME: &str = "the same without limits";
const UNTESTED: &str = "the same with a session on another field";
const UNTRACED: &str = "a session on another user";
const UNTIMED: &str = "the same without timings";
const REBUILD: &str = "a bare rebuild of the interest cache";

pub(crate) const PATHS: &[Path] = &[
    path("idle: disabled event", || idle(disabled_event), || bare(disabled_event), WITHOUT),
    path("idle: enter and exit", || idle(enter_exit), || bare(enter_exit), WITHOUT),
    path("idle: event another layer prints", || idle(printed_event), || bare(printed_event), WITHOUT),
    path("idle: span without fields, whole life", || idle(span_without_fields), || bare(span_without_fields), WITHOUT),
    path("idle: span with 2 fields, whole life", || idle(span_with_fields), || bare(span_with_fields), WITHOUT),
    path("idle: INFO span nobody else wants", unwanted_span, || silent(None, span_with_fields), WITHOUT),
    path("open: not matching", || elsewhere(1, not_matching), || bare(not_matching), WITHOUT),
    path("open: not matching, 1,000 sessions", || elsewhere(1_000, not_matching), || bare(not_matching), WITHOUT),
    path("open: not matching, 100,000 sessions", || elsewhere(100_000, not_matching), || bare(not_matching), WITHOUT),
    path("open: not matching, with limits", || limited(rate_and_sampling, not_matching), without_limits, SAME),
    path("traces tested: not matching", || other_trace(not_matching), || elsewhere(1, not_matching), UNTRACED),
    path(
        "traces tested: enter, event, exit",
        || other_trace(enter_event_exit),
        || elsewhere(1, enter_event_exit),
        UNTRACED,
    ),
    path("traces tested: request", || other_trace(request::<7>), || elsewhere(1, request::<7>), UNTRACED),
    path("open: enter, event, exit", || elsewhere(1, enter_event_exit), || bare(enter_event_exit), WITHOUT),
    path("open: enter and exit", || elsewhere(1, enter_exit), || bare(enter_exit), WITHOUT),
    path("open: event another layer prints", || elsewhere(1, printed_event), || bare(printed_event), WITHOUT),
    path("lost context: in scope", || elsewhere(1, not_matching), || of_another_field(not_matching), UNTESTED),
    path(
        "lost context: in scope, printed",
        || elsewhere(1, printed_event),
        || of_another_field(printed_event),
        UNTESTED,
    ),
    path("lost context: lost", || elsewhere(1, lost), || of_another_field(lost), UNTESTED),
    path(
        "lost context: lost, printed",
        || elsewhere(1, lost_and_printed),
        || of_another_field(lost_and_printed),
        UNTESTED,
    ),
    path("open: TRACE span nobody wants", || elsewhere(1, trace_span), || bare(trace_span), WITHOUT),
    path("open, with spans: TRACE span of others", || limited(spans, trace_span), || bare(trace_span), WITHOUT),
    path("open: own field, 100,000 sessions", || elsewhere(100_000, own_field), four_fields_as_json, JSON),
    path(
        "open: tested span, 100,000 sessions",
        || elsewhere(100_000, span_with_fields),
        || idle(span_with_fields),
        IDLE,
    ),
    path("request: idle", || idle(request::<7>), || bare(request::<7>), WITHOUT),
    path("request: not matching", || elsewhere(1, request::<7>), || idle(request::<7>), IDLE),
    path("request: matching by its root's field", || matching(1, request::<42>), || idle(request::<42>), IDLE),
    path("request: everything, beyond a rate", || everything_beyond_a_rate(request::<7>), || idle(request::<7>), IDLE),
    path("one of 16 requests in turn: not matching", || elsewhere(1, in_turn::<16>), || idle(in_turn::<16>), IDLE),
    path("one of 1,000 in turn: not matching", || elsewhere(1, in_turn::<1_000>), || idle(in_turn::<1_000>), IDLE),
    path("fresh span inside 1, an event in it", || elsewhere(1, inside::<1>), || idle(inside::<1>), IDLE),
    path("fresh span inside 10, an event in it", || elsewhere(1, inside::<10>), || idle(inside::<10>), IDLE),
    path("fresh span inside 100, an event in it", || elsewhere(1, inside::<100>), || idle(inside::<100>), IDLE),
    path("fresh span inside 1,000, an event in it", || elsewhere(1, inside::<1_000>), || idle(inside::<1_000>), IDLE),
    path("first event in a chain of 1", || elsewhere(1, chain::<1>), || idle(chain::<1>), IDLE),
    path("first event in a chain of 10", || elsewhere(1, chain::<10>), || idle(chain::<10>), IDLE),
    path("first event in a chain of 100", || elsewhere(1, chain::<100>), || idle(chain::<100>), IDLE),
    path("first event in a chain of 1,000", || elsewhere(1, chain::<1_000>), || idle(chain::<1_000>), IDLE),
    path("5 nested fresh spans, an event in each", || elsewhere(1, nested::<5>), || idle(nested::<5>), IDLE),
    path("20 nested fresh spans, an event in each", || elsewhere(1, nested::<20>), || idle(nested::<20>), IDLE),
    path("open: 1,000,000 records/s elsewhere", records_elsewhere, || elsewhere(1, not_matching), "no records"),
    path("open: 1,000 follow hits/s elsewhere", follows_elsewhere, || elsewhere(1, not_matching), "no hits"),
    path("matching: 4 fields, 2 spans", || matching(1, four_fields_two_spans), four_fields_as_json, JSON),
    path("matching, while another core drains", drained, four_fields_as_json, JSON),
    path("matching, a reader without a pause", drained_without_pause, four_fields_as_json, JSON),
    path(
        "matching 8 sessions",
        || matching(8, four_fields_two_spans),
        || matching(1, four_fields_two_spans),
        "one session",
    ),
    path("matching, a rate", || limited(rate, four_fields_two_spans), matching_without_limits, SAME),
    path("matching, sampled in", || sampled_in(four_fields), matching_without_limits, SAME),
    path("next service: asked, not watched", || asked(7), asked_idle, IDLE),
    path("next service: asked, watched", || asked(42), asked_idle, IDLE),
    path("matching, followed", || followed(four_fields), matching_without_limits, SAME),
    path("matching, rate-limited", || limited(rate_of_none, four_fields_two_spans), matching_without_limits, SAME),
    path("timed: enter and exit", || limited(timings, enter_exit_of_42), || matching(1, enter_exit_of_42), UNTIMED),
    path("timed: span with 2 fields, whole life", || limited(timings, span_of_42), || matching(1, span_of_42), UNTIMED),
    path("timed elsewhere: enter and exit", || limited(timings, enter_exit), || elsewhere(1, enter_exit), UNTIMED),
    path("timed elsewhere: request", || limited(timings, request::<7>), || elsewhere(1, request::<7>), UNTIMED),
    path(
        "timed elsewhere, traces tested: enter, event, exit",
        || other_trace_with(timings, enter_event_exit),
        || other_trace(enter_event_exit),
        UNTIMED,
    ),
    path(
        "matching 100,000/s, an async reader waits",
        paced_for_a_waiting_reader,
        paced_for_a_looking_reader,
        "a reader that looks now and then",
    ),
    path("a captured event as a JSON line", || line(Format::Json), four_fields_as_json, JSON),
    path("a captured event in the human form", || line(Format::Human), || line(Format::Json), LINE),
    path("a captured event in the compact form", || line(Format::Compact), || line(Format::Json), LINE),
    path("watch, 5,000 callsites", || watch(5_000, 0), || rebuild(5_000), REBUILD),
    path("one more session of 100,000", || watch(5_000, 100_000), || rebuild(5_000), REBUILD),
    path("one more of 100,000, open and close", || watch_and_close(5_000, 100_000), || 50_000.0, "the bound: 50 µs"),
    path("100,000 sessions, all opened", || open_all(100_000), || 2e9, "the bound: 2 s"),
];

fn spans(session: SessionOptions) -> SessionOptions {
    session.spans(LevelFilter::TRACE)
}

fn timings(session: SessionOptions) -> SessionOptions {
    session.timings()
}

fn rate(session: SessionOptions) -> SessionOptions {
    session.max_rate(1_000_000_000)
}

fn rate_of_none(session: SessionOptions) -> SessionOptions {
    session.max_rate(0)
}

fn rate_and_sampling(session: SessionOptions) -> SessionOptions {
    rate(session).sample(2)
}

fn without_limits() -> f64 {
    elsewhere(1, not_matching)
}

fn matching_without_limits() -> f64 {
    matching(1, four_fields_two_spans)
}

fn four_fields_as_json() -> f64 {
    json(four_fields_two_spans)
}

fn unwanted_span() -> f64 {
    silent(Some(&TapRouter::new()), span_with_fields)
}
