//! Sends what is watched to an OTLP endpoint, as log records.

use super::instances::{OfInstance, instance_of};
use super::update::Update;
use crate::error::Error;
use crate::remote::warn_if_others_can_read;
use crate::shown;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing_tap::{Format, Item};
use tracing_tap_nats::FleetItem;
use tracing_tap_otel::otlp::{Collector, Exporter, Record};

/// The options of an OTLP endpoint
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "OpenTelemetry")]
pub(crate) struct OtlpOptions {
    /// Also send the events as log records to this OTLP endpoint, `http://host:4318/v1/logs` or `https://…`
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
    /// A header for the OTLP endpoint; `NAME=@FILE` reads the value from a file, since every user of this machine can see
    /// arguments
    #[arg(long, value_name = "NAME=VALUE", requires = "otlp")]
    otlp_header: Vec<String>,
    /// A resource attribute, such as `service.name=chat`. Default: the fleet's service
    #[arg(long, value_name = "KEY=VALUE", requires = "otlp")]
    otlp_resource: Vec<String>,
    /// Trust only the certificates in this file (PEM) for the OTLP endpoint. Default: the system's
    #[arg(long, value_name = "FILE", requires = "otlp")]
    otlp_ca_file: Option<PathBuf>,
}

/// How long a batch is sent again.
const RETRY_FOR: Duration = Duration::from_secs(60);

impl OtlpOptions {
    /// The endpoint, if one is given. `service` is the service's name, if it is known.
    ///
    /// # Errors
    /// If its address or a header cannot be used, or headers would go to another machine without TLS.
    pub(crate) fn exporter(&self, service: Option<&str>, allows_plaintext: bool) -> Result<Option<Exporter>, Error> {
        let Some(url) = &self.otlp else { return Ok(None) };
        let fail = |cause| Error::caused_by(cause, "send to the OTLP endpoint").into_usage();
        let mut collector = Collector::new(url).map_err(fail)?.retry_for(RETRY_FOR);
        collector = collector.resource("service.name", service.unwrap_or("unknown_service"));
        for pair in &self.otlp_resource {
            let (key, value) = parts("--otlp-resource", pair)?;
            collector = collector.resource(key, value);
        }
        for pair in &self.otlp_header {
            let (name, value) = parts("--otlp-header", pair)?;
            let value = value.strip_prefix('@').map_or_else(|| Ok(value.to_owned()), secret)?;
            collector = collector.header(name, &value).map_err(fail)?;
        }
        if let Some(file) = &self.otlp_ca_file {
            collector = collector.ca_file(file);
        }
        if allows_plaintext {
            collector = collector.allow_plaintext();
        }
        let collector = collector.build().map_err(|cause| {
            let advice = "use `https://`, or give `--allow-plaintext`: then everybody on the way can read them";
            if cause.is_plaintext() { fail(cause).advise(advice) } else { fail(cause) }
        })?;
        let exporter = collector.exporter().map_err(|cause| Error::caused_by(cause, "start a thread to send"))?;
        Ok(Some(exporter))
    }
}

fn parts<'a>(option: &str, pair: &'a str) -> Result<(&'a str, &'a str), Error> {
    let parts = pair.split_once('=').filter(|(name, _)| !name.is_empty());
    parts.ok_or_else(|| Error::usage(format!("read `{option}`: there is no `=` behind a name")))
}

fn secret(file: &str) -> Result<String, Error> {
    let text = fs::read_to_string(file)
        .map_err(|cause| Error::caused_by(cause, format!("read the header in `{file}`")).into_usage())?;
    warn_if_others_can_read("header", Path::new(file));
    Ok(text.trim_end().to_owned())
}

/// An update as a record; `None` for notices about the connection that leave no gap.
pub(crate) fn record_of(update: &Update) -> Option<Record> {
    match update {
        Update::Event(line) => Some(of_line(line)),
        Update::Item(item) => Some(Record::of_item(item)),
        Update::Fleet(item) => Some(of_fleet(item)),
        Update::OfInstance(line) => {
            let about: OfInstance<'_> = serde_json::from_slice(line).ok()?;
            Some(Record::warning(shown::line(&about.to_string())).with_instance(&about.instance))
        }
        Update::Unreadable(why) => Some(Record::warning(format!("unreadable data arrived: {why}"))),
        Update::Notice(notice) => notice.leaves_a_gap().then(|| Record::warning(notice.to_string())),
    }
}

fn of_line(line: &[u8]) -> Record {
    match serde_json::from_slice::<Item>(line) {
        Ok(item) => {
            let record = Record::of_item(&item);
            match instance_of(line) {
                Some(instance) => record.with_instance(&instance),
                None => record,
            }
        }
        Err(error) => Record::warning(format!("unreadable data arrived: {error}")),
    }
}

fn of_fleet(item: &FleetItem) -> Record {
    let record = match item {
        FleetItem::Event(event) => of_line(event.line().as_bytes()),
        FleetItem::Missing { missing, .. } => Record::of_item(&Item::Missing(*missing)),
        FleetItem::Horizon { horizon, .. } => Record::of_item(&Item::Horizon(horizon.clone())),
        FleetItem::Ended(reason) => Record::of_item(&Item::Ended(*reason)),
        about => {
            let mut words = Vec::new();
            about.write(&mut words, Format::Compact);
            Record::warning(String::from_utf8_lossy(&words).trim().trim_start_matches("-- "))
        }
    };
    match item.instance() {
        Some(instance) => record.with_instance(instance),
        None => record,
    }
}
