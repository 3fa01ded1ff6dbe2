//! What is said on standard error of a session: what it can see, of its silence, of its end.

use super::counts::Counts;
use super::source::Began;
use crate::remote::Coverage;
use crate::shown;
use std::fmt::Write;
use std::time::Duration;
use tracing_tap::EndReason;

/// What there is to know before the first event.
pub(crate) fn opened(began: &Began) -> String {
    let mut text = format!("Watching {}", shown::line(&began.predicate));
    for (what, level) in [("events", &began.level), ("spans", &began.spans)] {
        if let Some(level) = level {
            push(&mut text, format_args!(", {what} up to {}", shown::line(level)));
        }
    }
    push(&mut text, format_args!(" at {}", began.place));
    if let Some(session) = &began.session {
        push(&mut text, format_args!(", session {}", short(session)));
    }
    if let Some(lasts) = began.lasts {
        push(&mut text, format_args!(", for {}", words(lasts)));
    }
    text.push_str("; Ctrl-C ends it.");
    tell_coverage(&mut text, &began.coverage);
    text
}

/// What has been seen where nothing came, and the coverage where it is another than before.
pub(crate) fn silence(silent_for: Duration, matched: u64, now: &Coverage, before: &Coverage) -> String {
    let seconds = words(silent_for);
    let mut text = match matched {
        0 => format!("Nothing has matched for {seconds}"),
        _ => format!("Nothing more has matched for {seconds}, after {matched} event{}", plural(matched)),
    };
    if now == before && now.findings.is_empty() {
        let seen = now.notes.first().map_or_else(String::new, |note| format!(": {}", shown::line(&note.text)));
        push(&mut text, format_args!("{seen}."));
    } else {
        text.push_str("; as of now:");
        tell_coverage(&mut text, now);
    }
    text
}

/// What came of it; where that is nothing, what is known to have kept events away.
pub(crate) fn ended(reason: Option<EndReason>, counts: &Counts, coverage: Option<&Coverage>) -> String {
    let (delivered, lost, kept_back) = (counts.delivered(), counts.lost(), counts.missing().kept_back_words());
    let reason = reason.map_or_else(|| "ended".to_owned(), |reason| reason.to_string());
    let events = plural(delivered);
    let mut text = format!("Session over: {reason}. {delivered} event{events} delivered, {lost} lost{kept_back}.");
    if let Some(coverage) = coverage.filter(|_| counts.matched() == 0) {
        tell_coverage(&mut text, coverage);
    }
    text
}

fn tell_coverage(text: &mut String, coverage: &Coverage) {
    if let Some(verdict) = coverage.verdict {
        push(text, format_args!("\n  {verdict}"));
    }
    for finding in &coverage.findings {
        push(text, format_args!("\n  ! {}", shown::line(&finding.text)));
    }
    for note in &coverage.notes {
        push(text, format_args!("\n  - {}", shown::line(&note.text)));
    }
}

fn push(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a string takes what is written to it");
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// What is enough of an id to name a session among a few.
pub(crate) fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// `1h 30m`, `5s`: whole seconds, rounded.
fn words(duration: Duration) -> String {
    let seconds = (duration.as_millis() + 500) / 1000;
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let parts = parts.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number}{unit}"));
    let words = parts.collect::<Vec<_>>().join(" ");
    if words.is_empty() { "0s".to_owned() } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_whole_seconds() {
        let told = |milliseconds| words(Duration::from_millis(milliseconds));
        assert_eq!([told(0), told(5_200), told(899_700), told(5_400_000)], ["0s", "5s", "15m", "1h 30m"]);
    }
}
