//! Rows as Thrift1 gives them back.

use crate::model::Tick;
use crate::sink::hbase::calls::{Found, FoundCell};
use crate::sink::{StoredCell, StoredRow};
use bytes::Bytes;

/// The row of each key. Rows that do not exist are left out of a reply, which else is in the order asked for.
pub fn in_order(
    keys: &[Bytes],
    found: Vec<Found>,
    family: &[u8],
) -> Result<Vec<Option<StoredRow>>, &'static str> {
    let mut found = found.into_iter().peekable();
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        let row = found.next_if(|result| result.row.as_deref() == Some(&key[..]));
        rows.push(row.map(|row| stored_row(row, family)).transpose()?);
    }
    match found.next() {
        None => Ok(rows),
        Some(_) => Err("it sent a row that tailfill did not ask for"),
    }
}

/// A row as read. Cells come in the order of their qualifiers.
pub fn stored_row(result: Found, family: &[u8]) -> Result<StoredRow, &'static str> {
    let row = result.row.ok_or("it sent a row without a key")?;
    let cells: Vec<StoredCell> =
        result.cells.iter().map(|cell| stored_cell(cell, family)).collect::<Result<_, _>>()?;
    match cells.is_empty() {
        true => Err("it sent a row without cells"),
        false => Ok(StoredRow { row: Bytes::copy_from_slice(&row), cells }),
    }
}

/// Copies, so that a small cell that is kept does not keep the whole reply.
fn stored_cell(cell: &FoundCell, family: &[u8]) -> Result<StoredCell, &'static str> {
    let qualifier = cell.qualifier.strip_prefix(family).and_then(|rest| rest.strip_prefix(b":"));
    let qualifier = Bytes::copy_from_slice(qualifier.ok_or("it sent a cell of another family")?);
    let tick = cell.timestamp.and_then(|stamp| u64::try_from(stamp).ok());
    let tick = Tick(tick.ok_or("it sent a cell without a timestamp")?);
    Ok(StoredCell { qualifier, value: Bytes::copy_from_slice(&cell.value), tick })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, names: &[&str]) -> Found {
        let cell = |name: &&str| FoundCell {
            qualifier: Bytes::copy_from_slice(name.as_bytes()),
            value: "v".into(),
            timestamp: Some(7),
            ..FoundCell::default()
        };
        Found { row: Some(Bytes::copy_from_slice(key.as_bytes())), cells: names.iter().map(cell).collect() }
    }

    #[test]
    fn rows_that_are_not_there_leave_a_gap_and_a_key_may_be_asked_for_twice() {
        let keys = ["b", "x", "a", "b", "b"].map(Bytes::from);
        let found = ["b", "a", "b", "b"].map(|key| row(key, &["f:q"])).into();
        let rows = in_order(&keys, found, b"f").unwrap();
        let keys: Vec<Option<Bytes>> = rows.into_iter().map(|row| row.map(|row| row.row)).collect();
        assert_eq!(keys, [Some("b"), None, Some("a"), Some("b"), Some("b")].map(|key| key.map(Bytes::from)));
    }

    #[test]
    fn a_reply_that_does_not_fit_is_an_error() {
        let keys = ["a".into(), "b".into()];
        assert!(in_order(&keys, vec![row("b", &["f:q"]), row("a", &["f:q"])], b"f").is_err());
        for names in [&["g:q"][..], &["f"], &[]] {
            assert!(stored_row(row("a", names), b"f").is_err(), "{names:?}");
        }
        let named = stored_row(row("a", &["f:", "f::q"]), b"f").unwrap();
        assert_eq!(named.cells.iter().map(|cell| &cell.qualifier[..]).collect::<Vec<_>>(), [&b""[..], b":q"]);
    }
}
