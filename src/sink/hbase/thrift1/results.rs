//! Ranges to scan, and rows as Thrift1 gives them back.

use crate::model::Tick;
use crate::sink::{ScanRange, StoredCell, StoredRow};
use bytes::Bytes;
use hbase_thrift::hbase::{TCell, TColumn, TRowResult, TScan};

/// All cells of a family, in order.
pub fn scan(range: &ScanRange, family: &[u8]) -> TScan {
    let bound = |key: &Bytes| (!key.is_empty()).then(|| key.to_vec());
    TScan {
        start_row: bound(&range.start),
        stop_row: bound(&range.stop),
        timestamp: None,
        columns: Some(vec![family.to_vec()]),
        caching: None,
        filter_string: None,
        batch_size: None,
        sort_columns: Some(true),
        reversed: Some(range.reversed),
        cache_blocks: None,
    }
}

/// The row of each key. Rows that do not exist are left out of a reply, which else is in the order asked for.
pub fn in_order(
    keys: &[Bytes],
    found: Vec<TRowResult>,
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
        Some(_) => Err("a row was answered that was not asked for"),
    }
}

/// A row as read. Cells come in the order of their qualifiers.
pub fn stored_row(result: TRowResult, family: &[u8]) -> Result<StoredRow, &'static str> {
    let row = result.row.ok_or("a row came without a key")?.into();
    // A get answers with a map, a scan with a list if asked to.
    let sorted = result.sorted_columns.into_iter().flatten();
    let mapped = result.columns.into_iter().flatten();
    let cells = sorted
        .map(|TColumn { column_name, cell }| stored_cell(column_name, cell, family))
        .chain(mapped.map(|(name, cell)| stored_cell(Some(name), Some(cell), family)));
    let cells: Vec<StoredCell> = cells.collect::<Result<_, _>>()?;
    match cells.is_empty() {
        true => Err("a row came without cells"),
        false => Ok(StoredRow { row, cells }),
    }
}

fn stored_cell(
    name: Option<Vec<u8>>,
    cell: Option<TCell>,
    family: &[u8],
) -> Result<StoredCell, &'static str> {
    let name = name.ok_or("a cell came without a name")?;
    let qualifier = name.strip_prefix(family).and_then(|rest| rest.strip_prefix(b":"));
    let qualifier = Bytes::copy_from_slice(qualifier.ok_or("a cell of another family came")?);
    let TCell { value, timestamp } = cell.ok_or("a cell came without content")?;
    let tick = timestamp.and_then(|stamp| u64::try_from(stamp).ok());
    let tick = Tick(tick.ok_or("a cell came without a timestamp")?);
    Ok(StoredCell { qualifier, value: value.unwrap_or_default().into(), tick })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, names: &[&str]) -> TRowResult {
        let column = |name: &&str| TColumn::new(name.as_bytes().to_vec(), TCell::new(b"v".to_vec(), 7));
        let columns: Vec<TColumn> = names.iter().map(column).collect();
        TRowResult::new(key.as_bytes().to_vec(), None, columns)
    }

    #[test]
    fn rows_that_are_not_there_leave_a_gap_and_a_key_may_be_asked_for_twice() {
        let keys = ["b", "x", "a", "b", "b"].map(Bytes::from);
        let found = ["b", "a", "b", "b"].map(|key| row(key, &["f:q"])).to_vec();
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
