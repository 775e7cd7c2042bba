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

/// A moment as RFC 3339 has it, in microseconds since 1970: `2026-11-29T03:12:45Z`, `2026-11-29 03:12:45.5+01:00`. The
/// offset from UTC must be there. `None`: it is none, or a day that no calendar has.
pub fn micros_of_rfc3339(text: &str) -> Option<i64> {
    let (local, minutes_ahead) = match text.strip_suffix(['Z', 'z']) {
        Some(local) => (local, 0),
        None => {
            let at = text.len().checked_sub("+00:00".len())?;
            let (local, offset) = (text.get(..at)?, text.get(at..)?);
            let (sign, offset) = match offset.strip_prefix('+') {
                Some(ahead) => (1, ahead),
                None => (-1, offset.strip_prefix('-')?),
            };
            let [hours, minutes] = numbers(offset, ':', [2, 2])?;
            (hours < 24 && minutes < 60).then_some((local, sign * i64::from(hours * 60 + minutes)))?
        }
    };
    local.contains([' ', 'T', 't']).then_some(())?;
    let micros = DateTime::from_text(&local.replace('t', "T"), 6)?.micros_since_epoch()?;
    Some(micros - minutes_ahead * 60_000_000)
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

#[cfg(test)]
mod tests {
    use super::micros_of_rfc3339;

    #[test]
    fn a_moment_needs_a_date_a_time_and_an_offset() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01 01:00:00.5+01:00", Some(500_000)),
            ("1969-12-31t23:30:00-00:30", Some(0)),
            ("2026-11-29T03:12:45.123456Z", Some(1_795_921_965_123_456)),
            ("2026-11-29T03:12:45", None),
            ("2026-11-29", None),
            ("2026-11-29Z", None),
            ("2026-02-30T03:12:45Z", None),
            ("2026-11-29T03:12:45+25:00", None),
            ("2026-11-29T03:12:45+0100", None),
            ("", None),
            ("äöü+00:00", None),
            ("2026-11-29T03:12:45é0:00", None),
        ];
        for (text, micros) in cases {
            assert_eq!(micros_of_rfc3339(text), micros, "{text}");
        }
    }
}
