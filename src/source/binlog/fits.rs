//! Whether the columns of a TABLE_MAP event are those of a definition: number, wire types, and whatever the server says
//! of them beyond that.

use super::decode::Decoder;
use super::table_map::{BINARY, TableMap, WireColumn, wire};
use crate::failpoints::Failpoints;
use crate::model::{Column, ColumnType};
use crate::source::text::Charset;
use mysql_common::collations::{Collation, CollationId};

/// Why a TABLE_MAP and a schema do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error("a row in the binlog has {binlog} columns, the table has {schema}")]
    ColumnCount { binlog: usize, schema: usize },
    #[error(
        "the binlog names no columns, and tailfill does not know their order between two quick ALTERs: set \
         binlog_row_metadata = FULL at the source"
    )]
    NoNames,
    #[error("column {0} does not exist, or changed its type")]
    Column(String),
    #[error("column {column} is {binlog} in the binlog")]
    Kind { column: String, binlog: String },
    #[error("column {column} has the character set {charset}, which is not supported")]
    Charset { column: String, charset: String },
}

/// Whether every column may stand where the definition has it: one that does not tells of an order that is another.
pub fn places_fit(map: &TableMap, present: &[Column]) -> Result<(), Mismatch> {
    if Failpoints::default().wire_not_checked() {
        return Ok(());
    }
    for (at, column) in present.iter().enumerate() {
        let charset = Some(Charset::Utf8);
        if Decoder::new(map.columns[at], &column.column_type, charset).is_none() {
            return Err(Mismatch::Column(column.name.clone()));
        }
        kind_fits(map, at, column)?;
    }
    Ok(())
}

/// What the server says of a column beyond its wire type.
pub fn kind_fits(map: &TableMap, at: usize, column: &Column) -> Result<(), Mismatch> {
    if Failpoints::default().wire_not_checked() {
        return Ok(());
    }
    let other = |binlog: &str| Mismatch::Kind { column: column.name.clone(), binlog: binlog.to_owned() };
    match (&column.column_type, map.unsigned[at]) {
        (ColumnType::Integer { unsigned: false, .. }, Some(true)) => return Err(other("unsigned")),
        (ColumnType::Integer { unsigned: true, .. }, Some(false)) => return Err(other("signed")),
        _ => {}
    }
    collation_fits(map.collations[at], column, other)?;
    if size(column, map.columns[at]).is_some_and(|(declared, found)| declared != found) {
        return Err(other("of another length"));
    }
    let (ColumnType::Enum { labels } | ColumnType::Set { labels }, Some(logged)) =
        (&column.column_type, &map.labels[at])
    else {
        return Ok(());
    };
    if may_be_labels(labels, logged) { Ok(()) } else { Err(other("of other labels")) }
}

/// Whether labels may be those that a table map has in the bytes of their character set: compared are their number, and
/// those that are ASCII on both sides. A zero byte is a part of a wider character, as in utf16.
fn may_be_labels(labels: &[String], logged: &[Vec<u8>]) -> bool {
    let is_ascii = |bytes: &[u8]| bytes.is_ascii() && !bytes.contains(&0);
    let is_other = |(ours, logged): (&String, &Vec<u8>)| {
        is_ascii(ours.as_bytes()) && is_ascii(logged) && ours.as_bytes() != logged.as_slice()
    };
    labels.len() == logged.len() && !labels.iter().zip(logged).any(is_other)
}

fn collation_fits(
    logged: Option<u64>,
    column: &Column,
    other: impl Fn(&str) -> Mismatch,
) -> Result<(), Mismatch> {
    match (&column.column_type, logged) {
        (ColumnType::Text { .. }, Some(BINARY)) => Err(other("without a character set")),
        (ColumnType::Binary { .. } | ColumnType::VarBinary, Some(id)) if id != BINARY => Err(other("text")),
        (ColumnType::Text { collation, .. }, Some(id)) => {
            let id = u16::try_from(id).map_or(CollationId::UNKNOWN_COLLATION_ID, CollationId::from);
            match (known(id), known(CollationId::from(collation.as_str()))) {
                (Some(found), Some(ours)) if found.id() != ours.id() => {
                    Err(other(&format!("in the collation {}", found.collation())))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// `None`: one that this program does not know.
fn known(id: CollationId) -> Option<Collation<'static>> {
    (id != CollationId::UNKNOWN_COLLATION_ID).then(|| Collation::resolve(id))
}

/// The size of a column by its declaration and in the binlog, where both are known: bytes of a string, bytes of a number
/// of an ENUM or SET.
fn size(column: &Column, wire: WireColumn) -> Option<(usize, usize)> {
    let [meta0, meta1] = wire.meta.map(usize::from);
    let declared = match &column.column_type {
        ColumnType::Enum { labels } => Some(if labels.len() < 256 { 1 } else { 2 }),
        ColumnType::Set { labels } => Some(match labels.len().div_ceil(8) {
            bytes @ 0..=4 => bytes.max(1),
            _ => 8,
        }),
        ColumnType::Text { collation, .. } => {
            let characters = length(&column.declared)?;
            let collation = known(CollationId::from(collation.as_str()))?;
            Some(characters * usize::from(collation.max_len()))
        }
        ColumnType::Binary { .. } | ColumnType::VarBinary => length(&column.declared),
        _ => None,
    }?;
    let found = match wire.wire_type {
        wire::ENUM | wire::SET => meta1,
        wire::VARCHAR => meta1 << 8 | meta0,
        // the two high bits of a length stand inverted beside the type
        wire::STRING => ((meta0 & 0x30) ^ 0x30) << 4 | meta1,
        _ => return None,
    };
    Some((declared, found))
}

/// 40 of `varchar(40)`.
fn length(declared: &str) -> Option<usize> {
    let (name, rest) = declared.split_once('(')?;
    let is_string =
        ["char", "varchar", "binary", "varbinary"].iter().any(|kind| name.eq_ignore_ascii_case(kind));
    is_string.then(|| rest.split_once(')')?.0.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A VARCHAR(10) of utf8mb4_bin, a SET of nine and a CHAR(100), as they come over the wire.
    fn map(meta: [[u8; 2]; 3], collation: u64) -> TableMap {
        let column = |wire_type, meta| WireColumn { wire_type, meta };
        TableMap {
            id: 1,
            schema: "s".into(),
            table: "t".into(),
            columns: vec![
                column(wire::VARCHAR, meta[0]),
                column(wire::SET, meta[1]),
                column(wire::STRING, meta[2]),
            ],
            names: None,
            unsigned: vec![None; 3],
            collations: vec![Some(collation), None, Some(collation)],
            labels: vec![None; 3],
        }
    }

    fn columns() -> Vec<Column> {
        let column = |column_type, declared: &str| Column {
            name: declared.into(),
            column_type,
            nullable: false,
            declared: declared.into(),
            virtual_generated: false,
        };
        let text = || ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() };
        let labels = (0..9).map(|label| label.to_string()).collect();
        vec![
            column(text(), "varchar(10)"),
            column(ColumnType::Set { labels }, "set"),
            column(text(), "char(100)"),
        ]
    }

    #[test]
    fn lengths_sizes_and_collations_have_to_be_those_of_the_definition() {
        const BIN: u64 = 46;
        const GENERAL: u64 = 45;
        // 400 bytes of the CHAR: 0x190, of which 0x1 stands inverted in the type
        let right = [[40, 0], [wire::SET, 2], [wire::STRING ^ 0x10, 0x90]];
        let fits = |meta, collation| places_fit(&map(meta, collation), &columns());
        assert_eq!(fits(right, BIN), Ok(()));
        assert!(fits(right, GENERAL).is_err());
        assert_eq!(fits(right, 9_999), Ok(()), "nobody knows this one");
        for (column, meta) in [(0, [44, 0]), (1, [wire::SET, 1]), (2, [wire::STRING ^ 0x10, 0x94])] {
            let mut other = right;
            other[column] = meta;
            assert!(fits(other, BIN).is_err(), "column {column}");
        }
    }

    #[test]
    fn labels_are_compared_where_their_bytes_say_what_they_are() {
        let may_be = |ours: &[&str], logged: &[&[u8]]| {
            let ours: Vec<String> = ours.iter().map(|label| (*label).to_owned()).collect();
            may_be_labels(&ours, &logged.iter().map(|label| label.to_vec()).collect::<Vec<_>>())
        };
        assert!(may_be(&["a", "größe"], &[b"a", b"gr\xF6\xDFe"]));
        assert!(!may_be(&["a", "b"], &[b"b", b"a"]) && !may_be(&["a"], &[b"a", b"b"]));
        // utf16, utf16le, utf32
        assert!(may_be(&["a", "b", "c"], &[b"\0a", b"b\0", b"\0\0\0c"]));
    }
}
