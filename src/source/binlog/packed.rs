//! MySQL's packed forms, which rows and JSON have in common: DATETIME, TIME and DECIMAL.

use super::cursor::{Cursor, Truncated};
use crate::model::{DateTime, Time};
use std::fmt::Write;

/// MySQL's packed DATETIME: year * 13 + month, day (5 bits), hour (5), minute (6), second (6),
/// microseconds (24).
pub fn packed_datetime(packed: i64) -> DateTime {
    let packed = packed.unsigned_abs();
    let (days, clock) = (packed >> 41, packed >> 24 & 0x1_FFFF);
    let months = days >> 5;
    DateTime {
        year: (months / 13) as u16,
        month: (months % 13) as u8,
        day: (days & 31) as u8,
        hour: (clock >> 12) as u8,
        minute: (clock >> 6 & 63) as u8,
        second: (clock & 63) as u8,
        micros: (packed & 0xFF_FFFF) as u32,
    }
}

/// MySQL's packed TIME: hour (10 bits), minute (6), second (6), microseconds (24); the sign is the number's.
pub fn packed_time(packed: i64) -> Time {
    let magnitude = packed.unsigned_abs();
    let clock = magnitude >> 24;
    Time {
        negative: packed < 0,
        hours: (clock >> 12 & 0x3FF) as u16,
        minutes: (clock >> 6 & 63) as u8,
        seconds: (clock & 63) as u8,
        micros: (magnitude & 0xFF_FFFF) as u32,
    }
}

/// Bytes that 0 to 9 decimal digits need.
const DIGIT_BYTES: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

/// The length of a DECIMAL(precision, scale); `None` when there is no such type.
pub(super) fn decimal_bytes(precision: u8, scale: u8) -> Option<usize> {
    let whole = usize::from(precision.checked_sub(scale)?);
    let scale = usize::from(scale);
    let bytes = |digits: usize| digits / 9 * 4 + DIGIT_BYTES[digits % 9];
    (precision <= 65).then(|| bytes(whole) + bytes(scale))
}

/// A DECIMAL with its declared scale. Groups of nine digits in four bytes, big-endian, the odd
/// groups outside; a negative number has all bits inverted, then the first bit is inverted.
pub fn decimal_text(precision: u8, scale: u8, cursor: &mut Cursor<'_>) -> Result<String, Truncated> {
    let length = decimal_bytes(precision, scale).ok_or(Truncated)?;
    let mut bytes = cursor.take(length)?.to_vec();
    let first = bytes.first_mut().ok_or(Truncated)?;
    let negative = *first & 0x80 == 0;
    *first ^= 0x80;
    if negative {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let mut groups = Cursor::new(&bytes);
    let mut digits = String::with_capacity(usize::from(precision) + 3);
    let whole = usize::from(precision - scale);
    let mut group = |digits: &mut String, count: usize| -> Result<(), Truncated> {
        let number = groups.uint_be(DIGIT_BYTES[count])?;
        if count > 0 {
            write!(digits, "{number:0count$}").unwrap_or_default();
        }
        Ok(())
    };
    group(&mut digits, whole % 9)?;
    for _ in 0..whole / 9 {
        group(&mut digits, 9)?;
    }
    let significant = digits.trim_start_matches('0');
    let mut text = String::with_capacity(digits.len() + usize::from(scale) + 3);
    text.push_str(if negative { "-" } else { "" });
    text.push_str(if significant.is_empty() { "0" } else { significant });
    if scale > 0 {
        text.push('.');
        for _ in 0..scale / 9 {
            group(&mut text, 9)?;
        }
        group(&mut text, usize::from(scale % 9))?;
    }
    Ok(text)
}
