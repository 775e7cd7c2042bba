//! What HBase shows of the table, what MySQL has, and how large the largest HBase row is.

use super::table::{self, TABLE};
use crate::ground::Ground;
use anyhow::{Context, ensure};
use mysql_async::prelude::Queryable;
use std::collections::BTreeMap;
use tailfill::model::{Layout, Mapping, TargetId, Value};
use tailfill::sink::hbase::HbaseSink;
use tailfill::sink::layout::{Address, Codec};
use tailfill::sink::{CellRange, ReadRows, StoredRow};

/// Cells that are read at once.
const PAGE_CELLS: usize = 50_000;
/// What a cell takes beside its row key, qualifier and value, and the one byte of its family: lengths, timestamp, type (HBase's KeyValue).
const CELL_BYTES: usize = 21;

/// Some items: their number, and the sum of their keys, which tells items apart that replace each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Items {
    pub count: u64,
    sum: u128,
}

/// Items by list and segment; of a target without order, everything is in segment 0.
pub type Groups = BTreeMap<(u64, i64), Items>;

/// An HBase row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LargeRow {
    pub cells: u64,
    /// As HBase counts it, by cells.
    pub bytes: u64,
    row: bytes::Bytes,
}

/// What is in HBase.
#[derive(Debug, Default)]
pub struct Shown {
    pub groups: Groups,
    pub largest: LargeRow,
}

/// What MySQL has.
pub async fn of_mysql(ground: &Ground, ordered: bool) -> anyhow::Result<Groups> {
    let segment = if ordered { table::segment() } else { "0".to_owned() };
    let mut conn = ground.connect().await?;
    let query = format!(
        "SELECT followee_id, {segment} AS segment, COUNT(*), CAST(SUM(follower_id) AS CHAR) FROM {TABLE} \
         GROUP BY followee_id, segment"
    );
    let rows: Vec<(u64, i64, u64, String)> = conn.query(query).await?;
    conn.disconnect().await?;
    let group = |(list, segment, count, sum): (u64, i64, u64, String)| {
        Ok(((list, segment), Items { count, sum: sum.parse().context("a sum of MySQL")? }))
    };
    rows.into_iter().map(group).collect()
}

/// What HBase has, read cell by cell and without values, and its largest row, read with them.
pub async fn of_hbase(sink: &HbaseSink, mapping: &Mapping) -> anyhow::Result<Shown> {
    let (mut shown, mut row) = (Shown::default(), LargeRow::default());
    let mut range = CellRange { limit: PAGE_CELLS, names_only: true, ..CellRange::default() };
    loop {
        let page = sink.scan_cells(TargetId(0), &range).await?;
        for part in &page {
            if part.row != row.row {
                keep_larger(&mut shown.largest, std::mem::take(&mut row));
                row.row = part.row.clone();
            }
            take_in(&mut shown.groups, mapping, part, row.cells == 0)?;
            row.cells += part.cells.len() as u64;
        }
        let Some(last) = page.last() else { break };
        let cell = last.cells.last().context("a row has cells")?;
        range = range.behind(&last.row, &cell.qualifier);
    }
    keep_larger(&mut shown.largest, row);
    shown.largest.bytes = bytes_of(sink, &shown.largest.row).await?;
    Ok(shown)
}

fn keep_larger(largest: &mut LargeRow, row: LargeRow) {
    if row.cells > largest.cells {
        *largest = row;
    }
}

fn take_in(groups: &mut Groups, mapping: &Mapping, part: &StoredRow, is_new: bool) -> anyhow::Result<()> {
    let target = &mapping.targets[0];
    if target.layout == Layout::Tall {
        // the row is the item, whatever cells it has
        return if is_new {
            add(groups, mapping, Address { row: part.row.clone(), cell: None })
        } else {
            Ok(())
        };
    }
    for cell in &part.cells {
        add(groups, mapping, Address { row: part.row.clone(), cell: Some(cell.qualifier.clone()) })?;
    }
    Ok(())
}

fn add(groups: &mut Groups, mapping: &Mapping, address: Address) -> anyhow::Result<()> {
    let parts = Codec::of(mapping, &mapping.targets[0]).split(&address);
    let parts = parts.with_context(|| format!("{address:02x?} in HBase is no item's"))?;
    let segment = match parts.order {
        Some(Value::DateTime(moment)) => {
            table::segment_of(moment.micros_since_epoch().context("a key holds points in time")?)
        }
        None => 0,
        Some(other) => anyhow::bail!("{other:?} is no moment"),
    };
    let (&[Value::UInt(list)], &[Value::UInt(item)]) = (&parts.key[..], &parts.item[..]) else {
        anyhow::bail!("{address:02x?} has other keys than the table");
    };
    let items = groups.entry((list, segment)).or_default();
    (items.count, items.sum) = (items.count + 1, items.sum + u128::from(item));
    Ok(())
}

async fn bytes_of(sink: &HbaseSink, row: &bytes::Bytes) -> anyhow::Result<u64> {
    let (mut range, mut bytes) = (CellRange::of_row(row, PAGE_CELLS), 0);
    loop {
        let page = sink.scan_cells(TargetId(0), &range).await?;
        let Some(part) = page.first() else { return Ok(bytes) };
        let cell = |cell: &tailfill::sink::StoredCell| {
            row.len() + cell.qualifier.len() + cell.value.len() + CELL_BYTES
        };
        bytes += part.cells.iter().map(cell).sum::<usize>() as u64;
        let last = part.cells.last().context("a row has cells")?;
        range = range.behind(row, &last.qualifier);
    }
}

/// The number of all items.
pub fn count(groups: &Groups) -> u64 {
    groups.values().map(|items| items.count).sum()
}

/// # Errors
/// A list has not the same items on both sides, so none of the figures means anything.
pub fn compare(mysql: &Groups, hbase: &Groups) -> anyhow::Result<()> {
    let differ = |groups: &Groups, other: &Groups| {
        groups
            .iter()
            .filter(|(key, items)| other.get(key) != Some(items))
            .map(|(key, _)| *key)
            .collect::<Vec<_>>()
    };
    let (here, there) = (differ(mysql, hbase), differ(hbase, mysql));
    ensure!(
        here.is_empty() && there.is_empty(),
        "{} groups of {} items in MySQL and {} groups of {} in HBase are not the same, {:?} among them",
        here.len(),
        count(mysql),
        there.len(),
        count(hbase),
        here.iter().chain(&there).next()
    );
    Ok(())
}
