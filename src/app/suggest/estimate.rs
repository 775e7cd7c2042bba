//! How large targets become, how long a copy takes, and how wide a segment should be. Pure.

use super::targets::SEGMENT_ITEMS;
use crate::model::{Mapping, Row, Target};
use crate::sink::layout::Codec;
use std::time::Duration;

/// What HBase keeps of a cell beside row key, family, qualifier and value: lengths, timestamp, type (KeyValue).
const CELL_BYTES: usize = 20;
/// Rows that a run copies into one target in a second: docs/performance.md, on two cores that MySQL, HBase and tailfill share.
pub const COPIED_A_SECOND: u64 = 150_000;
/// Changes that the tail writes in a second, from the same page.
pub const TAILED_A_SECOND: u64 = 160_000;

/// Bytes of an item in HBase on average, as tailfill would write these rows; `None` without a row that it could write.
pub fn item_bytes(mapping: &Mapping, target: &Target, rows: &[Row]) -> Option<f64> {
    let codec = Codec::of(mapping, target);
    let written = rows.iter().filter_map(|row| codec.item_write(row).ok());
    let bytes = |write: crate::sink::layout::ItemWrite| -> usize {
        let beside = CELL_BYTES + write.address.row.len() + target.family.len();
        write.puts.iter().map(|(qualifier, value)| beside + qualifier.len() + value.len()).sum()
    };
    let sizes: Vec<usize> = written.map(bytes).collect();
    (!sizes.is_empty()).then(|| sizes.iter().sum::<usize>() as f64 / sizes.len() as f64)
}

/// How long the copy of so many rows into so many targets takes.
pub fn copy_time(rows: u64, targets: usize) -> Duration {
    Duration::from_secs((rows.saturating_mul(targets as u64)).div_ceil(COPIED_A_SECOND))
}

/// `2 h 5 min`, `40 s`: the two largest units.
pub fn duration_text(duration: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let seconds = duration.as_secs();
    let first = UNITS.iter().position(|(_, unit)| seconds >= *unit).unwrap_or(UNITS.len() - 1);
    let mut left = seconds;
    let mut parts = Vec::new();
    for (name, unit) in &UNITS[first..UNITS.len().min(first + 2)] {
        if left >= *unit || parts.is_empty() {
            parts.push(format!("{} {name}", left / unit));
        }
        left %= unit;
    }
    parts.join(" ")
}

/// `1.2 GB`, in powers of ten.
pub fn bytes_text(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let (mut amount, mut unit) = (bytes, 0);
    while amount >= 1_000.0 && unit + 1 < UNITS.len() {
        amount /= 1_000.0;
        unit += 1;
    }
    if unit == 0 || amount >= 100.0 {
        format!("{amount:.0} {}", UNITS[unit])
    } else {
        format!("{amount:.1} {}", UNITS[unit])
    }
}

/// A number with a comma behind each thousand.
pub fn number_text(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `segment` of a target as the configuration spells it, so that a list with this many items over this span of its order
/// has segments of some thousand items.
pub fn segment(is_moment: bool, span: Option<(i128, i128)>, items: u64) -> String {
    let width = span.map(|(low, high)| (high - low).max(1) as f64 * SEGMENT_ITEMS / items.max(1) as f64);
    match is_moment {
        true => moment_segment(width),
        false => integer_segment(width),
    }
}

/// A width in microseconds as a duration that people know, the next smaller one.
fn moment_segment(width: Option<f64>) -> String {
    const DAY: f64 = 86_400e6;
    const WIDTHS: [(&str, f64); 9] = [
        ("365d", 365.0 * DAY),
        ("90d", 90.0 * DAY),
        ("30d", 30.0 * DAY),
        ("7d", 7.0 * DAY),
        ("1d", DAY),
        ("6h", DAY / 4.0),
        ("1h", DAY / 24.0),
        ("10m", DAY / 144.0),
        ("1m", 60e6),
    ];
    let Some(width) = width else { return "\"30d\"".to_owned() };
    let fitting = WIDTHS.iter().find(|(_, micros)| *micros <= width);
    format!("\"{}\"", fitting.map_or("1s", |(name, _)| *name))
}

/// The next smaller power of ten.
fn integer_segment(width: Option<f64>) -> String {
    let Some(width) = width else { return "1000000".to_owned() };
    let power = width.max(1.0).log10().floor().min(18.0) as u32;
    10_u64.pow(power).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        let durations = [0, 59, 60, 3_700, 90_000].map(|seconds| duration_text(Duration::from_secs(seconds)));
        assert_eq!(durations, ["0 s", "59 s", "1 min", "1 h 1 min", "1 d 1 h"]);
        assert_eq!(
            [0.0, 999.0, 1_500.0, 123e6, 4.2e12].map(bytes_text),
            ["0 bytes", "999 bytes", "1.5 kB", "123 MB", "4.2 TB"]
        );
        assert_eq!([0, 999, 1_000, 1_234_567].map(number_text), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_segment_has_some_thousand_items() {
        let day = 86_400_000_000;
        assert_eq!(segment(true, Some((0, 1_000 * day)), 1_000_000), "\"1d\"");
        assert_eq!(segment(true, Some((0, 1_000 * day)), 20_000), "\"90d\"");
        assert_eq!(segment(true, Some((0, 60_000_000)), 1_000_000), "\"1s\"");
        assert_eq!(segment(true, None, 0), "\"30d\"");
        assert_eq!(segment(false, Some((-500_000, 500_000)), 1_000_000), "1000");
        assert_eq!(segment(false, None, 0), "1000000");
    }

    #[test]
    fn a_copy_takes_a_time_for_each_target() {
        assert_eq!(copy_time(1_500_000, 2), Duration::from_secs(20));
        assert_eq!(copy_time(0, 1), Duration::ZERO);
    }
}
