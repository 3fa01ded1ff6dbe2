//! The arguments of `profile`.

use crate::error::Error;
use crate::remote::{Access, Client, CpuRequest, Endpoint, FleetAccess, SessionRequest};
use crate::watch::{Opening, follow, time};
use clap::value_parser;
use std::path::PathBuf;
use tracing_tap_profile::forms::Form;

/// Profile the matching requests: where their spans were busy
///
/// Opens a session that shows the times of the spans in which it matches, and no events, and adds them up: for each path
/// of spans from the root, how long threads were in it and in none of its children. Each span counts when it closes, also
/// the shortest. What is missing is reported, in the profile too. Ctrl-C ends the profile early and writes what there is.
///
/// The time is that of the clock: a thread that waits inside a span without leaving it is busy. An `async` function that
/// waits for something else leaves its spans meanwhile.
#[derive(Debug, clap::Args)]
#[command(allow_missing_positional = true)]
#[command(after_help = "Examples:
  tracing-tap profile http://localhost:8080/tap 'user = 42' --for 30s --output slow.svg
  tracing-tap profile http://localhost:8080/tap 'user = 42' --cpu --output functions.svg
  tracing-tap profile '@target = shop' --output shop.pb.gz && go tool pprof -top shop.pb.gz

Forms, by the end of the file's name:
  .folded  a line for each path, for flame graph tools; in microseconds
  .pb.gz   for `go tool pprof`
  .json    for https://profiler.firefox.com
  .svg     a flame graph, for browsers

Exit code 4: no span has closed in which the session matches.")]
pub(crate) struct Arguments {
    /// Address of the HTTP endpoint, or of a fleet. Default: see `--profile`
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Whose requests to profile, such as `user = 42`; `*` matches everything
    #[arg(value_name = "PREDICATE")]
    predicate: String,
    /// How long to profile: `90s`, `15m`, `1h30m`
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = time)]
    duration: String,
    /// Write to this file; it must not exist yet, and is created for its owner alone. Its name ends with `.folded`, `.pb.gz`,
    /// `.json` or `.svg`
    #[arg(long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Profile one in this many requests, each whole
    #[arg(long, value_name = "NUMBER", value_parser = value_parser!(u32).range(1..))]
    sample: Option<u32>,
    /// Which spans to include after a span has matched: `event`, `span`, `root`, or `named:` and the name of a span
    #[arg(long, value_name = "WHAT", value_parser = follow)]
    follow: Option<String>,
    /// Sample which functions use the processor inside the spans, where the service offers it: on Linux, by
    /// `Endpoint::cpu_profiles`. Not for a fleet
    #[arg(long)]
    pub(super) cpu: bool,
    /// With `--cpu`: samples a second of CPU time, 1 to 1000. Default: 99
    #[arg(long, value_name = "NUMBER", requires = "cpu", value_parser = value_parser!(u32).range(1..=1000))]
    rate_hz: Option<u32>,
    /// Print only warnings and errors on standard error
    #[arg(long, short)]
    pub(super) quiet: bool,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    fleet: FleetAccess,
}

/// A span that closes is read in a microsecond: the usual limit of events is for people.
const MAX_RATE: u64 = 1_000_000;
/// As many as an endpoint allows.
const MAX_CAPACITY: usize = 65_536;

impl Arguments {
    /// The form that the file's name asks for.
    pub(super) fn form(&self) -> Result<Form, Error> {
        Form::of(&self.output).ok_or_else(|| {
            let error = Error::usage(format!("choose a form for `{}`", self.output.display()));
            let endings: Vec<_> = Form::all().map(|form| format!("`{}`", form.ending())).collect();
            error.advise(format!("its name ends with one of {}", endings.join(", ")))
        })
    }

    /// The endpoint, and the CPU profile to ask it for.
    pub(super) fn cpu_profile(&self, form: Form) -> Result<(Endpoint, CpuRequest), Error> {
        crate::check::predicate(&self.predicate)?;
        let endpoint = Endpoint::new(Client::new(self.access.target(self.url.as_deref())?)?);
        let session = self.session();
        Ok((endpoint, CpuRequest { session, rate_hz: self.rate_hz, form: form.word() }))
    }

    /// What to open.
    pub(super) fn opening(&self) -> Result<Opening, Error> {
        crate::check::predicate(&self.predicate)?;
        let ask = SessionRequest {
            rate: Some(MAX_RATE),
            timings: true,
            events: Some(false),
            capacity: Some(MAX_CAPACITY),
            ..self.session()
        };
        Opening::of(&self.access, self.url.as_deref(), &self.fleet, ask)
    }

    fn session(&self) -> SessionRequest {
        SessionRequest {
            q: self.predicate.clone(),
            duration: Some(self.duration.clone()),
            sample: self.sample,
            follow: self.follow.clone(),
            name: Some("profile".to_owned()),
            ..SessionRequest::default()
        }
    }
}
