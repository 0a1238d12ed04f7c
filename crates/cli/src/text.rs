//! Text for people: ids, times, and what others wrote.

use std::time::{Duration, UNIX_EPOCH};

/// Text of others without what could steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    let escape = |character: char| {
        let is_harmless = !character.is_control() || matches!(character, '\n' | '\t');
        let turns_text = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if is_harmless && !turns_text { vec![character] } else { character.escape_default().collect() }
    };
    text.chars().flat_map(escape).collect()
}

/// The same on one line.
pub(crate) fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

/// The first digits of an id or address: enough to name it again.
#[allow(clippy::needless_pass_by_value)] // ids are small and copied
pub(crate) fn short(id: impl ToString) -> String {
    let text = id.to_string();
    text.get(..10).map_or(text.clone(), str::to_lowercase)
}

/// A time as people read it, in UTC.
pub(crate) fn time(seconds: u64) -> String {
    // Later than this, humantime gives up.
    const END: u64 = 253_402_300_799;
    match UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
        Some(time) if seconds <= END => humantime::format_rfc3339_seconds(time).to_string(),
        _ => seconds.to_string(),
    }
}

/// A length of time as people read it.
pub(crate) fn duration(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

/// Reads a length of time such as `90s`, `1h 30m` or `7d`, in seconds.
///
/// # Errors
/// Says how to write it.
pub(crate) fn parse_duration(text: &str) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    humantime::parse_duration(text)
        .map(|duration| duration.as_secs())
        .map_err(|error| format!("{error}; write it as 90s, 30m, 24h or 7d"))
}

/// Now, Unix seconds.
pub(crate) fn now() -> u64 {
    UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_on_its_line_and_in_its_direction() {
        assert_eq!(printable("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(printable("\u{202e}gpj.exe"), "\\u{202e}gpj.exe");
        assert_eq!(one_line("two\nlines"), "two lines");
        assert_eq!(printable("Grüße, 你好"), "Grüße, 你好");
    }

    #[test]
    fn times_are_read_and_written() {
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(u64::MAX), u64::MAX.to_string());
        assert_eq!(duration(86_400 + 60), "1day 1m");
        assert_eq!(parse_duration("24h"), Ok(86_400));
        assert_eq!(parse_duration("1h 30m"), Ok(5_400));
        assert_eq!(parse_duration("90"), Ok(90));
        assert!(parse_duration("soon").is_err_and(|text| text.contains("24h")));
    }
}
