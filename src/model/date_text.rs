//! Dates and times as people and MySQL write them.

use super::DateTime;

impl DateTime {
    /// From `YYYY-MM-DD`, `YYYY-MM-DD HH:MM:SS` or with up to `fraction` digits after a point (more could
    /// equal no stored value); a `T` may stand for the space. `None` for days that no calendar has.
    pub fn from_text(text: &str, fraction: u8) -> Option<DateTime> {
        let (date, time) = match text.split_once([' ', 'T']) {
            Some((date, time)) => (date, time),
            None => (text, "00:00:00"),
        };
        let (clock, digits) = time.split_once('.').unwrap_or((time, "0"));
        if digits.len() > usize::from(fraction).max(1) || (fraction == 0 && time.contains('.')) {
            return None;
        }
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
        let micros = numbers(&format!("{digits:0<6}"), '.', [6])?[0];
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let fields = DateTime {
            year: u16::try_from(year).ok()?,
            month: u8::try_from(month).ok()?,
            day: u8::try_from(day).ok()?,
            hour: u8::try_from(hour).ok()?,
            minute: u8::try_from(minute).ok()?,
            second: u8::try_from(second).ok()?,
            micros,
        };
        // 31 February has microseconds, but they are those of a day in March.
        let instant = fields.micros_since_epoch()?;
        (DateTime::from_micros_since_epoch(instant) == fields).then_some(fields)
    }
}

/// `N` numbers of the given widths, with a separator between them.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[u32; N]> {
    let parts: Vec<&str> = text.split(separator).collect();
    let parts: [&str; N] = parts.try_into().ok()?;
    let mut numbers = [0; N];
    for ((number, part), width) in numbers.iter_mut().zip(parts).zip(widths) {
        if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    Some(numbers)
}
