//! Processor time, as Linux tells it; elsewhere not a number.

use crate::schedstat::nanoseconds_of_threads;
use crate::service::ENDPOINT;
use std::fs;
use std::path::Path;

/// What `/proc` counts the time of children that were waited for in.
const TICKS_PER_SECOND: f64 = 100.0;

/// Microseconds that were used so far.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    /// By the threads of the endpoint.
    pub(crate) endpoint: f64,
    /// By children that were waited for.
    pub(crate) children: f64,
}

impl Used {
    pub(crate) fn so_far() -> Self {
        Self { endpoint: endpoint().unwrap_or(f64::NAN), children: children().unwrap_or(f64::NAN) }
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self { endpoint: self.endpoint - before.endpoint, children: self.children - before.children }
    }
}

fn endpoint() -> Option<f64> {
    let is_of_endpoint =
        |thread: &Path| fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.trim() == ENDPOINT);
    nanoseconds_of_threads(Path::new("/proc/self"), is_of_endpoint).map(|ns| ns / 1e3)
}

/// The fields behind the name, which is in parentheses and may hold spaces, begin with the third.
fn children() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(13)?.parse::<f64>().ok()? + fields.get(14)?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_SECOND * 1e6)
}
