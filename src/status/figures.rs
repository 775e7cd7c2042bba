//! Numbers, times and sizes as people read them.

use crate::model::DateTime;

/// `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The two largest units: `2d 3h`, `5m 10s`, `7s`.
pub fn seconds(total: u64) -> String {
    match (total / 86_400, total / 3_600 % 24, total / 60 % 60, total % 60) {
        (0, 0, 0, seconds) => format!("{seconds}s"),
        (0, 0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (0, hours, minutes, _) => format!("{hours}h {minutes}m"),
        (days, hours, _, _) => format!("{days}d {hours}h"),
    }
}

pub fn bytes(total: u64) -> String {
    const UNITS: [(u32, &str); 3] = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match UNITS.iter().find(|(shift, _)| total >> shift > 0) {
        Some((shift, unit)) => format!("{:.1} {unit}", total as f64 / (1_u64 << shift) as f64),
        None => format!("{total} B"),
    }
}

/// `2024-01-31 10:00:00 UTC`.
pub fn moment(ms: u64) -> String {
    DateTime::from_ms_since_epoch(ms).in_seconds()
}
