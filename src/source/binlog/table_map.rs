//! TABLE_MAP events: which table the following row images belong to, and how its columns are laid out.
//!
//! Layout (MySQL source, libs/mysql/binlog/event/rows_event.h, class Table_map_event): table id (6),
//! flags (2), database length (1), database, 0, table length (1), table, 0, column count (lenenc), a
//! type byte per column, metadata length (lenenc), metadata, a NULL bitmap, then optional metadata as
//! (type 1, length lenenc, value).

use super::cursor::{Cursor, Truncated};

/// Type bytes of a TABLE_MAP event (`enum_field_types`).
pub mod wire {
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const TIMESTAMP: u8 = 7;
    pub const LONGLONG: u8 = 8;
    pub const INT24: u8 = 9;
    pub const DATE: u8 = 10;
    pub const YEAR: u8 = 13;
    pub const NEWDATE: u8 = 14;
    pub const VARCHAR: u8 = 15;
    pub const BIT: u8 = 16;
    pub const TIMESTAMP2: u8 = 17;
    pub const DATETIME2: u8 = 18;
    pub const TIME2: u8 = 19;
    pub const VECTOR: u8 = 242;
    pub const JSON: u8 = 245;
    pub const NEWDECIMAL: u8 = 246;
    pub const ENUM: u8 = 247;
    pub const SET: u8 = 248;
    pub const TINY_BLOB: u8 = 249;
    pub const MEDIUM_BLOB: u8 = 250;
    pub const LONG_BLOB: u8 = 251;
    pub const BLOB: u8 = 252;
    pub const VAR_STRING: u8 = 253;
    pub const STRING: u8 = 254;
    pub const GEOMETRY: u8 = 255;
}

/// A decoded TABLE_MAP event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableMap {
    pub id: u64,
    pub schema: String,
    pub table: String,
    pub columns: Vec<WireColumn>,
    /// Column names, when the server logs them (`binlog_row_metadata = FULL`).
    pub names: Option<Vec<String>>,
}

/// How one column stands in a row image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireColumn {
    /// The real type: ENUM and SET are resolved from their disguise as STRING.
    pub wire_type: u8,
    /// The type's metadata bytes, in the order of the event; unused ones are 0.
    pub meta: [u8; 2],
}

/// Why a TABLE_MAP event cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableMapError {
    #[error("{0}")]
    Truncated(#[from] Truncated),
    #[error("column {column} has the unknown wire type {wire_type}")]
    UnknownType { column: usize, wire_type: u8 },
    #[error("a name is not UTF-8")]
    Name,
}

/// The table id and names alone: enough to know whether the table is of interest.
pub struct TableMapHead<'a> {
    pub id: u64,
    pub schema: &'a [u8],
    pub table: &'a [u8],
    rest: Cursor<'a>,
}

impl<'a> TableMapHead<'a> {
    pub fn parse(data: &'a [u8]) -> Result<TableMapHead<'a>, Truncated> {
        let mut cursor = Cursor::new(data);
        let id = cursor.uint(6)?;
        cursor.take(2)?;
        let schema = name(&mut cursor)?;
        let table = name(&mut cursor)?;
        Ok(TableMapHead { id, schema, table, rest: cursor })
    }

    /// Columns and optional metadata too.
    pub fn complete(self) -> Result<TableMap, TableMapError> {
        let mut cursor = self.rest;
        let count = cursor.length()?;
        let types = cursor.take(count)?;
        let meta_length = cursor.length()?;
        let mut meta = Cursor::new(cursor.take(meta_length)?);
        let mut columns = Vec::with_capacity(count);
        for (column, wire_type) in types.iter().enumerate() {
            columns.push(wire_column(column, *wire_type, &mut meta)?);
        }
        cursor.take(count.div_ceil(8))?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| TableMapError::Name);
        let names = column_names(cursor, count)?;
        Ok(TableMap { id: self.id, schema: text(self.schema)?, table: text(self.table)?, columns, names })
    }
}

fn name<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Truncated> {
    let length = usize::from(cursor.u8()?);
    let name = cursor.take(length)?;
    cursor.take(1)?;
    Ok(name)
}

fn wire_column(column: usize, wire_type: u8, meta: &mut Cursor<'_>) -> Result<WireColumn, TableMapError> {
    use wire::*;
    let bytes = match wire_type {
        TINY | SHORT | LONG | LONGLONG | INT24 | DATE | YEAR | NEWDATE | TIMESTAMP => [0, 0],
        FLOAT | DOUBLE | TIMESTAMP2 | DATETIME2 | TIME2 | JSON | TINY_BLOB | MEDIUM_BLOB | LONG_BLOB
        | BLOB | GEOMETRY | VECTOR => [meta.u8()?, 0],
        VARCHAR | VAR_STRING | BIT | NEWDECIMAL | ENUM | SET | STRING => meta.array()?,
        _ => return Err(TableMapError::UnknownType { column, wire_type }),
    };
    // CHAR, BINARY, ENUM and SET all travel as STRING; the first metadata byte has the real type.
    if wire_type == STRING && matches!(bytes[0], ENUM | SET) {
        return Ok(WireColumn { wire_type: bytes[0], meta: bytes });
    }
    Ok(WireColumn { wire_type, meta: bytes })
}

/// The optional metadata field COLUMN_NAME (4): a length-encoded string per column.
fn column_names(mut cursor: Cursor<'_>, count: usize) -> Result<Option<Vec<String>>, TableMapError> {
    const COLUMN_NAME: u8 = 4;
    while !cursor.is_empty() {
        let field = cursor.u8()?;
        let length = cursor.length()?;
        let mut value = Cursor::new(cursor.take(length)?);
        if field != COLUMN_NAME {
            continue;
        }
        let mut names = Vec::with_capacity(count);
        while !value.is_empty() {
            let length = value.length()?;
            let name = value.take(length)?;
            names.push(String::from_utf8(name.to_vec()).map_err(|_| TableMapError::Name)?);
        }
        return if names.len() == count { Ok(Some(names)) } else { Err(Truncated.into()) };
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table map of `s.t` with an INT, a VARCHAR(40 bytes), an ENUM and a CHAR, with names.
    fn sample() -> Vec<u8> {
        let mut data = vec![7, 0, 0, 0, 0, 0, 1, 0, 1, b's', 0, 1, b't', 0];
        data.extend([4, wire::LONG, wire::VARCHAR, wire::STRING, wire::STRING]);
        data.extend([6, 40, 0, wire::ENUM, 1, wire::STRING, 80]);
        data.push(0b1010);
        data.extend([1, 1, 0x80]);
        data.extend([4, 8, 1, b'a', 1, b'b', 1, b'c', 1, b'd']);
        data
    }

    #[test]
    fn a_table_map_is_read_with_types_metadata_and_names() {
        let map = TableMapHead::parse(&sample()).unwrap().complete().unwrap();
        assert_eq!((map.id, map.schema.as_str(), map.table.as_str()), (7, "s", "t"));
        assert_eq!(map.columns[2], WireColumn { wire_type: wire::ENUM, meta: [wire::ENUM, 1] });
        assert_eq!(map.columns[1].meta, [40, 0]);
        assert_eq!(map.names.unwrap(), ["a", "b", "c", "d"]);
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_map_but_never_a_panic() {
        let whole = sample();
        for end in 0..whole.len() {
            if let Ok(head) = TableMapHead::parse(&whole[..end]) {
                let _ = head.complete();
            }
        }
    }
}
