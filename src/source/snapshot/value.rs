//! Results of a SELECT (binary protocol) as the values that the binlog gives for the same cell.

use crate::model::table::quote;
use crate::model::{Column, ColumnType, DateTime, Time, Value};
use crate::source::binlog::decode::{DecodeError, enum_label, padded, set_labels};
use crate::source::json::compact;
use crate::source::text::{Charset, Charsets};
use mysql_async::Value as Cell;

/// Reads one column of a result.
#[derive(Clone, Debug)]
pub struct CellReader {
    kind: Kind,
    /// What to select.
    pub expression: String,
}

#[derive(Clone, Debug)]
enum Kind {
    Int,
    UInt,
    Decimal,
    Float,
    Double,
    Bytes,
    Binary(u32),
    DateTime,
    Time,
    Text(Charset),
    Enum(Vec<String>),
    Set(Vec<String>),
    Json,
}

/// A cell without a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    pub error: CellError,
    /// Its bytes, where it should have been text: to name a row by, and for nothing else.
    pub bytes: Option<Vec<u8>>,
}

impl<E: Into<CellError>> From<E> for Unreadable {
    fn from(error: E) -> Unreadable {
        Unreadable { error: error.into(), bytes: None }
    }
}

/// Why a result cell has no value. Never holds the cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    #[error("{0}")]
    Decode(#[from] DecodeError),
    #[error("the result has another type than the column: an ALTER may have changed the table")]
    Type,
    #[error("its character set {0} is not supported")]
    Charset(String),
}

impl CellReader {
    /// `grouped`: the expression stands under GROUP BY, where two spellings that are equal under the collation
    /// are two values. `is_key`: rows are found by it again.
    pub fn new(
        column: &Column,
        charsets: &Charsets,
        grouped: bool,
        is_key: bool,
    ) -> Result<CellReader, CellError> {
        let name = quote(&column.name);
        let (kind, expression) = match &column.column_type {
            ColumnType::Integer { unsigned: false, .. } => (Kind::Int, name),
            ColumnType::Integer { unsigned: true, .. } | ColumnType::Year => (Kind::UInt, name),
            ColumnType::Decimal { .. } => (Kind::Decimal, name),
            ColumnType::Float => (Kind::Float, name),
            ColumnType::Double => (Kind::Double, name),
            ColumnType::Bit { .. } | ColumnType::VarBinary | ColumnType::Geometry | ColumnType::Vector => {
                (Kind::Bytes, name)
            }
            ColumnType::Binary { length } => (Kind::Binary(*length), name),
            ColumnType::Date | ColumnType::DateTime { .. } | ColumnType::Timestamp { .. } => {
                (Kind::DateTime, name)
            }
            ColumnType::Time { .. } => (Kind::Time, name),
            ColumnType::Text { charset, .. } => {
                let found = charsets.find(charset).ok_or_else(|| CellError::Charset(charset.clone()))?;
                let found = if is_key { found.of_key() } else { found };
                (Kind::Text(found), if grouped { format!("CAST({name} AS BINARY)") } else { name })
            }
            // Numbers, so that both sides look labels up in the same list.
            ColumnType::Enum { labels } => (Kind::Enum(labels.clone()), format!("CAST({name} AS UNSIGNED)")),
            ColumnType::Set { labels } => (Kind::Set(labels.clone()), format!("CAST({name} AS UNSIGNED)")),
            ColumnType::Json => (Kind::Json, name),
        };
        Ok(CellReader { kind, expression })
    }

    /// The value of one cell.
    pub fn read(&self, cell: Cell) -> Result<Value, Unreadable> {
        Ok(match (&self.kind, cell) {
            (_, Cell::NULL) => Value::Null,
            (Kind::Int, Cell::Int(number)) => Value::Int(number),
            (Kind::Int, Cell::UInt(number)) => {
                Value::Int(i64::try_from(number).map_err(|_| CellError::Type)?)
            }
            (Kind::Float, Cell::Float(number)) => Value::Float(number),
            (Kind::Double, Cell::Double(number)) => Value::Double(number),
            (Kind::Decimal, Cell::Bytes(bytes)) => Value::Text(decimal(utf8(bytes)?).into()),
            (Kind::Bytes, Cell::Bytes(bytes)) => Value::Bytes(bytes.into()),
            (Kind::Binary(length), Cell::Bytes(bytes)) => padded(bytes.into(), *length)?,
            (Kind::Text(charset), Cell::Bytes(bytes)) => {
                let text = charset.decode_owned(bytes).map_err(|(error, bytes)| Unreadable {
                    error: DecodeError::from(error).into(),
                    bytes: Some(bytes),
                })?;
                Value::Text(text.into())
            }
            (Kind::Json, Cell::Bytes(bytes)) => Value::Text(compact(&utf8(bytes)?).into()),
            (Kind::DateTime, Cell::Date(year, month, day, hour, minute, second, micros)) => {
                Value::DateTime(DateTime { year, month, day, hour, minute, second, micros })
            }
            (Kind::Time, Cell::Time(negative, days, hours, minutes, seconds, micros)) => {
                let hours = u16::try_from(days * 24 + u32::from(hours)).map_err(|_| CellError::Type)?;
                Value::Time(Time { negative, hours, minutes, seconds, micros })
            }
            (kind, cell) => match (kind, unsigned(&cell).ok_or(CellError::Type)?) {
                (Kind::UInt, number) => Value::UInt(number),
                (Kind::Enum(labels), number) => enum_label(number, labels)?.into_owned(),
                (Kind::Set(labels), bits) => set_labels(bits, labels)?,
                _ => return Err(CellError::Type.into()),
            },
        })
    }
}

fn unsigned(cell: &Cell) -> Option<u64> {
    match cell {
        Cell::UInt(number) => Some(*number),
        Cell::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, CellError> {
    String::from_utf8(bytes).map_err(|_| CellError::Type)
}

/// Without the leading zeros that ZEROFILL prints and the binlog does not have.
fn decimal(text: String) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let whole = digits.find('.').unwrap_or(digits.len());
    let zeros = digits[..whole.saturating_sub(1)].bytes().take_while(|b| *b == b'0').count();
    format!("{sign}{}", &digits[zeros..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zerofill_leaves_no_trace_in_a_decimal() {
        for (printed, text) in
            [("0012.50", "12.50"), ("0000.10", "0.10"), ("-1.0", "-1.0"), ("007", "7"), ("0", "0")]
        {
            assert_eq!(decimal(printed.into()), text);
        }
    }
}
