//! TABLE_MAP events: which table the following row images belong to, and how its columns are laid out.
//!
//! Layout (MySQL source, libs/mysql/binlog/event/rows_event.h, class Table_map_event): table id (6),
//! flags (2), database length (1), database, 0, table length (1), table, 0, column count (lenenc), a
//! type byte per column, metadata length (lenenc), metadata, a NULL bitmap, then optional metadata as
//! (type 1, length lenenc, value).

use super::cursor::{Cursor, Truncated};

/// Type bytes of a TABLE_MAP event (`enum_field_types`).
pub mod wire {
    /// TINYINT: 1 byte.
    pub const TINY: u8 = 1;
    /// SMALLINT: 2 bytes.
    pub const SHORT: u8 = 2;
    /// INT: 4 bytes.
    pub const LONG: u8 = 3;
    /// 4 bytes, IEEE 754, little-endian.
    pub const FLOAT: u8 = 4;
    /// 8 bytes, IEEE 754, little-endian.
    pub const DOUBLE: u8 = 5;
    /// TIMESTAMP of before MySQL 5.6.4: 4 bytes.
    pub const TIMESTAMP: u8 = 7;
    /// BIGINT: 8 bytes.
    pub const LONGLONG: u8 = 8;
    /// MEDIUMINT: 3 bytes.
    pub const INT24: u8 = 9;
    /// 3 bytes: day (5 bits), month (4), year (15), little-endian.
    pub const DATE: u8 = 10;
    /// 1 byte: the years since 1900; 0 is 0000.
    pub const YEAR: u8 = 13;
    /// As [`DATE`]; the type's name inside the server.
    pub const NEWDATE: u8 = 14;
    /// VARCHAR and VARBINARY: a length of 1 byte, or of 2 where the metadata (bytes at most) is above 255.
    pub const VARCHAR: u8 = 15;
    /// Big-endian; metadata: bits of the last, partial byte, and whole bytes.
    pub const BIT: u8 = 16;
    /// 4 bytes of seconds and 0 to 3 of the fraction, big-endian; metadata: digits of the fraction.
    pub const TIMESTAMP2: u8 = 17;
    /// 5 bytes and 0 to 3 of the fraction, big-endian; metadata: digits of the fraction.
    pub const DATETIME2: u8 = 18;
    /// 3 bytes and 0 to 3 of the fraction, big-endian; metadata: digits of the fraction.
    pub const TIME2: u8 = 19;
    /// Floats of 4 bytes behind a length; metadata: bytes of the length. Since MySQL 9.0.
    pub const VECTOR: u8 = 242;
    /// MySQL's binary JSON behind a length; metadata: bytes of the length.
    pub const JSON: u8 = 245;
    /// DECIMAL: packed groups of nine digits; metadata: precision and scale.
    pub const NEWDECIMAL: u8 = 246;
    /// The label's number in 1 or 2 bytes. Stands as [`STRING`], with this type in the metadata.
    pub const ENUM: u8 = 247;
    /// A bit for each label in 1 to 8 bytes. Stands as [`STRING`], with this type in the metadata.
    pub const SET: u8 = 248;
    /// MySQL writes [`BLOB`] for it; read alike.
    pub const TINY_BLOB: u8 = 249;
    /// MySQL writes [`BLOB`] for it; read alike.
    pub const MEDIUM_BLOB: u8 = 250;
    /// MySQL writes [`BLOB`] for it; read alike.
    pub const LONG_BLOB: u8 = 251;
    /// The BLOB and TEXT types: bytes behind a length; metadata: bytes of the length.
    pub const BLOB: u8 = 252;
    /// As [`VARCHAR`].
    pub const VAR_STRING: u8 = 253;
    /// CHAR and BINARY: bytes behind a length of 1 or 2 bytes, without the padding; ENUM and SET by their
    /// metadata.
    pub const STRING: u8 = 254;
    /// A SRID and WKB behind a length; metadata: bytes of the length.
    pub const GEOMETRY: u8 = 255;
}

/// A decoded TABLE_MAP event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableMap {
    /// What rows events call the table by; it changes when the server opens the table anew.
    pub id: u64,
    /// As the server stores it.
    pub schema: String,
    /// As the server stores it.
    pub table: String,
    /// In the order of the row image.
    pub columns: Vec<WireColumn>,
    /// Column names, when the server logs them (`binlog_row_metadata = FULL`).
    pub names: Option<Vec<String>>,
    /// By column: whether a number is unsigned; `None` where it is no number, or the server does not say.
    pub unsigned: Vec<Option<bool>>,
    /// By column: the number of a string column's collation; `None` where it is no such column.
    pub collations: Vec<Option<u64>>,
    /// By column: the labels of ENUM and SET, in the bytes of their character set (`binlog_row_metadata = FULL`).
    pub labels: Vec<Option<Vec<Vec<u8>>>>,
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
pub(crate) enum TableMapError {
    #[error("{0}")]
    Truncated(#[from] Truncated),
    #[error("column {column} has the unknown wire type {wire_type}")]
    UnknownType { column: usize, wire_type: u8 },
    #[error("a name is not UTF-8")]
    Name,
}

/// The table id and names alone: enough to know whether the table is of interest.
pub(crate) struct TableMapHead<'a> {
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
        let mut map = TableMap {
            id: self.id,
            schema: text(self.schema)?,
            table: text(self.table)?,
            unsigned: vec![None; count],
            collations: vec![None; count],
            labels: vec![None; count],
            columns,
            names: None,
        };
        map.take_metadata(cursor)?;
        Ok(map)
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

/// Fields of the optional metadata (`Table_map_event::Optional_metadata_field_type`).
mod field {
    pub const SIGNEDNESS: u8 = 1;
    pub const DEFAULT_CHARSET: u8 = 2;
    pub const COLUMN_CHARSET: u8 = 3;
    pub const COLUMN_NAME: u8 = 4;
    pub const SET_STR_VALUE: u8 = 5;
    pub const ENUM_STR_VALUE: u8 = 6;
}

/// The collation of columns without a character set.
pub const BINARY: u64 = 63;

impl TableMap {
    /// Reads what the server says of columns beyond their wire types.
    fn take_metadata(&mut self, mut cursor: Cursor<'_>) -> Result<(), TableMapError> {
        while !cursor.is_empty() {
            let kind = cursor.u8()?;
            let length = cursor.length()?;
            let value = Cursor::new(cursor.take(length)?);
            match kind {
                field::SIGNEDNESS => self.take_signedness(value)?,
                field::DEFAULT_CHARSET => self.take_charsets(value, true)?,
                field::COLUMN_CHARSET => self.take_charsets(value, false)?,
                field::COLUMN_NAME => self.take_names(value)?,
                field::SET_STR_VALUE => self.take_labels(value, wire::SET)?,
                field::ENUM_STR_VALUE => self.take_labels(value, wire::ENUM)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn of_kind(&self, is: impl Fn(u8) -> bool) -> Vec<usize> {
        (0..self.columns.len()).filter(|at| is(self.columns[*at].wire_type)).collect()
    }

    /// A bit per number, the highest bit of a byte first.
    fn take_signedness(&mut self, mut value: Cursor<'_>) -> Result<(), TableMapError> {
        use wire::*;
        let numbers = self.of_kind(|kind| {
            matches!(kind, TINY | SHORT | INT24 | LONG | LONGLONG | NEWDECIMAL | FLOAT | DOUBLE | YEAR)
        });
        let bits = value.take(numbers.len().div_ceil(8))?;
        for (place, column) in numbers.into_iter().enumerate() {
            self.unsigned[column] = Some(bits[place / 8] >> (7 - place % 8) & 1 == 1);
        }
        Ok(())
    }

    /// A collation per string column, or the most frequent one and then those that have another.
    fn take_charsets(&mut self, mut value: Cursor<'_>, by_default: bool) -> Result<(), TableMapError> {
        use wire::*;
        let strings = self.of_kind(|kind| matches!(kind, STRING | VAR_STRING | VARCHAR | BLOB));
        if by_default {
            let most = value.lenenc()?;
            strings.iter().for_each(|column| self.collations[*column] = Some(most));
            while !value.is_empty() {
                let place = usize::try_from(value.lenenc()?).map_err(|_| Truncated)?;
                let column = *strings.get(place).ok_or(Truncated)?;
                self.collations[column] = Some(value.lenenc()?);
            }
            return Ok(());
        }
        for column in strings {
            self.collations[column] = Some(value.lenenc()?);
        }
        Ok(())
    }

    fn take_names(&mut self, mut value: Cursor<'_>) -> Result<(), TableMapError> {
        let mut names = Vec::with_capacity(self.columns.len());
        while !value.is_empty() {
            let length = value.length()?;
            let name = value.take(length)?;
            names.push(String::from_utf8(name.to_vec()).map_err(|_| TableMapError::Name)?);
        }
        if names.len() != self.columns.len() {
            return Err(Truncated.into());
        }
        self.names = Some(names);
        Ok(())
    }

    /// For each column of the kind a number of labels, and these.
    fn take_labels(&mut self, mut value: Cursor<'_>, kind: u8) -> Result<(), TableMapError> {
        for column in self.of_kind(|found| found == kind) {
            let mut labels = Vec::new();
            for _ in 0..value.length()? {
                let length = value.length()?;
                labels.push(value.take(length)?.to_vec());
            }
            self.labels[column] = Some(labels);
        }
        Ok(())
    }
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
        assert_eq!(map.unsigned, [Some(true), None, None, None]);
        assert_eq!(map.names.unwrap(), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_column_far_behind_that_has_another_character_set_is_found() {
        // nine VARCHARs: utf8mb4 (255) by default, the last one binary
        let mut data = vec![7, 0, 0, 0, 0, 0, 1, 0, 1, b's', 0, 1, b't', 0, 9];
        data.extend([wire::VARCHAR; 9]);
        data.push(18);
        data.extend([40, 0].repeat(9));
        data.extend([0, 0]);
        data.extend([2, 5, 0xFC, 255, 0, 8, 63]);
        let map = TableMapHead::parse(&data).unwrap().complete().unwrap();
        assert_eq!(map.collations, [[Some(255); 8].as_slice(), &[Some(BINARY)]].concat());
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
