//! Reports on standard error: at the opening of a session, while nothing matches, and at the end.

use super::counts::Counts;
use super::duration::{exact, rounded};
use super::opened::Began;
use crate::remote::{Coverage, Seen};
use crate::shown;
use std::fmt::Write;
use std::time::Duration;
use tracing_tap::EndReason;

/// The report before the first event.
pub(crate) fn opened(began: &Began) -> String {
    let mut text = format!("Watching {}", shown::line(&began.predicate));
    for (what, level) in [("events", &began.level), ("spans", &began.spans)] {
        if let Some(level) = level {
            push(&mut text, format_args!(", {what} up to {}", shown::line(level)));
        }
    }
    push(&mut text, format_args!(" at {}", began.url));
    if let Some(session) = &began.session {
        push(&mut text, format_args!(", session {}", short(session)));
    }
    if let Some(lasts) = began.lasts {
        push(&mut text, format_args!(", for {}", exact(lasts)));
    }
    text.push_str("; Ctrl-C ends it.");
    write_coverage(&mut text, &began.coverage);
    text
}

/// The report of a silence, with the coverage if it has changed or hides events.
pub(crate) fn silence(silent_for: Duration, matched: u64, now: &Coverage, before: &Coverage) -> String {
    let seconds = rounded(silent_for);
    let mut text = match matched {
        0 => format!("Nothing has matched for {seconds}"),
        _ => format!("Nothing more has matched for {seconds}, after {matched} event{}", plural(matched)),
    };
    if now == before && now.findings.is_empty() {
        let seen = now.notes.first().map_or_else(String::new, |note| format!(": {}", shown::line(&note.text)));
        push(&mut text, format_args!("{seen}."));
    } else {
        text.push_str("; as of now:");
        write_coverage(&mut text, now);
    }
    text
}

/// The report at the end, with the coverage if nothing matched, and otherwise with what lost its context.
pub(crate) fn ended(reason: Option<EndReason>, counts: &Counts, coverage: Option<&Coverage>) -> String {
    let (delivered, lost, kept_back) = (counts.delivered(), counts.lost(), counts.missing().kept_back_words());
    let reason = reason.map_or_else(|| "ended".to_owned(), |reason| reason.to_string());
    let events = plural(delivered);
    let mut text = format!("Session over: {reason}. {delivered} event{events} delivered, {lost} lost{kept_back}.");
    match coverage {
        Some(coverage) if counts.matched() == 0 => write_coverage(&mut text, coverage),
        Some(coverage) => write_findings(&mut text, coverage.findings.iter().filter(|found| found.is_of_context())),
        None => {}
    }
    text
}

fn write_coverage(text: &mut String, coverage: &Coverage) {
    if let Some(verdict) = coverage.verdict {
        push(text, format_args!("\n  {verdict}"));
    }
    write_findings(text, &coverage.findings);
    for note in &coverage.notes {
        push(text, format_args!("\n  - {}", shown::line(&note.text)));
    }
}

fn write_findings<'a>(text: &mut String, findings: impl IntoIterator<Item = &'a Seen>) {
    for finding in findings {
        push(text, format_args!("\n  ! {}", shown::line(&finding.text)));
    }
}

fn push(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a string takes what is written to it");
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The beginning of an id, enough to tell a few sessions apart.
pub(crate) fn short(id: &str) -> String {
    id.chars().take(8).collect()
}
