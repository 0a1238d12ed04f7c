//! Text for people: ids, times, and what others wrote.

use std::time::{Duration, UNIX_EPOCH};
use strait_types::{Address, B256, MAX_CHALLENGE_SECONDS, MIN_CHALLENGE_SECONDS};

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

/// A length of time as people read it, and as it can be written: `90s`, `24h`, `7d 1h`.
pub(crate) fn duration(seconds: u64) -> String {
    // People, and the configuration, say 24h and 48h of a challenge period.
    let days = if seconds <= 72 * 3_600 { 0 } else { seconds / 86_400 };
    let rest = seconds - days * 86_400;
    let parts = [(days, "d"), (rest / 3_600, "h"), (rest / 60 % 60, "m"), (rest % 60, "s")];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// Reads a length of time such as `90s`, `1h 30m` or `7d`, in seconds.
///
/// # Errors
/// Says how to write it.
pub(crate) fn parse_duration(text: &str) -> Result<u64, String> {
    if text.parse::<u64>().is_ok() {
        return Err(format!("{text} of what? write it as 90s, 30m, 24h or 7d"));
    }
    humantime::parse_duration(text)
        .map(|duration| duration.as_secs())
        .map_err(|error| format!("{error}; write it as 90s, 30m, 24h or 7d"))
}

/// Reads a challenge period, in seconds.
///
/// # Errors
/// Says how to write one that the contract takes.
pub(crate) fn parse_challenge(text: &str) -> Result<u32, String> {
    let seconds = parse_duration(text)?;
    u32::try_from(seconds)
        .ok()
        .filter(|seconds| (MIN_CHALLENGE_SECONDS..=MAX_CHALLENGE_SECONDS).contains(seconds))
        .ok_or_else(|| format!("the contract takes 1h to 30d, and this is {}", duration(seconds)))
}

/// Reads how long an invoice can be paid, in seconds.
///
/// # Errors
/// Says how to write it.
pub(crate) fn parse_invoice_time(text: &str) -> Result<u64, String> {
    const YEAR: u64 = 365 * 24 * 3_600;
    match parse_duration(text)? {
        0 => Err("an invoice can be paid for 1s at least".to_owned()),
        seconds if seconds > YEAR => {
            Err(format!("an invoice can be paid for 365d at most, and this is {}", duration(seconds)))
        }
        seconds => Ok(seconds),
    }
}

/// Reads an address.
///
/// # Errors
/// Says how one is written.
pub(crate) fn parse_address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|_| "an address is 20 bytes: 0x and 40 hex digits".to_owned())
}

/// Reads a payee's reference.
///
/// # Errors
/// Says how one is written.
pub(crate) fn parse_reference(text: &str) -> Result<B256, String> {
    text.parse().map_err(|_| "a reference is 32 bytes: 0x and 64 hex digits".to_owned())
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
        for (seconds, text) in
            [(0, "0s"), (90, "1m 30s"), (86_400, "24h"), (86_460, "24h 1m"), (604_805, "7d 5s")]
        {
            assert_eq!(duration(seconds), text);
            assert_eq!(parse_duration(text), Ok(seconds));
        }
        assert_eq!(parse_duration("24h"), Ok(86_400));
        assert_eq!(parse_duration("1h 30m"), Ok(5_400));
        assert!(parse_duration("90").is_err_and(|text| text.contains("of what")), "thirty may be days");
        assert_eq!(parse_challenge("1h"), Ok(3_600));
        assert_eq!(parse_challenge("30d"), Ok(2_592_000));
        for (text, part) in
            [("5m", "1h to 30d, and this is 5m"), ("99999d", "this is 99999d"), ("soon", "24h")]
        {
            assert!(parse_challenge(text).is_err_and(|error| error.contains(part)), "{text}");
        }
        assert_eq!(parse_invoice_time("365d"), Ok(31_536_000));
        for (text, part) in [("0s", "1s at least"), ("99999d", "365d at most"), ("soon", "24h")] {
            assert!(parse_invoice_time(text).is_err_and(|error| error.contains(part)), "{text}");
        }
        assert!(parse_duration("soon").is_err_and(|text| text.contains("24h")));
    }
}
