//! One item of MySQL against what HBase has at its address. Pure.

use crate::sink::StoredRow;
use crate::sink::layout::ItemWrite;
use bytes::Bytes;

/// How MySQL and HBase differ at one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// MySQL has the item, HBase has nothing there.
    Missing,
    /// HBase has something there, MySQL has no item that belongs there.
    Extra,
    /// Both have the item, with other cells. In the order of the qualifiers.
    Different(Vec<CellDifference>),
}

/// A cell that is not as MySQL's row says, or after `verify::columns` a column in one. Names
/// only: values do not belong in reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellDifference {
    /// Or the column's name; empty where it is the whole value of a cell that holds all.
    pub qualifier: Bytes,
    pub how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Both have the cell, with other values.
    Changed,
    /// HBase lacks it.
    Absent,
    /// MySQL has no such value, or has NULL.
    Unexpected,
}

/// Qualifiers and values, by qualifier. A cell with an empty qualifier is left out when there are others: it is the
/// placeholder of an item without any (docs/formats.md), and may stay behind when a column gets a value.
pub fn cells<'a>(all: impl Iterator<Item = (&'a Bytes, &'a Bytes)>) -> Vec<(&'a [u8], &'a [u8])> {
    let mut cells: Vec<(&[u8], &[u8])> = all.map(|(qualifier, value)| (&qualifier[..], &value[..])).collect();
    cells.sort_unstable();
    if cells.iter().any(|(qualifier, _)| !qualifier.is_empty()) {
        cells.retain(|(qualifier, _)| !qualifier.is_empty());
    }
    cells
}

/// The [`cells`] that a row of MySQL should have in HBase.
pub fn expected_cells(write: &ItemWrite) -> Vec<(&[u8], &[u8])> {
    cells(write.puts.iter().map(|(qualifier, value)| (qualifier, value)))
}

/// The [`cells`] that HBase has of an item.
pub fn stored_cells(row: &StoredRow) -> Vec<(&[u8], &[u8])> {
    cells(row.cells.iter().map(|cell| (&cell.qualifier, &cell.value)))
}

/// What differs at one address; `None` when nothing does. Both sides must be of the same one; in the wide layout
/// `stored` is its row with that cell alone.
pub fn difference(expected: Option<&ItemWrite>, stored: Option<&StoredRow>) -> Option<Difference> {
    match (expected, stored) {
        (None, None) => None,
        (Some(_), None) => Some(Difference::Missing),
        (None, Some(_)) => Some(Difference::Extra),
        (Some(expected), Some(stored)) => {
            let cells = cell_differences(&expected_cells(expected), &stored_cells(stored));
            (!cells.is_empty()).then_some(Difference::Different(cells))
        }
    }
}

/// Merges two lists in qualifier order.
fn cell_differences(expected: &[(&[u8], &[u8])], stored: &[(&[u8], &[u8])]) -> Vec<CellDifference> {
    let mut found = Vec::new();
    let mut note = |qualifier: &[u8], how| {
        found.push(CellDifference { qualifier: Bytes::copy_from_slice(qualifier), how });
    };
    let (mut expected, mut stored) = (expected.iter().peekable(), stored.iter().peekable());
    loop {
        match (expected.peek(), stored.peek()) {
            (None, None) => break,
            (Some((name, value)), Some((other, found))) if name == other => {
                if value != found {
                    note(name, How::Changed);
                }
                expected.next();
                stored.next();
            }
            (Some((name, _)), Some((other, _))) if name < other => {
                note(name, How::Absent);
                expected.next();
            }
            (Some((name, _)), None) => {
                note(name, How::Absent);
                expected.next();
            }
            (_, Some((other, _))) => {
                note(other, How::Unexpected);
                stored.next();
            }
        }
    }
    // The placeholder stands for "no cells", so it is worth no word where cells are named.
    if found.len() > 1 {
        found.retain(|cell| !cell.qualifier.is_empty());
    }
    found
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::Tick;
    use crate::sink::StoredCell;
    use crate::sink::layout::Address;
    use crate::sink::tall::PLACEHOLDER;

    type Cells = Vec<(&'static str, &'static str)>;

    pub(crate) fn write(cells: &[(&str, &str)]) -> ItemWrite {
        let owned = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let mut puts: Vec<_> = cells.iter().map(|(name, value)| (owned(name), owned(value))).collect();
        if puts.is_empty() {
            puts.push(PLACEHOLDER);
        }
        ItemWrite { address: Address { row: "r".into(), cell: None }, puts, nulls: vec![] }
    }

    pub(crate) fn stored(cells: &[(&str, &str)]) -> StoredRow {
        let cell = |(name, value): &(&str, &str)| StoredCell {
            qualifier: Bytes::copy_from_slice(name.as_bytes()),
            value: Bytes::copy_from_slice(value.as_bytes()),
            tick: Tick(1),
        };
        StoredRow { row: "r".into(), cells: cells.iter().map(cell).collect() }
    }

    fn found(expected: &[(&str, &str)], in_hbase: &[(&str, &str)]) -> Vec<(String, How)> {
        match difference(Some(&write(expected)), Some(&stored(in_hbase))) {
            None => vec![],
            Some(Difference::Different(cells)) => {
                let name = |cell: &CellDifference| String::from_utf8_lossy(&cell.qualifier).into_owned();
                cells.iter().map(|cell| (name(cell), cell.how)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_row_on_one_side_only_is_missing_or_extra() {
        assert_eq!(difference(None, None), None);
        assert_eq!(difference(Some(&write(&[("a", "1")])), None), Some(Difference::Missing));
        assert_eq!(difference(None, Some(&stored(&[("a", "1")]))), Some(Difference::Extra));
    }

    #[test]
    fn each_cell_that_differs_is_named_whatever_the_order_of_columns() {
        let expected: Cells = vec![("z", "1"), ("a", "1"), ("m", "1")];
        assert_eq!(found(&expected, &[("a", "1"), ("m", "1"), ("z", "1")]), []);
        let cells = found(&expected, &[("a", "2"), ("b", "1"), ("z", "1")]);
        let named = [("a", How::Changed), ("b", How::Unexpected), ("m", How::Absent)];
        assert_eq!(cells, named.map(|(name, how)| (name.to_owned(), how)));
    }

    #[test]
    fn the_placeholder_is_needed_without_cells_and_ignored_beside_them() {
        assert_eq!(found(&[], &[("", "")]), []);
        assert_eq!(found(&[("a", "1")], &[("", ""), ("a", "1")]), []);
        assert_eq!(found(&[], &[("", "x")]), [(String::new(), How::Changed)]);
        assert_eq!(found(&[("a", "1")], &[("", "")]), [("a".to_owned(), How::Absent)]);
        assert_eq!(found(&[], &[("", ""), ("a", "1")]), [("a".to_owned(), How::Unexpected)]);
    }
}
