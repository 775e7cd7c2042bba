//! Column values, in the one form that the binlog and the snapshot both decode to.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A column value that borrows nothing.
pub type Value = ColumnValue<'static>;

/// One column value; its text and bytes may be borrowed from the packet or the event that they came in
/// (`'a`), so that decoding a row allocates nothing. The tail (binlog row image) and the backfill (SELECT) decode to the same
/// variant and the same content for the same stored value, whatever the column type; the column's
/// [`ColumnType`](super::ColumnType) says how to print it.
///
/// | column type | variant |
/// |---|---|
/// | signed integers | `Int` |
/// | unsigned integers, YEAR | `UInt` |
/// | FLOAT / DOUBLE | `Float` / `Double` |
/// | DECIMAL (declared scale), ENUM (label), SET (labels with commas), JSON (compact), text | `Text`, UTF-8 |
/// | BINARY (padded to its length), VARBINARY, BLOB, BIT (big-endian, `(bits + 7) / 8` bytes), GEOMETRY, VECTOR | `Bytes` |
/// | DATE, DATETIME, TIMESTAMP (UTC) | `DateTime` |
/// | TIME | `Time` |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ColumnValue<'a> {
    /// NULL, and a column that no mapping uses.
    Null,
    /// Of 1 to 8 bytes in MySQL, widened with its sign.
    Int(i64),
    /// Of 1 to 8 bytes in MySQL, widened.
    UInt(u64),
    /// Not widened, so that it prints as MySQL prints it.
    Float(f32),
    /// As stored.
    Double(f64),
    /// Converted from the column's character set.
    Text(Cow<'a, str>),
    /// As stored.
    Bytes(Cow<'a, [u8]>),
    /// Its time is zero for a DATE.
    DateTime(DateTime),
    /// Up to 838 hours, either sign.
    Time(Time),
}

impl ColumnValue<'_> {
    /// Whether there is no value; a list key with one has no list.
    pub fn is_null(&self) -> bool {
        matches!(self, ColumnValue::Null)
    }

    /// The same value, with text and bytes of its own.
    pub fn into_owned(self) -> Value {
        match self {
            ColumnValue::Null => Value::Null,
            ColumnValue::Int(number) => Value::Int(number),
            ColumnValue::UInt(number) => Value::UInt(number),
            ColumnValue::Float(number) => Value::Float(number),
            ColumnValue::Double(number) => Value::Double(number),
            ColumnValue::Text(text) => Value::Text(text.into_owned().into()),
            ColumnValue::Bytes(bytes) => Value::Bytes(bytes.into_owned().into()),
            ColumnValue::DateTime(date) => Value::DateTime(date),
            ColumnValue::Time(time) => Value::Time(time),
        }
    }
}

/// A DATE, DATETIME or TIMESTAMP, field by field as MySQL stores it, because zero and partial
/// dates (`0000-00-00`, `2024-00-00`) exist there. A TIMESTAMP is in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DateTime {
    /// 0..=9999.
    pub year: u16,
    /// 0..=12; 0 in a zero or partial date.
    pub month: u8,
    /// 0..=31; 0 in a zero or partial date.
    pub day: u8,
    /// 0..=23.
    pub hour: u8,
    /// 0..=59.
    pub minute: u8,
    /// 0..=59.
    pub second: u8,
    /// 0..=999,999.
    pub micros: u32,
}

impl DateTime {
    /// Microseconds since 1970-01-01 00:00:00, the fields read as UTC; `None` for a zero or partial
    /// date, which names no point in time.
    pub fn micros_since_epoch(&self) -> Option<i64> {
        if self.month == 0 || self.month > 12 || self.day == 0 || self.day > 31 {
            return None;
        }
        let days = days_from_civil(i64::from(self.year), i64::from(self.month), i64::from(self.day));
        let seconds = days * 86_400
            + i64::from(self.hour) * 3_600
            + i64::from(self.minute) * 60
            + i64::from(self.second);
        Some(seconds * 1_000_000 + i64::from(self.micros))
    }

    /// `2026-11-29 03:12:45 UTC`: without fractions, for people.
    pub fn in_seconds(&self) -> String {
        let DateTime { year, month, day, hour, minute, second, .. } = self;
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }

    /// `2026-11-29T03:12:45.123Z`: RFC 3339, with milliseconds, for programs.
    pub fn rfc3339(&self) -> String {
        let DateTime { year, month, day, hour, minute, second, micros } = self;
        let millis = micros / 1_000;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }

    /// The UTC fields of `ms` milliseconds since 1970-01-01 00:00:00.
    pub fn from_ms_since_epoch(ms: u64) -> DateTime {
        DateTime::from_micros_since_epoch(i64::try_from(ms).unwrap_or(0).saturating_mul(1_000))
    }

    /// The UTC fields of `micros` since 1970-01-01 00:00:00.
    pub fn from_micros_since_epoch(micros: i64) -> DateTime {
        let seconds = micros.div_euclid(1_000_000);
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let in_day = seconds.rem_euclid(86_400);
        DateTime {
            year: u16::try_from(year).unwrap_or(0),
            month: month as u8,
            day: day as u8,
            hour: (in_day / 3_600) as u8,
            minute: (in_day / 60 % 60) as u8,
            second: (in_day % 60) as u8,
            micros: micros.rem_euclid(1_000_000) as u32,
        }
    }
}

/// A TIME: sign, hours (0..=838), minutes, seconds, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Time {
    /// Of the whole duration.
    pub negative: bool,
    /// 0..=838.
    pub hours: u16,
    /// 0..=59.
    pub minutes: u8,
    /// 0..=59.
    pub seconds: u8,
    /// 0..=999,999.
    pub micros: u32,
}

impl Time {
    /// Signed microseconds.
    pub fn micros_total(&self) -> i64 {
        let seconds = i64::from(self.hours) * 3_600 + i64::from(self.minutes) * 60 + i64::from(self.seconds);
        let micros = seconds * 1_000_000 + i64::from(self.micros);
        if self.negative { -micros } else { micros }
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Prints the shape of a value, never its content: row values do not belong in logs.
pub struct Redacted<'a>(pub &'a ColumnValue<'a>);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ColumnValue::Null => f.write_str("NULL"),
            ColumnValue::Int(_) | ColumnValue::UInt(_) => f.write_str("an integer"),
            ColumnValue::Float(_) | ColumnValue::Double(_) => f.write_str("a floating-point number"),
            ColumnValue::Text(text) => write!(f, "a text of {} bytes", text.len()),
            ColumnValue::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            ColumnValue::DateTime(_) => f.write_str("a date"),
            ColumnValue::Time(_) => f.write_str("a time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micros_since_epoch_round_trips_and_refuses_partial_dates() {
        for micros in [0, -1, 1_704_067_200_123_000, -62_135_596_800_000_000, 253_402_300_799_999_999] {
            let fields = DateTime::from_micros_since_epoch(micros);
            assert_eq!(fields.micros_since_epoch(), Some(micros), "{fields:?}");
        }
        assert_eq!(DateTime { year: 2024, ..DateTime::default() }.micros_since_epoch(), None);
    }
}
