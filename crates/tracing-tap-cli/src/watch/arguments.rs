//! The arguments of `watch`.

use super::otlp::OtlpOptions;
use crate::error::Error;
use crate::remote::{Access, FleetAccess, SessionRequest};
use crate::terminal::Colour;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ValueEnum, value_parser};
use std::path::PathBuf;
use std::time::Duration;
use tracing_tap::render::{Format, FormatOptions};
use tracing_tap::{Follow, Predicate};

/// Watch matching events in a running service
///
/// Opens a session at the service's HTTP endpoint and prints its events as they arrive. Standard error first reports
/// what
/// can match and what hides events, and repeats this at the end if nothing matched; on a terminal it also has a status
/// line. If the connection drops, it reconnects and resumes where it left off; missing events are reported where they
/// are
/// missing. If the service ends, it waits for its return and opens a new session.
///
/// At `nats://host/service` it opens the session on all instances of a service, and prints the instance of each event. At
/// `nats://host/edge,orders` it is on several services, and a request is followed from one into the next.
///
/// Ctrl-C closes the session, prints what is left and exits; a second Ctrl-C exits at once.
#[derive(Debug, clap::Args)]
#[command(allow_missing_positional = true)]
#[command(after_help = "Examples:
  tracing-tap watch http://localhost:8080/tap 'user = 42'
  export TRACING_TAP_URL=http://localhost:8080/tap
  tracing-tap watch '@level = error' --follow named:request --max 1000
  tracing-tap watch 'job = \"nightly\"' --for 10m --expect
  tracing-tap watch --profile prod 'user = 42' --for 1h --output ticket-7.json
  tracing-tap watch nats://localhost/chat 'user = 42' --key-file fleet.key
  tracing-tap watch 'user = 42' --otlp http://localhost:4318/v1/logs --otlp-resource service.name=chat")]
pub(crate) struct Arguments {
    /// Address of the HTTP endpoint, `http://host:port/path` or `https://…`, or of a fleet, `nats://host:port/service`
    /// or `tls://…`. Default: see `--profile`
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    /// What to watch, such as `user = 42`; `*` matches everything
    #[arg(value_name = "PREDICATE")]
    predicate: String,
    /// Only events of this level or more severe, including followed events
    #[arg(long, help_heading = "Session")]
    level: Option<Level>,
    /// When the session ends: `90s`, `15m`, `1h30m`; at most 24 hours. Default: 15 minutes
    #[arg(long = "for", value_name = "TIME", help_heading = "Session", value_parser = time)]
    duration: Option<String>,
    /// Exit after this many events
    #[arg(long, value_name = "EVENTS", help_heading = "Session", value_parser = value_parser!(u64).range(1..))]
    max: Option<u64>,
    /// Maximum events a second. Default: 5000
    #[arg(long, value_name = "EVENTS", help_heading = "Session", value_parser = value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Show one in this many requests, each whole
    #[arg(long, value_name = "NUMBER", help_heading = "Session", value_parser = value_parser!(u32).range(1..))]
    sample: Option<u32>,
    /// What belongs to the session after an event has matched: `event`, `span`, `root`, or `named:` and the name of a
    /// span
    #[arg(long, value_name = "WHAT", help_heading = "Session", value_parser = follow)]
    follow: Option<String>,
    /// Show a request only if one of its events matches this, such as `status >= 500`: then all of it, from its first
    /// event on
    #[arg(long, value_name = "PREDICATE", help_heading = "Session")]
    only_if: Option<String>,
    /// Show a request only if it takes at least this long, such as `2s`; with `--only-if`, either suffices
    #[arg(long, value_name = "TIME", help_heading = "Session", value_parser = any_time)]
    slower_than: Option<String>,
    /// Enable spans up to this level that nobody else wants; this changes the service's own spans while the session is
    /// open
    #[arg(long, value_name = "LEVEL", help_heading = "Session")]
    spans: Option<Level>,
    /// Also show the times of the spans in which the session matches, each when it closes: how long it was busy and idle,
    /// and how often it was entered
    #[arg(long, help_heading = "Session")]
    timings: bool,
    /// Begin with the matching events of this time before the session, such as `30s`; the service must have been built to
    /// keep them
    #[arg(long, value_name = "TIME", help_heading = "Session", value_parser = past)]
    look_back: Option<String>,
    /// A name for the session
    #[arg(long, help_heading = "Session", value_parser = name)]
    name: Option<String>,
    /// How many events may wait at the service to be read. Default: 4096
    #[arg(long, value_name = "EVENTS", help_heading = "Session", value_parser = value_parser!(u32).range(1..=65_536))]
    capacity: Option<u32>,
    /// The format of the events. Default: `compact` on a terminal, otherwise `json`
    #[arg(long, help_heading = "Output", value_parser = format_parser())]
    pub(crate) format: Option<Format>,
    #[command(flatten)]
    pub(crate) json: JsonLines,
    /// Write to this file, in whole lines; it must not exist yet, and is created for its owner alone
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,
    /// Append to the file, after its last whole line
    #[arg(long, requires = "output", help_heading = "Output")]
    pub(crate) append: bool,
    /// When to use colours; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub(crate) color: Colour,
    /// Print only warnings and errors on standard error
    #[arg(long, short, help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Exit with code 4 if nothing matched
    #[arg(long)]
    pub(crate) expect: bool,
    /// How long to try to reconnect; `0s`: never
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = patience)]
    pub(crate) reconnect_for: Duration,
    #[command(flatten)]
    pub(crate) otlp: OtlpOptions,
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(flatten)]
    pub(crate) fleet: FleetAccess,
}

/// How JSON lines are written.
#[derive(Debug, clap::Args)]
pub(crate) struct JsonLines {
    /// Maximum length of a JSON line: the longest values are cut and marked. `16384` keeps container runtimes from
    /// splitting lines
    #[arg(long, value_name = "BYTES", help_heading = "Output", value_parser = value_parser!(u32).range(4096..))]
    max_line_bytes: Option<u32>,
    /// Write integers past 2^53 as strings in JSON lines, because `jq` 1.6 and JavaScript round them
    #[arg(long, help_heading = "Output")]
    large_integers_as_strings: bool,
}

impl JsonLines {
    /// The options of the format.
    pub(crate) fn options(&self) -> FormatOptions {
        let options = FormatOptions::new(Format::Json);
        let max_line_bytes = self.max_line_bytes.and_then(|bytes| bytes.try_into().ok());
        let options = max_line_bytes.into_iter().fold(options, FormatOptions::max_line_bytes);
        if self.large_integers_as_strings { options.large_integers_as_strings() } else { options }
    }
}

/// The library's formats, by the library's names.
pub(crate) fn format_parser() -> impl TypedValueParser<Value = Format> {
    let formats = [
        ("human", "The message, then everything else as YAML"),
        ("json", "A line of JSON for each event, for programs"),
        ("compact", "A line for each event, for terminals"),
        ("github", "Workflow commands of GitHub Actions"),
    ];
    let values = formats.map(|(name, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(values).try_map(|name| name.parse::<Format>())
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |level| level.get_name().to_owned())
    }
}

impl Arguments {
    /// The session to open.
    ///
    /// # Errors
    /// If the predicate cannot be read.
    pub(crate) fn ask(&self) -> Result<SessionRequest, Error> {
        if self.url.is_none() && self.predicate.contains("://") && self.predicate.parse::<Predicate>().is_err() {
            let advice = "write `tracing-tap watch URL PREDICATE`, such as `'user = 42'`; `'*'` is everything";
            return Err(Error::usage("watch: there is a URL and no predicate").advise(advice));
        }
        if self.url.as_ref().is_some_and(|url| !url.contains("://")) && self.predicate.contains("://") {
            let advice = "write `tracing-tap watch URL PREDICATE`";
            return Err(Error::usage("watch: the URL comes before the predicate").advise(advice));
        }
        crate::check::predicate(&self.predicate)?;
        if let Some(outcome) = &self.only_if {
            crate::check::predicate(outcome)?;
        }
        Ok(SessionRequest {
            q: self.predicate.clone(),
            level: self.level.map(Level::name),
            duration: self.duration.clone(),
            max: self.max,
            rate: self.rate,
            sample: self.sample,
            follow: self.follow.clone(),
            spans: self.spans.map(Level::name),
            timings: self.timings,
            events: None,
            look_back: self.look_back.clone(),
            name: self.name.clone(),
            capacity: self.capacity.and_then(|capacity| capacity.try_into().ok()),
            only_if: self.only_if.clone(),
            slower_than: self.slower_than.clone(),
        })
    }
}

/// A time, which is sent as it was written: the endpoint reads it the same way.
pub(crate) fn time(text: &str) -> Result<String, String> {
    match patience(text)? {
        Duration::ZERO => Err("a session of zero duration shows nothing".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// The same of how far to look back.
fn past(text: &str) -> Result<String, String> {
    match patience(text)? {
        Duration::ZERO => Err("no time is looked back on".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// A time that may be zero, sent as it was written.
fn any_time(text: &str) -> Result<String, String> {
    patience(text).map(|_| text.to_owned())
}

/// Reads a duration.
pub(crate) fn patience(text: &str) -> Result<Duration, String> {
    let read: Option<jiff::SignedDuration> = text.parse().ok();
    read.and_then(|time| Duration::try_from(time).ok()).ok_or_else(|| no_time(text))
}

fn no_time(text: &str) -> String {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        format!("it has no unit: did you mean `{text}s`?")
    } else {
        "write `90s`, `15m` or `1h30m`".to_owned()
    }
}

pub(crate) fn follow(text: &str) -> Result<String, String> {
    let read: Result<Follow, _> = text.parse();
    read.map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn name(text: &str) -> Result<String, String> {
    if (1..=256).contains(&text.len()) { Ok(text.to_owned()) } else { Err("a name has 1 to 256 bytes".to_owned()) }
}
