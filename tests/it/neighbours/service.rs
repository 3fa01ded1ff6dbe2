//! What the service does: everything in which a verbose span that comes and goes with a session could be noticed.

use opentelemetry::trace::TraceContextExt;
use std::sync::LazyLock;
use testing::Output;
use tracing::Span;
use tracing::field::Empty;
use tracing_error::SpanTrace;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Runs the service once and returns, step by step, what it noticed itself and what was printed until the step's end.
pub(crate) fn run(output: &Output) -> Vec<String> {
    let mut steps = Steps { output, printed: output.lines().len(), steps: Vec::new() };
    for user in [42, 43] {
        request(user, &mut steps);
    }
    steps.steps
}

struct Steps<'a> {
    output: &'a Output,
    printed: usize,
    steps: Vec<String>,
}

impl Steps<'_> {
    fn step(&mut self, name: &str, step: impl FnOnce() -> String) {
        let noticed = step();
        let lines = self.output.lines();
        let printed: Vec<_> = lines[self.printed..].iter().map(|line| without_times(line)).collect();
        self.printed = lines.len();
        self.steps.push(format!("{name}: {noticed}\n{}", printed.join("\n")));
    }
}

fn request(user: u64, steps: &mut Steps<'_>) {
    let request = tracing::info_span!("request", user, user_id = Empty);
    let entered = request.clone().entered();
    steps.step("an instrumented function", || auth(user + 1000));
    steps.step("after it", || said("authorised"));
    let detail = tracing::debug_span!("detail", detail_id = 1);
    steps.step("inside a verbose span", || detail.in_scope(|| said("in the detail")));
    steps.step("a child of the current span inside a verbose span", || {
        detail.in_scope(|| tracing::info_span!("handler").in_scope(|| said("in the handler")))
    });
    steps.step("a captured current span", || {
        let captured = detail.in_scope(Span::current);
        captured.in_scope(|| said("in the captured span"))
    });
    // Used when the span that was current at its making is not any more, as a deferred error report is.
    let trace = detail.in_scope(SpanTrace::capture);
    drop(entered);
    steps.step("a child of a verbose span, by name", || {
        let child = tracing::info_span!(parent: &detail, "child", n = 2);
        child.follows_from(&detail);
        child.in_scope(|| said("in the child"))
    });
    steps.step("an event of a verbose span, by name", || {
        tracing::info!(parent: &detail, "of the detail");
        names_of(&trace)
    });
    steps.step("the verbose span closes", || {
        drop(detail);
        String::new()
    });
    steps.step("the request closes", || {
        drop((request, trace));
        String::new()
    });
}

#[tracing::instrument(level = "debug")]
fn auth(id: u64) -> String {
    Span::current().record("user_id", id);
    tracing::debug!("checking");
    said("authenticated")
}

/// Logs, and tells what the code around it can find out of where it is.
fn said(message: &str) -> String {
    tracing::info!("{message}");
    tracing::trace!("after {message}");
    let current = Span::current();
    let context = current.context();
    let is_valid = context.span().span_context().is_valid();
    let is_active = opentelemetry::Context::current().span().span_context() == context.span().span_context();
    let name = current.metadata().map(|metadata| metadata.name());
    format!("in {name:?}, {}, trace context {is_valid}, active {is_active}", names_of(&SpanTrace::capture()))
}

fn names_of(trace: &SpanTrace) -> String {
    let mut names = Vec::new();
    trace.with_spans(|metadata, _| {
        names.push(metadata.name());
        true
    });
    format!("span trace [{}]", names.join(" "))
}

/// A line without the times that are in it.
fn without_times(line: &str) -> String {
    static TIMES: LazyLock<regex::Regex> =
        LazyLock::new(|| regex::Regex::new(r"\b\d+(ns|us|μs|ms|s|m|h)\b").expect("it is a regular expression"));
    TIMES.replace_all(line, "").into_owned()
}
