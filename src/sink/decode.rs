//! An item's columns, taken out of its cells again (docs/formats.md, "Cells" and "Values").

use crate::model::{CellForm, ColumnType, DateTime, Layout, Mapping, Target, Value, ValueEncoding};
use crate::sink::number;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rmp::{Marker, decode as msgpack};

/// The name of a value that should hold columns and cannot be read as that.
pub const UNREADABLE: Bytes = Bytes::from_static(b"?");

/// How the values that [`columns`] gives are written: one value that holds all columns has texts.
pub fn encoding(target: &Target) -> ValueEncoding {
    match target.form {
        CellForm::Msgpack | CellForm::Json => ValueEncoding::Utf8,
        CellForm::Columns | CellForm::Alone => target.values,
    }
}

/// Names and values of an item's columns, as cells of their own would hold them; without those that are NULL, and without
/// the placeholder. Cells that do not belong there keep their names.
pub fn columns<'a>(
    mapping: &Mapping,
    target: &Target,
    cells: impl Iterator<Item = (&'a Bytes, &'a Bytes)>,
) -> Vec<(Bytes, Bytes)> {
    let mut found = Vec::new();
    for (qualifier, value) in cells {
        let holds_all = qualifier.is_empty() || target.layout == Layout::Wide;
        match target.form {
            CellForm::Columns if qualifier.is_empty() => {}
            CellForm::Msgpack if holds_all => found.extend(or_unreadable(of_msgpack(value), value)),
            CellForm::Json if holds_all => found.extend(or_unreadable(json(mapping, value), value)),
            CellForm::Alone if holds_all => found.extend(alone(mapping, target, value)),
            _ => found.push((qualifier.clone(), value.clone())),
        }
    }
    found
}

fn or_unreadable(columns: Option<Vec<(Bytes, Bytes)>>, value: &Bytes) -> Vec<(Bytes, Bytes)> {
    columns.unwrap_or_else(|| vec![(UNREADABLE, value.clone())])
}

/// An empty value stands for NULL where the column can be NULL.
fn alone(mapping: &Mapping, target: &Target, value: &Bytes) -> Option<(Bytes, Bytes)> {
    let column = target.columns.first().and_then(|&column| mapping.schema.columns.get(column))?;
    let is_null = value.is_empty() && column.nullable;
    (!is_null).then(|| (Bytes::copy_from_slice(column.name.as_bytes()), value.clone()))
}

fn of_msgpack(value: &[u8]) -> Option<Vec<(Bytes, Bytes)>> {
    let (mut rest, mut found) = (value, Vec::new());
    for _ in 0..msgpack::read_map_len(&mut rest).ok()? {
        let name = text(&mut rest)?;
        found.push((Bytes::copy_from_slice(name), msgpack_value(&mut rest)?.into()));
    }
    rest.is_empty().then_some(found)
}

/// What a cell in `utf8` would hold.
fn msgpack_value(rest: &mut &[u8]) -> Option<Vec<u8>> {
    Some(match Marker::from_u8(*rest.first()?) {
        Marker::F32 => number::shortest_f32(msgpack::read_f32(rest).ok()?)?.into_bytes(),
        Marker::F64 => number::shortest_f64(msgpack::read_f64(rest).ok()?)?.into_bytes(),
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => text(rest)?.to_vec(),
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
            let length = msgpack::read_bin_len(rest).ok()?;
            take(rest, length)?.to_vec()
        }
        _ => msgpack::read_int::<i128, _>(rest).ok()?.to_string().into_bytes(),
    })
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = msgpack::read_str_len(rest).ok()?;
    take(rest, length)
}

fn take<'a>(rest: &mut &'a [u8], length: u32) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = behind;
    Some(taken)
}

fn json(mapping: &Mapping, value: &[u8]) -> Option<Vec<(Bytes, Bytes)>> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(value).ok()?;
    let column = |(name, value): (String, serde_json::Value)| {
        let column = mapping.schema.columns.iter().find(|column| column.name == name);
        let bytes = match value {
            serde_json::Value::Number(number) => number.to_string().into_bytes(),
            serde_json::Value::String(text) if column.is_some_and(|column| is_raw(&column.column_type)) => {
                STANDARD.decode(text).ok()?
            }
            serde_json::Value::String(text) => text.into_bytes(),
            _ => return None,
        };
        Some((name.into(), bytes.into()))
    };
    object.into_iter().map(column).collect()
}

/// Types whose values are bytes and no text.
pub fn is_raw(column_type: &ColumnType) -> bool {
    matches!(
        column_type,
        ColumnType::Binary { .. }
            | ColumnType::VarBinary
            | ColumnType::Bit { .. }
            | ColumnType::Geometry
            | ColumnType::Vector
    )
}

/// The value that a cell of this type holds; `None` for types that cannot be a key, and for what is none of its type.
pub fn key_value(column_type: &ColumnType, encoding: ValueEncoding, bytes: &[u8]) -> Option<Value> {
    let text = || std::str::from_utf8(bytes).ok();
    let eight = || <[u8; 8]>::try_from(bytes).ok();
    let is_utf8 = encoding == ValueEncoding::Utf8;
    Some(match column_type {
        ColumnType::Integer { unsigned: true, .. } | ColumnType::Year if is_utf8 => {
            Value::UInt(text()?.parse().ok()?)
        }
        ColumnType::Integer { unsigned: true, .. } | ColumnType::Year => {
            Value::UInt(u64::from_be_bytes(eight()?))
        }
        ColumnType::Integer { .. } if is_utf8 => Value::Int(text()?.parse().ok()?),
        ColumnType::Integer { .. } => Value::Int(i64::from_be_bytes(eight()?)),
        ColumnType::Date if is_utf8 => Value::DateTime(DateTime::from_text(text()?, 0)?),
        ColumnType::DateTime { fraction } | ColumnType::Timestamp { fraction } if is_utf8 => {
            Value::DateTime(DateTime::from_text(text()?, *fraction)?)
        }
        ColumnType::Date | ColumnType::DateTime { .. } | ColumnType::Timestamp { .. } => {
            let micros = i64::from_be_bytes(eight()?);
            let fields = DateTime::from_micros_since_epoch(micros);
            Value::DateTime((fields.micros_since_epoch() == Some(micros)).then_some(fields)?)
        }
        ColumnType::Text { .. } => Value::Text(text()?.to_owned().into()),
        ColumnType::Binary { .. } | ColumnType::VarBinary => Value::Bytes(bytes.to_vec().into()),
        _ => return None,
    })
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
