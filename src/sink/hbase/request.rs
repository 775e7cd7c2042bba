//! From writes, keys and ranges to Thrift2 requests of bounded size, and back from results.

use super::thrift::{TColumn, TGet, TResult, TScan};
use super::wire;
use crate::model::Tick;
use crate::sink::{PackedWrite, ROW_KEY_BYTES_MAX, ScanRange, StoredCell, StoredRow};
use bytes::Bytes;

/// Bytes of one request at most, unless a single row has more.
pub const CALL_BYTES_MAX: usize = 4 << 20;

/// What a request holds beside its rows: message header, method and table name.
pub const ENVELOPE_BYTES: usize = 1_024;

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

/// The calls that write rows.
#[derive(Debug, Default)]
pub struct Mutations {
    /// Calls of deleteMultiple.
    pub deletes: Vec<Call>,
    /// Calls of putMultiple.
    pub puts: Vec<Call>,
}

/// One call that writes.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    /// Its mutations, each of one row.
    pub rows: usize,
    /// Its arguments in Thrift's binary protocol.
    pub arguments: Bytes,
}

/// The calls that write `rows`: deletes, and puts, each split within `bounds`, in the order given.
pub fn mutations(rows: &[PackedWrite<'_>], place: &Place<'_>, bounds: Bounds) -> Result<Mutations, String> {
    let (mut deletes, mut puts) = (Calls::new(bounds, place.table), Calls::new(bounds, place.table));
    for write in rows {
        let timestamp = timestamp(write.tick)?;
        check_row_key(write.row)?;
        if write.delete_family {
            deletes.add(|call| wire::delete_family(call, write.row, place.family, timestamp))?;
        }
        let columns = write.delete_columns().count();
        if columns > 0 {
            deletes.add(|call| {
                wire::delete_columns(
                    call,
                    write.row,
                    place.family,
                    columns,
                    write.delete_columns(),
                    timestamp,
                );
            })?;
        }
        let cells = write.puts().count();
        if cells > 0 {
            check_cells(write, place.family, bounds)?;
            puts.add(|call| wire::put(call, write.row, place.family, cells, write.puts(), timestamp))?;
        }
    }
    Ok(Mutations { deletes: deletes.finish(), puts: puts.finish() })
}

/// Where rows are written to.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub table: &'a [u8],
    pub family: &'a [u8],
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

/// HBase replaces its greatest timestamp with the time of the call.
pub fn timestamp(tick: Tick) -> Result<i64, String> {
    i64::try_from(tick.0)
        .ok()
        .filter(|stamp| *stamp < i64::MAX)
        .ok_or_else(|| format!("tick {tick} is no HBase timestamp"))
}

pub fn check_row_key(row: &[u8]) -> Result<(), String> {
    match row.len() {
        0 => Err("row keys cannot be empty".into()),
        length if length > ROW_KEY_BYTES_MAX => {
            Err(format!("a row key of {length} bytes is longer than HBase takes ({ROW_KEY_BYTES_MAX})"))
        }
        _ => Ok(()),
    }
}

/// HBase counts 24 bytes for a cell beside its row key, family, qualifier and value.
pub fn check_cells(write: &PackedWrite<'_>, family: &[u8], bounds: Bounds) -> Result<(), String> {
    let size = |(qualifier, value): (&[u8], &[u8])| {
        24 + write.row.len() + family.len() + qualifier.len() + value.len()
    };
    match write.puts().map(size).max() {
        Some(size) if size > bounds.cell_bytes => Err(format!(
            "a cell of {size} bytes is larger than HBase takes ({} bytes: hbase.client.keyvalue.maxsize and \
             hbase.server.keyvalue.maxsize)",
            bounds.cell_bytes
        )),
        _ => Ok(()),
    }
}

/// A frame above the gateway's limit costs the connection and says nothing.
pub fn check_frame(row_bytes: usize, bounds: Bounds) -> Result<(), String> {
    if !bounds.hard || row_bytes + ENVELOPE_BYTES <= bounds.bytes {
        return Ok(());
    }
    Err(format!(
        "a row of {row_bytes} bytes does not fit into a frame of {} bytes; raise the gateway's \
         hbase.regionserver.thrift.framed.max_frame_size_in_mb, or use buffered transport",
        bounds.bytes
    ))
}

/// Mutations, split into calls.
struct Calls {
    bounds: Bounds,
    /// What every call begins with.
    head: Vec<u8>,
    full: Vec<Call>,
    call: Vec<u8>,
    mutations: usize,
}

impl Calls {
    fn new(bounds: Bounds, table: &[u8]) -> Calls {
        let head = wire::call_head(table);
        Calls { bounds, call: Vec::new(), head, full: Vec::new(), mutations: 0 }
    }

    /// Adds what `write` appends: one mutation.
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), String> {
        if self.mutations == self.bounds.rows {
            self.close();
        }
        if self.call.is_empty() {
            self.call.reserve(self.full.last().map_or(self.head.len(), |full| full.arguments.len()));
            self.call.extend_from_slice(&self.head);
        }
        let at = self.call.len();
        write(&mut self.call);
        let size = self.call.len() - at;
        check_frame(size, self.bounds)?;
        if self.mutations > 0 && self.call.len() - self.head.len() + ENVELOPE_BYTES > self.bounds.bytes {
            let mut next = self.head.clone();
            next.extend_from_slice(&self.call[at..]);
            self.call.truncate(at);
            self.close();
            self.call = next;
        }
        self.mutations += 1;
        Ok(())
    }

    fn close(&mut self) {
        if self.mutations > 0 {
            let mut call = std::mem::take(&mut self.call);
            wire::finish_call(&mut call, self.head.len(), self.mutations);
            self.full.push(Call { rows: self.mutations, arguments: call.into() });
        }
        self.mutations = 0;
    }

    fn finish(mut self) -> Vec<Call> {
        self.close();
        self.full
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
