//! All columns of an item in one value: a MessagePack map, or a JSON object, of the columns by name in configured
//! order, without those that are NULL (docs/formats.md).

use super::SinkError;
use super::encode::{self, Reason};
#[cfg(test)]
use super::number;
use crate::model::{ColumnValue, Mapping, Target};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmp::encode as msgpack;

/// Appends a MessagePack map: integers in their shortest form, FLOAT as float 32, DOUBLE as float 64, binary types
/// as bin, everything else as str with the text of `utf8`.
pub fn push_msgpack(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
    out: &mut Vec<u8>,
) -> Result<(), SinkError> {
    let columns = present(target, row).count();
    written(msgpack::write_map_len(out, columns as u32));
    for (column, value) in present(target, row) {
        let declared = encode::column_of(mapping, column)?;
        written(msgpack::write_str(out, &declared.name));
        match value {
            ColumnValue::Int(number) => written(msgpack::write_sint(out, *number)),
            ColumnValue::UInt(number) => written(msgpack::write_uint(out, *number)),
            ColumnValue::Float(number) => written(msgpack::write_f32(out, *number)),
            ColumnValue::Double(number) => written(msgpack::write_f64(out, *number)),
            ColumnValue::Text(text) => written(msgpack::write_str(out, text)),
            ColumnValue::Bytes(bytes) => written(msgpack::write_bin(out, bytes)),
            ColumnValue::Null => {}
            ColumnValue::DateTime(_) | ColumnValue::Time(_) => {
                push_short_text(out, |out| encode::push_utf8(&declared.column_type, value, out))
                    .map_err(|reason| encode::unencodable(mapping, column, reason))?;
            }
        }
    }
    Ok(())
}

/// A vector takes everything, so rmp's writers cannot fail on one.
fn written<T, E: std::fmt::Debug>(outcome: Result<T, E>) {
    outcome.expect("a vector takes everything");
}

/// Appends a text of fewer than 32 bytes, as all dates and times are: fixstr (MessagePack's spec, "str format family").
fn push_short_text(
    out: &mut Vec<u8>,
    text: impl FnOnce(&mut Vec<u8>) -> Result<(), Reason>,
) -> Result<(), Reason> {
    let head_at = out.len();
    out.push(0);
    text(out)?;
    let length = out.len() - head_at - 1;
    debug_assert!(length < 32, "a date's text has at most 26 bytes");
    out[head_at] = 0xa0 | length as u8;
    Ok(())
}

/// Appends a JSON object without white space: integers, FLOAT and DOUBLE as numbers with the text of `utf8`, binary
/// types as base64 (RFC 4648, section 4, with padding), everything else as a string with the text of `utf8`.
pub fn push_json(
    mapping: &Mapping,
    target: &Target,
    row: &[ColumnValue<'_>],
    out: &mut Vec<u8>,
) -> Result<(), SinkError> {
    out.push(b'{');
    let begin = out.len();
    for (column, value) in present(target, row) {
        let declared = encode::column_of(mapping, column)?;
        if out.len() > begin {
            out.push(b',');
        }
        push_string(&declared.name, out);
        out.push(b':');
        let quoted = matches!(value, ColumnValue::DateTime(_) | ColumnValue::Time(_));
        match value {
            ColumnValue::Text(text) => push_string(text, out),
            ColumnValue::Bytes(bytes) => push_string(&STANDARD.encode(bytes), out),
            _ if quoted => {
                out.push(b'"');
                push_text(mapping, column, value, out)?;
                out.push(b'"');
            }
            _ => push_text(mapping, column, value, out)?,
        }
    }
    out.push(b'}');
    Ok(())
}

fn push_text(
    mapping: &Mapping,
    column: usize,
    value: &ColumnValue<'_>,
    out: &mut Vec<u8>,
) -> Result<(), SinkError> {
    let declared = encode::column_of(mapping, column)?;
    encode::push_utf8(&declared.column_type, value, out)
        .map_err(|reason| encode::unencodable(mapping, column, reason))
}

/// JSON string: `"`, `\` and control characters escaped, everything else as it is in UTF-8.
fn push_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string is written to a vector");
}

/// The target's columns that are not NULL.
fn present<'a, 'v>(
    target: &'a Target,
    row: &'a [ColumnValue<'v>],
) -> impl Iterator<Item = (usize, &'a ColumnValue<'v>)> + use<'a, 'v> {
    let value = |&column: &usize| Some((column, row.get(column)?));
    target.columns.iter().filter_map(value).filter(|(_, value)| !value.is_null())
}

/// Whether floating-point text is JSON's too: `-0`, `1e+21` and `0.5` are.
#[cfg(test)]
fn is_json_number(number: f64) -> bool {
    let text = number::shortest_f64(number).expect("it is finite");
    serde_json::from_str::<serde_json::Number>(&text).is_ok()
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
