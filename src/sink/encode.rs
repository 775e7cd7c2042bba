//! Key parts and cell values, to the byte (docs/formats.md).
//!
//! A *part* is the encoding of one value inside a row key. Parts keep the order of values when
//! compared as unsigned bytes, and none is a prefix of another of the same type, so parts can stand
//! one after the other without separators.

use super::{SinkError, condition, number, print};
use crate::model::{Column, ColumnType, ColumnValue, DateTime, Mapping, Value, ValueEncoding};
use bytes::Bytes;

/// Why a value cannot be written; the caller adds mapping and column. Never holds the value.
pub(super) type Reason = &'static str;

/// Ascending or descending order of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smaller values are smaller bytes.
    Ascending,
    /// Every byte of the ascending part complemented.
    Descending,
}

/// The ascending parts of `columns` of a row, one after the other.
///
/// # Errors
/// `Unencodable` for NULL, for a date that names no point in time, for a type that cannot be a key.
pub fn key_parts(
    mapping: &Mapping,
    columns: &[usize],
    row: &[ColumnValue<'_>],
) -> Result<Vec<u8>, SinkError> {
    let mut key = Vec::with_capacity(columns.len() * 8);
    push_parts(mapping, columns, row, &mut key)?;
    Ok(key)
}

/// Appends what [`key_parts`] gives to `key`.
pub fn push_parts(
    mapping: &Mapping,
    columns: &[usize],
    row: &[ColumnValue<'_>],
    key: &mut Vec<u8>,
) -> Result<(), SinkError> {
    for &column in columns {
        let value = row.get(column).ok_or_else(|| unencodable(mapping, column, "is missing from the row"))?;
        push_part(mapping, column, value, Direction::Ascending, key)?;
    }
    Ok(())
}

/// The ascending parts of `values`, which belong to `columns` one to one.
///
/// # Errors
/// As [`key_parts`]; also when there are more or fewer values than columns.
pub fn key_parts_of(mapping: &Mapping, columns: &[usize], values: &[Value]) -> Result<Vec<u8>, SinkError> {
    if columns.len() != values.len() {
        let reason = format!("a key of {} columns was given {} values", columns.len(), values.len());
        return Err(SinkError::Unencodable { mapping: mapping.name.clone(), reason });
    }
    let mut key = Vec::with_capacity(columns.len() * 8);
    for (&column, value) in columns.iter().zip(values) {
        push_part(mapping, column, value, Direction::Ascending, &mut key)?;
    }
    Ok(key)
}

/// Appends the part of one value of column number `column` to `key`.
pub fn push_part(
    mapping: &Mapping,
    column: usize,
    value: &ColumnValue<'_>,
    direction: Direction,
    key: &mut Vec<u8>,
) -> Result<(), SinkError> {
    let declared = column_of(mapping, column)?;
    let start = key.len();
    encode_part(&declared.column_type, value, key).map_err(|reason| unencodable(mapping, column, reason))?;
    if direction == Direction::Descending {
        complement(&mut key[start..]);
    }
    Ok(())
}

/// Reads one part off the front of `bytes`; `None` when they do not begin with a part of this type.
pub fn take_part(column_type: &ColumnType, direction: Direction, bytes: &mut &[u8]) -> Option<Value> {
    let flip = if direction == Direction::Descending { 0xff } else { 0 };
    match column_type {
        ColumnType::Integer { unsigned: true, .. } | ColumnType::Year => {
            Some(Value::UInt(take_u64(flip, bytes)?))
        }
        ColumnType::Integer { .. } => Some(Value::Int(unflip_sign(take_u64(flip, bytes)?))),
        ColumnType::Date | ColumnType::DateTime { .. } | ColumnType::Timestamp { .. } => {
            let micros = unflip_sign(take_u64(flip, bytes)?);
            let fields = DateTime::from_micros_since_epoch(micros);
            (fields.micros_since_epoch() == Some(micros)).then_some(Value::DateTime(fields))
        }
        ColumnType::Binary { length } => {
            let (part, rest) = bytes.split_at_checked(usize::try_from(*length).ok()?)?;
            *bytes = rest;
            Some(Value::Bytes(part.iter().map(|byte| byte ^ flip).collect()))
        }
        ColumnType::VarBinary => Some(Value::Bytes(take_terminated(flip, bytes)?.into())),
        ColumnType::Text { .. } => {
            Some(Value::Text(String::from_utf8(take_terminated(flip, bytes)?).ok()?.into()))
        }
        _ => None,
    }
}

/// The salt of a list: CRC-32 (IEEE 802.3, as zlib's `crc32`) of its encoded list key, modulo the
/// number of buckets (1..=256).
pub fn salt(list_key: &[u8], buckets: u16) -> u8 {
    (crc32fast::hash(list_key) % u32::from(buckets.clamp(1, 256))) as u8
}

/// The bytes of one cell; `None` for NULL, which is an absent cell.
///
/// # Errors
/// `Unencodable` when the encoding has no form for the value: with `bytes`, a zero, partial or
/// impossible date.
pub fn cell_value(
    mapping: &Mapping,
    column: usize,
    value: &ColumnValue<'_>,
    encoding: ValueEncoding,
) -> Result<Option<Bytes>, SinkError> {
    let mut bytes = Vec::new();
    let present = push_cell_value(mapping, column, value, encoding, &mut bytes)?;
    Ok(present.then(|| bytes.into()))
}

/// Appends what [`cell_value`] gives to `out`; `false`, and nothing appended, for NULL.
pub fn push_cell_value(
    mapping: &Mapping,
    column: usize,
    value: &ColumnValue<'_>,
    encoding: ValueEncoding,
    out: &mut Vec<u8>,
) -> Result<bool, SinkError> {
    if value.is_null() {
        return Ok(false);
    }
    let column_type = &column_of(mapping, column)?.column_type;
    let encoded = match encoding {
        ValueEncoding::Utf8 => push_utf8(column_type, value, out),
        ValueEncoding::Bytes => push_binary(column_type, value, out),
    };
    encoded.map(|()| true).map_err(|reason| unencodable(mapping, column, reason))
}

pub(super) fn column_of(mapping: &Mapping, column: usize) -> Result<&Column, SinkError> {
    mapping
        .schema
        .columns
        .get(column)
        .ok_or_else(|| unencodable(mapping, column, "is not a column of the table"))
}

pub(super) fn unencodable(mapping: &Mapping, column: usize, reason: Reason) -> SinkError {
    let name = mapping.schema.columns.get(column).map_or("?", |column| column.name.as_str());
    let mut said = format!("column {name} of {} {reason}", mapping.schema.name);
    if reason == NO_INSTANT
        && let Some(condition) = condition::no_instant(mapping, column)
    {
        said += &format!("; all such rows: {}", condition::select(mapping, &condition));
    }
    SinkError::Unencodable { mapping: mapping.name.clone(), reason: said }
}

const MISMATCH: Reason = "holds a value that its declared type cannot hold";
const NO_INSTANT: Reason = "holds a zero, partial or impossible date, which names no point in time";

fn encode_part(column_type: &ColumnType, value: &ColumnValue<'_>, key: &mut Vec<u8>) -> Result<(), Reason> {
    match (column_type, value) {
        (_, ColumnValue::Null) => return Err("is NULL, which a key cannot hold"),
        (ColumnType::Integer { unsigned: true, .. } | ColumnType::Year, ColumnValue::UInt(number)) => {
            key.extend_from_slice(&number.to_be_bytes());
        }
        (ColumnType::Integer { unsigned: false, .. }, ColumnValue::Int(number)) => {
            key.extend_from_slice(&flip_sign(*number))
        }
        (
            ColumnType::Date | ColumnType::DateTime { .. } | ColumnType::Timestamp { .. },
            ColumnValue::DateTime(date),
        ) => key.extend_from_slice(&flip_sign(instant(date)?)),
        (ColumnType::Binary { length }, ColumnValue::Bytes(bytes)) => {
            if u32::try_from(bytes.len()) != Ok(*length) {
                return Err("holds a value that is not as long as its BINARY type");
            }
            key.extend_from_slice(bytes);
        }
        (ColumnType::Text { .. }, ColumnValue::Text(text)) => push_terminated(text.as_bytes(), key),
        (ColumnType::VarBinary, ColumnValue::Bytes(bytes)) => push_terminated(bytes, key),
        (column_type, _) if !can_be_key(column_type) => {
            return Err("has a type that cannot be part of a key");
        }
        _ => return Err(MISMATCH),
    }
    Ok(())
}

/// Whether a column of this type may be part of a row key.
pub fn can_be_key(column_type: &ColumnType) -> bool {
    matches!(
        column_type,
        ColumnType::Integer { .. }
            | ColumnType::Year
            | ColumnType::Date
            | ColumnType::DateTime { .. }
            | ColumnType::Timestamp { .. }
            | ColumnType::Binary { .. }
            | ColumnType::Text { .. }
            | ColumnType::VarBinary
    )
}

/// Microseconds since 1970 of a date that is one. `2024-02-31`, which MySQL stores under
/// ALLOW_INVALID_DATES, would fall together with `2024-03-02`, so it is none.
fn instant(date: &DateTime) -> Result<i64, Reason> {
    date.micros_since_epoch()
        .filter(|&micros| DateTime::from_micros_since_epoch(micros) == *date)
        .ok_or(NO_INSTANT)
}

/// The number that the part of an order value stands for: microseconds since 1970, or the integer itself.
///
/// # Errors
/// `Unencodable` for what has no such number: NULL, a date that names no point in time, a text.
pub fn order_number(mapping: &Mapping, column: usize, value: &ColumnValue<'_>) -> Result<i128, SinkError> {
    let number = match value {
        ColumnValue::Int(number) => Ok(i128::from(*number)),
        ColumnValue::UInt(number) => Ok(i128::from(*number)),
        ColumnValue::DateTime(date) => instant(date).map(i128::from),
        ColumnValue::Null => Err("is NULL, which a key cannot hold"),
        _ => Err("is neither a number nor a date, so it cannot be cut into segments"),
    };
    number.map_err(|reason| unencodable(mapping, column, reason))
}

/// Appends a signed integer as a part.
pub fn push_signed(number: i64, direction: Direction, key: &mut Vec<u8>) {
    let start = key.len();
    key.extend_from_slice(&flip_sign(number));
    if direction == Direction::Descending {
        complement(&mut key[start..]);
    }
}

/// Reads what [`push_signed`] wrote off the front of `bytes`.
pub fn take_signed(direction: Direction, bytes: &mut &[u8]) -> Option<i64> {
    let flip = if direction == Direction::Descending { 0xff } else { 0 };
    take_u64(flip, bytes).map(unflip_sign)
}

fn flip_sign(number: i64) -> [u8; 8] {
    ((number as u64) ^ (1 << 63)).to_be_bytes()
}

fn unflip_sign(number: u64) -> i64 {
    (number ^ (1 << 63)) as i64
}

fn take_u64(flip: u8, bytes: &mut &[u8]) -> Option<u64> {
    let (part, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(u64::from_be_bytes(part.map(|byte| byte ^ flip)))
}

fn push_terminated(content: &[u8], key: &mut Vec<u8>) {
    let mut rest = content;
    while let Some(zero) = rest.iter().position(|byte| *byte == 0) {
        key.extend_from_slice(&rest[..=zero]);
        key.push(0xff);
        rest = &rest[zero + 1..];
    }
    key.extend_from_slice(rest);
    key.extend_from_slice(&[0, 0]);
}

fn take_terminated(flip: u8, bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut stored = bytes.iter().map(|byte| byte ^ flip).enumerate();
    loop {
        let (_, byte) = stored.next()?;
        if byte != 0 {
            content.push(byte);
            continue;
        }
        match stored.next()? {
            (_, 0xff) => content.push(0),
            (index, 0) => {
                *bytes = &bytes[index + 1..];
                return Some(content);
            }
            _ => return None,
        }
    }
}

fn complement(part: &mut [u8]) {
    for byte in part {
        *byte = !*byte;
    }
}

pub(super) fn push_utf8(
    column_type: &ColumnType,
    value: &ColumnValue<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    match (column_type, value) {
        (_, ColumnValue::Int(number)) => {
            if *number < 0 {
                out.push(b'-');
            }
            print::number(number.unsigned_abs(), 1, out);
        }
        (_, ColumnValue::UInt(number)) => print::number(*number, 1, out),
        (_, ColumnValue::Float(number)) => {
            out.extend_from_slice(number::shortest_f32(*number).ok_or(MISMATCH)?.as_bytes());
        }
        (_, ColumnValue::Double(number)) => {
            out.extend_from_slice(number::shortest_f64(*number).ok_or(MISMATCH)?.as_bytes());
        }
        (_, ColumnValue::Text(text)) => out.extend_from_slice(text.as_bytes()),
        (_, ColumnValue::Bytes(bytes)) => out.extend_from_slice(bytes),
        (ColumnType::Date, ColumnValue::DateTime(date)) => print::date(date, out),
        (
            ColumnType::DateTime { fraction } | ColumnType::Timestamp { fraction },
            ColumnValue::DateTime(date),
        ) => print::date_time(date, *fraction, out),
        (ColumnType::Time { fraction }, ColumnValue::Time(time)) => print::time(time, *fraction, out),
        _ => return Err(MISMATCH),
    }
    Ok(())
}

fn push_binary(column_type: &ColumnType, value: &ColumnValue<'_>, out: &mut Vec<u8>) -> Result<(), Reason> {
    match (column_type, value) {
        (_, ColumnValue::Int(number)) => out.extend_from_slice(&number.to_be_bytes()),
        (_, ColumnValue::UInt(number)) => out.extend_from_slice(&number.to_be_bytes()),
        (_, ColumnValue::Float(number)) => out.extend_from_slice(&number.to_be_bytes()),
        (_, ColumnValue::Double(number)) => out.extend_from_slice(&number.to_be_bytes()),
        (_, ColumnValue::DateTime(date)) => out.extend_from_slice(&instant(date)?.to_be_bytes()),
        (_, ColumnValue::Time(time)) => out.extend_from_slice(&time.micros_total().to_be_bytes()),
        (ColumnType::Decimal { scale, .. }, ColumnValue::Text(text)) => {
            out.extend_from_slice(&number::big_decimal(text, *scale).ok_or(MISMATCH)?);
        }
        _ => return push_utf8(column_type, value, out),
    }
    Ok(())
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
