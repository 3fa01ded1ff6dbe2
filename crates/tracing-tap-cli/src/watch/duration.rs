//! Durations in words.

use std::time::Duration;

/// A given duration, exactly: `1h 30m`, `1.5s`.
pub(crate) fn exact(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    let seconds = seconds(duration.saturating_sub(Duration::from_secs(minutes * 60)));
    let parts = [(minutes / 60).to_string() + "h", (minutes % 60).to_string() + "m", seconds + "s"];
    let words = parts.into_iter().filter(|part| !part.starts_with('0') || part.contains('.')).collect::<Vec<_>>();
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
}

/// A measured duration, in whole seconds: `5s`.
pub(crate) fn rounded(duration: Duration) -> String {
    exact(Duration::from_secs(duration.saturating_add(Duration::from_millis(500)).as_secs()))
}

/// `1`, `1.5`, `0.000001`
fn seconds(duration: Duration) -> String {
    let fraction = format!("{:09}", duration.subsec_nanos());
    match fraction.trim_end_matches('0') {
        "" => duration.as_secs().to_string(),
        fraction => format!("{}.{fraction}", duration.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_durations_are_shown_exactly() {
        let shown = |milliseconds| exact(Duration::from_millis(milliseconds));
        assert_eq!([shown(0), shown(1_500), shown(5_400_000)], ["0s", "1.5s", "1h 30m"]);
        assert_eq!([shown(60_250), shown(86_400_000), shown(1)], ["1m 0.25s", "24h", "0.001s"]);
        assert_eq!(exact(Duration::from_nanos(1)), "0.000000001s");
    }

    #[test]
    fn measured_durations_are_shown_in_whole_seconds() {
        let shown = |milliseconds| rounded(Duration::from_millis(milliseconds));
        assert_eq!([shown(0), shown(5_200), shown(899_700)], ["0s", "5s", "15m"]);
    }
}
