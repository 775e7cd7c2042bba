//! Durations as a configuration spells them, and sizes as messages do: a whole number and a unit, `"30s"`, `"8MiB"`.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const SIZE_UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads a duration in `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
/// The rule that the text breaks.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let millis = parse(text, &DURATION_UNITS)
        .ok_or("must be a whole number and a unit (ms, s, m, h, d), like \"30s\"")?;
    Ok(Duration::from_millis(millis))
}

/// A duration in the largest unit that leaves a whole number: `"10m"`, `"90s"`.
pub fn print_duration(duration: Duration) -> String {
    print(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS)
}

/// A size in the largest unit that leaves a whole number: `"8MiB"`.
pub fn print_size(bytes: u64) -> String {
    print(bytes, &SIZE_UNITS)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn print(amount: u64, units: &[(&str, u64)]) -> String {
    let fits = |factor: u64| amount != 0 && amount.is_multiple_of(factor);
    let (unit, factor) = units.iter().rev().find(|(_, factor)| fits(*factor)).unwrap_or(&units[0]);
    format!("{}{unit}", amount / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_back_what_they_print_and_sizes_have_the_largest_unit() {
        for text in ["5ms", "30s", "90s", "10m", "14d", "25h", "0ms"] {
            assert_eq!(print_duration(parse_duration(text).unwrap()), text);
        }
        let sizes = [8 << 20, 1, 1_025, 3 << 30, 0].map(print_size);
        assert_eq!(sizes, ["8MiB", "1B", "1025B", "3GiB", "0B"]);
        assert_eq!(parse_duration("14d"), Ok(Duration::from_secs(14 * 86_400)));
        assert_eq!(print_duration(Duration::from_secs(120)), "2m");
    }

    #[test]
    fn a_number_without_a_known_unit_is_refused() {
        for text in ["", "30", "s", "1.5s", "-1s", " 1s", "1 s", "1min", "99999999999999999999s"] {
            assert!(parse_duration(text).unwrap_err().contains("unit"), "{text}");
        }
        assert!(parse_duration("18446744073709551615d").is_err(), "an overflow");
    }
}
