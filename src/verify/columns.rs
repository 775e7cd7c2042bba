//! Which columns differ, where one cell holds all columns of an item, or one column alone.

use crate::compare::{CellDifference, Difference, How};
use crate::model::{CellForm, Mapping, Target};
use crate::sink::StoredRow;
use crate::sink::decode;
use crate::sink::layout::ItemWrite;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Names columns instead of the cell that they are in. Where the cell is not what anybody writes, and where the same
/// columns are merely written otherwise, it stays one difference of the whole value.
pub fn by_column(
    mapping: &Mapping,
    target: &Target,
    found: Difference,
    expected: &ItemWrite,
    stored: &StoredRow,
) -> Difference {
    if target.form == CellForm::Columns || !matches!(found, Difference::Different(_)) {
        return found;
    }
    let own = expected.address.cell.clone().unwrap_or_default();
    let said = expected.puts.iter().map(|(qualifier, value)| (qualifier, value));
    let found = stored.cells.iter().map(|cell| (&cell.qualifier, &cell.value));
    let is_there = stored.cells.iter().any(|cell| cell.qualifier == own);
    let said: Columns = decode::columns(mapping, target, said).into_iter().collect();
    let found: Columns = decode::columns(mapping, target, found).into_iter().collect();
    let mut differ = merged(&said, &found);
    if !is_there || found.contains_key(&decode::UNREADABLE) {
        // what is in it cannot be told, so that only cells beside it have names
        differ.retain(|cell| !said.contains_key(&cell.qualifier) && cell.qualifier != decode::UNREADABLE);
        differ.insert(0, whole(if is_there { How::Changed } else { How::Absent }));
    }
    if differ.is_empty() {
        differ.push(whole(How::Changed));
    }
    Difference::Different(differ)
}

/// Values by name.
type Columns = BTreeMap<Bytes, Bytes>;

fn whole(how: How) -> CellDifference {
    CellDifference { qualifier: Bytes::new(), how }
}

/// By name.
fn merged(expected: &Columns, stored: &Columns) -> Vec<CellDifference> {
    let gone = expected.iter().filter_map(|(name, value)| match stored.get(name) {
        None => Some((name, How::Absent)),
        Some(other) if other != value => Some((name, How::Changed)),
        Some(_) => None,
    });
    let new = stored.keys().filter(|name| !expected.contains_key(*name));
    let all: BTreeMap<&Bytes, How> = gone.chain(new.map(|name| (name, How::Unexpected))).collect();
    all.into_iter().map(|(name, how)| CellDifference { qualifier: name.clone(), how }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::difference;
    use crate::model::{Row, Tick};
    use crate::sink::StoredCell;
    use crate::sink::layout::Codec;
    use crate::verify::fixtures::{edge, mapping, packed};

    fn stored(write: &ItemWrite) -> StoredRow {
        let cells = write.puts.iter().map(|(qualifier, value)| StoredCell {
            qualifier: qualifier.clone(),
            value: value.clone(),
            tick: Tick(1),
        });
        StoredRow { row: write.address.row.clone(), cells: cells.collect() }
    }

    /// What is said where HBase has `in_hbase` in the place of `expected`, changed by `change`.
    fn said(
        form: CellForm,
        expected: &Row,
        in_hbase: &Row,
        change: impl Fn(&mut StoredRow),
    ) -> Vec<(String, How)> {
        let mapping = mapping();
        let target = packed(&mapping.targets[0], form);
        let write = Codec::of(&mapping, &target).item_write(expected).unwrap();
        let mut stored = stored(&Codec::of(&mapping, &target).item_write(in_hbase).unwrap());
        change(&mut stored);
        let Some(found) = difference(Some(&write), Some(&stored)) else { return vec![] };
        match by_column(&mapping, &target, found, &write, &stored) {
            Difference::Different(cells) => {
                cells.iter().map(|c| (String::from_utf8_lossy(&c.qualifier).into_owned(), c.how)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn names(all: &[(&str, How)]) -> Vec<(String, How)> {
        all.iter().map(|(name, how)| ((*name).to_owned(), *how)).collect()
    }

    #[test]
    fn columns_that_differ_in_a_packed_value_are_named() {
        let row = edge(1, 2, 3, Some("note"));
        let same = |_: &mut StoredRow| {};
        for form in [CellForm::Msgpack, CellForm::Json] {
            assert_eq!(said(form, &row, &row, same), []);
            let other = said(form, &row, &edge(1, 2, 3, Some("other")), same);
            assert_eq!(other, names(&[("note", How::Changed)]));
            let both = said(form, &row, &edge(1, 2, 4, None), same);
            assert_eq!(both, names(&[("created_at", How::Changed), ("note", How::Absent)]));
            let null = said(form, &edge(1, 2, 3, None), &row, same);
            assert_eq!(null, names(&[("note", How::Unexpected)]));
        }
    }

    #[test]
    fn a_value_that_is_none_of_ours_is_named_as_a_whole() {
        let row = edge(1, 2, 3, Some("note"));
        for form in [CellForm::Msgpack, CellForm::Json] {
            for garbage in [&b""[..], b"\x81", b"\x81\xa1a\xc7", b"{\"a\"", b"[1]", b"\xff\xff"] {
                let other = |stored: &mut StoredRow| stored.cells[0].value = Bytes::copy_from_slice(garbage);
                assert_eq!(said(form, &row, &row, other), names(&[("", How::Changed)]), "{garbage:?}");
            }
        }
        let spaced = |stored: &mut StoredRow| {
            stored.cells[0].value = [&stored.cells[0].value[..], b" "].concat().into();
        };
        assert_eq!(said(CellForm::Json, &row, &row, spaced), names(&[("", How::Changed)]));
    }

    #[test]
    fn a_column_alone_is_named_and_so_are_cells_beside() {
        let (row, other) = (edge(1, 2, 3, Some("note")), edge(1, 2, 3, None));
        assert_eq!(said(CellForm::Alone, &row, &other, |_| {}), names(&[("note", How::Absent)]));
        assert_eq!(said(CellForm::Alone, &other, &row, |_| {}), names(&[("note", How::Unexpected)]));
        let beside = |stored: &mut StoredRow| {
            let cell = StoredCell { qualifier: "odd".into(), value: Bytes::new(), tick: Tick(1) };
            stored.cells.push(cell);
        };
        assert_eq!(said(CellForm::Alone, &row, &row, beside), names(&[("odd", How::Unexpected)]));
        let instead = |stored: &mut StoredRow| {
            beside(stored);
            stored.cells.remove(0);
        };
        let absent = names(&[("", How::Absent), ("odd", How::Unexpected)]);
        assert_eq!(said(CellForm::Msgpack, &row, &row, instead), absent);
    }
}
