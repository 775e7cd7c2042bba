//! From writes, keys and ranges to Thrift2 requests of bounded size, and back from results.

use super::thrift::{TColumn, TColumnValue, TDelete, TDeleteType, TGet, TPut, TResult, TScan};
use crate::model::Tick;
use crate::sink::{ROW_KEY_BYTES_MAX, RowWrite, ScanRange, StoredCell, StoredRow};
use bytes::Bytes;

/// Bytes of one request at most, unless a single row has more.
pub const CALL_BYTES_MAX: usize = 4 << 20;

/// What a request holds beside its rows: message header, method and table name.
const ENVELOPE_BYTES: usize = 1_024;

/// The bounds of one request.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub rows: usize,
    pub bytes: usize,
    /// Whether a request above `bytes` is lost (a framed gateway closes the connection).
    pub hard: bool,
    /// Bytes of one cell as HBase stores it, key included.
    pub cell_bytes: usize,
}

type Mutations = (Vec<Vec<TDelete>>, Vec<Vec<TPut>>);

/// The calls that write `rows`: deletes, and puts, each split within `bounds`, in the order given.
pub fn mutations(rows: &[RowWrite], family: &Bytes, bounds: Bounds) -> Result<Mutations, String> {
    let (mut deletes, mut puts) = (Calls::new(bounds), Calls::new(bounds));
    for write in rows {
        let timestamp = timestamp(write.tick)?;
        check_row_key(&write.row)?;
        if write.delete_family {
            let column = TColumn { family: family.clone(), qualifier: None, timestamp: Some(timestamp) };
            deletes.add(delete(&write.row, vec![column], TDeleteType::DELETE_FAMILY))?;
        }
        if !write.delete_columns.is_empty() {
            // The timestamp stands on each column: the one above them is ignored.
            let column = |qualifier: &Bytes| TColumn {
                family: family.clone(),
                qualifier: Some(qualifier.clone()),
                timestamp: Some(timestamp),
            };
            let columns = write.delete_columns.iter().map(column).collect();
            deletes.add(delete(&write.row, columns, TDeleteType::DELETE_COLUMNS))?;
        }
        if !write.puts.is_empty() {
            check_cells(write, family, bounds)?;
            puts.add(put(write, family, timestamp))?;
        }
    }
    Ok((deletes.finish(), puts.finish()))
}

/// Keys in groups that one getMultiple may ask for.
pub fn split_keys(keys: &[Bytes], bounds: Bounds) -> impl Iterator<Item = &[Bytes]> {
    let longest = keys.iter().map(Bytes::len).max().unwrap_or(0) + 64;
    let by_bytes = (bounds.bytes.saturating_sub(ENVELOPE_BYTES) / longest).max(1);
    keys.chunks(bounds.rows.min(by_bytes))
}

pub fn get(key: &Bytes, family: &Bytes) -> TGet {
    TGet { row: key.clone(), columns: Some(vec![whole(family)]) }
}

pub fn scan(range: &ScanRange, family: &Bytes, rows: i32) -> TScan {
    let bound = |key: &Bytes| (!key.is_empty()).then(|| key.clone());
    TScan {
        start_row: bound(&range.start),
        stop_row: bound(&range.stop),
        columns: Some(vec![whole(family)]),
        caching: Some(rows),
        reversed: Some(range.reversed),
        limit: Some(rows),
    }
}

/// A row as read; `None` for one that does not exist. Cells come in the order of their qualifiers.
pub fn stored_row(result: TResult) -> Result<Option<StoredRow>, &'static str> {
    let Some(row) = result.row.filter(|_| !result.column_values.is_empty()) else { return Ok(None) };
    let mut cells = Vec::with_capacity(result.column_values.len());
    for cell in result.column_values {
        let tick = cell.timestamp.and_then(|stamp| u64::try_from(stamp).ok());
        let tick = Tick(tick.ok_or("a cell came without a timestamp")?);
        // Copies, so that a small cell that is kept does not keep the whole reply.
        let (qualifier, value) =
            (Bytes::copy_from_slice(&cell.qualifier), Bytes::copy_from_slice(&cell.value));
        cells.push(StoredCell { qualifier, value, tick });
    }
    cells.sort_by(|a, b| a.qualifier.cmp(&b.qualifier));
    Ok(Some(StoredRow { row: Bytes::copy_from_slice(&row), cells }))
}

/// How many rows to ask for at once: as many as a few megabytes hold, by what was read so far.
#[derive(Default)]
pub struct Page {
    rows: usize,
    bytes: usize,
}

impl Page {
    const FIRST_ROWS: usize = 500;
    const ROWS_MAX: usize = 5_000;
    const BYTES: usize = 4 << 20;

    pub fn rows(&self) -> usize {
        if self.rows == 0 {
            return Page::FIRST_ROWS;
        }
        (Page::BYTES / (self.bytes / self.rows).max(1)).clamp(1, Page::ROWS_MAX)
    }

    pub fn learn(&mut self, found: &[StoredRow]) {
        let cell = |cell: &StoredCell| cell.qualifier.len() + cell.value.len() + 40;
        self.rows = found.len();
        self.bytes = found.iter().map(|row| row.row.len() + row.cells.iter().map(cell).sum::<usize>()).sum();
    }
}

fn whole(family: &Bytes) -> TColumn {
    TColumn { family: family.clone(), qualifier: None, timestamp: None }
}

fn delete(row: &Bytes, columns: Vec<TColumn>, delete_type: TDeleteType) -> TDelete {
    TDelete { row: row.clone(), columns: Some(columns), delete_type: Some(delete_type) }
}

fn put(write: &RowWrite, family: &Bytes, timestamp: i64) -> TPut {
    let cell = |(qualifier, value): &(Bytes, Bytes)| TColumnValue {
        family: family.clone(),
        qualifier: qualifier.clone(),
        value: value.clone(),
        timestamp: Some(timestamp),
    };
    TPut { row: write.row.clone(), column_values: write.puts.iter().map(cell).collect(), attributes: None }
}

/// HBase replaces its greatest timestamp with the time of the call.
fn timestamp(tick: Tick) -> Result<i64, String> {
    i64::try_from(tick.0)
        .ok()
        .filter(|stamp| *stamp < i64::MAX)
        .ok_or_else(|| format!("tick {tick} is no HBase timestamp"))
}

fn check_row_key(row: &Bytes) -> Result<(), String> {
    match row.len() {
        0 => Err("row keys cannot be empty".into()),
        length if length > ROW_KEY_BYTES_MAX => {
            Err(format!("a row key of {length} bytes is longer than HBase takes ({ROW_KEY_BYTES_MAX})"))
        }
        _ => Ok(()),
    }
}

/// HBase counts 24 bytes for a cell beside its row key, family, qualifier and value.
fn check_cells(write: &RowWrite, family: &Bytes, bounds: Bounds) -> Result<(), String> {
    let size = |(qualifier, value): &(Bytes, Bytes)| {
        24 + write.row.len() + family.len() + qualifier.len() + value.len()
    };
    match write.puts.iter().map(size).max() {
        Some(size) if size > bounds.cell_bytes => Err(format!(
            "a cell of {size} bytes is larger than HBase takes ({} bytes: hbase.client.keyvalue.maxsize and \
             hbase.server.keyvalue.maxsize)",
            bounds.cell_bytes
        )),
        _ => Ok(()),
    }
}

/// Bytes of a mutation on the wire, binary protocol: a field header has 3, a length 4, a number 8.
trait WireSize {
    fn wire_size(&self) -> usize;
}

impl WireSize for TPut {
    fn wire_size(&self) -> usize {
        let cell = |cell: &TColumnValue| 33 + cell.family.len() + cell.qualifier.len() + cell.value.len();
        16 + self.row.len() + self.column_values.iter().map(cell).sum::<usize>()
    }
}

impl WireSize for TDelete {
    fn wire_size(&self) -> usize {
        let column =
            |column: &TColumn| 26 + column.family.len() + column.qualifier.as_ref().map_or(0, Bytes::len);
        let columns = self.columns.iter().flatten().map(column).sum::<usize>();
        23 + self.row.len() + columns
    }
}

/// Mutations, split into calls.
struct Calls<T> {
    bounds: Bounds,
    full: Vec<Vec<T>>,
    call: Vec<T>,
    bytes: usize,
}

impl<T: WireSize> Calls<T> {
    fn new(bounds: Bounds) -> Calls<T> {
        Calls { bounds, full: Vec::new(), call: Vec::new(), bytes: ENVELOPE_BYTES }
    }

    fn add(&mut self, mutation: T) -> Result<(), String> {
        let size = mutation.wire_size();
        if self.bounds.hard && size + ENVELOPE_BYTES > self.bounds.bytes {
            return Err(format!(
                "a row of {size} bytes does not fit into a frame of {} bytes; raise the gateway's \
                 hbase.regionserver.thrift.framed.max_frame_size_in_mb, or use buffered transport",
                self.bounds.bytes
            ));
        }
        if self.call.len() == self.bounds.rows || self.bytes + size > self.bounds.bytes {
            self.close();
        }
        self.bytes += size;
        self.call.push(mutation);
        Ok(())
    }

    fn close(&mut self) {
        if !self.call.is_empty() {
            self.full.push(std::mem::take(&mut self.call));
        }
        self.bytes = ENVELOPE_BYTES;
    }

    fn finish(mut self) -> Vec<Vec<T>> {
        self.close();
        self.full
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
