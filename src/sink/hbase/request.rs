//! From writes, keys and ranges to Thrift2 requests of bounded size, and back from results.

use super::calls::{Found, Get, Scan};
use super::wire::{self, Cell, Column, Marker};
use crate::model::Tick;
use crate::sink::{PackedWrite, ROW_KEY_BYTES_MAX, ScanRange, StoredCell, StoredRow};
use bytes::Bytes;

/// Bytes of one request at most, unless a single row has more.
pub const CALL_BYTES_MAX: usize = 4 << 20;

/// What a request holds beside its rows: message header, method and table name.
pub const ENVELOPE_BYTES: usize = 1_024;

/// What a cell takes in a request beside its qualifier and value, about.
const CELL_BYTES: usize = 100;

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
    /// The writes in it, of which several may share a row.
    pub rows: usize,
    /// Its arguments in Thrift's binary protocol.
    pub arguments: Bytes,
}

/// The calls that write `rows`: deletes, and puts, each split within `bounds`, in the order given. Consecutive writes to
/// one row, whatever their ticks, share a mutation: each cell and marker has its own timestamp.
pub fn mutations(
    rows: &[PackedWrite<'_>],
    place: &TableFamily<'_>,
    bounds: Bounds,
) -> Result<Mutations, String> {
    let (mut deletes, mut puts) = (Calls::new(bounds, place.table), Calls::new(bounds, place.table));
    for write in rows {
        timestamp(write.tick)?;
        check_row(write.row, write.puts(), place.family, bounds.cell_bytes)?;
    }
    for of_row in rows.chunk_by(|a, b| a.row == b.row) {
        for writes in split_row(of_row, bounds) {
            add_row(writes, place, &mut deletes, &mut puts)?;
        }
    }
    Ok(Mutations { deletes: deletes.finish(), puts: puts.finish() })
}

/// Adds the mutations of some writes to one row.
fn add_row(
    writes: &[PackedWrite<'_>],
    place: &TableFamily<'_>,
    deletes: &mut Calls,
    puts: &mut Calls,
) -> Result<(), String> {
    let row = writes[0].row;
    let column = |qualifier, write| Column { family: place.family, qualifier, timestamp: Some(stamp(write)) };
    for write in writes.iter().filter(|write| write.delete_family) {
        let whole = [column(None, write)].into_iter();
        deletes.add(1, |call| wire::delete(call, row, Marker::Family, 1, whole))?;
    }
    let markers =
        || writes.iter().flat_map(|write| write.delete_columns().map(move |name| column(Some(name), write)));
    let (columns, marked) =
        (markers().count(), writes.iter().filter(|w| w.delete_columns().next().is_some()).count());
    if columns > 0 {
        deletes.add(marked, |call| wire::delete(call, row, Marker::Columns, columns, markers()))?;
    }
    let put = |write: &PackedWrite<'_>| write.puts().next().is_some();
    let cells = writes.iter().map(|write| write.puts().count()).sum();
    if cells > 0 {
        let cell = |qualifier, value, write| Cell {
            family: place.family,
            qualifier,
            value,
            timestamp: Some(stamp(write)),
        };
        let all =
            writes.iter().flat_map(|write| write.puts().map(move |(name, value)| cell(name, value, write)));
        puts.add(writes.iter().filter(|write| put(write)).count(), |call| wire::put(call, row, cells, all))?;
    }
    Ok(())
}

/// Checked before, for every write.
fn stamp(write: &PackedWrite<'_>) -> i64 {
    timestamp(write.tick).expect("every tick was checked")
}

/// Parts of the writes to one row that a call has room for.
fn split_row<'a, 'b>(
    mut rest: &'a [PackedWrite<'b>],
    bounds: Bounds,
) -> impl Iterator<Item = &'a [PackedWrite<'b>]> + use<'a, 'b> {
    std::iter::from_fn(move || {
        let mut bytes = ENVELOPE_BYTES;
        let fit = rest.iter().take(bounds.rows.max(1)).take_while(|write| {
            let first = bytes == ENVELOPE_BYTES;
            // a cell's family, timestamp and Thrift's own fields come on top
            bytes += write.bytes() + CELL_BYTES;
            first || bytes <= bounds.bytes / 2
        });
        let (part, behind) = rest.split_at(fit.count());
        rest = behind;
        (!part.is_empty()).then_some(part)
    })
}

/// Where rows are written to.
#[derive(Clone, Copy, Debug)]
pub struct TableFamily<'a> {
    pub table: &'a [u8],
    pub family: &'a [u8],
}

/// Keys in groups that one getMultiple may ask for.
pub fn split_keys(keys: &[Bytes], bounds: Bounds) -> impl Iterator<Item = &[Bytes]> {
    let longest = keys.iter().map(Bytes::len).max().unwrap_or(0) + 64;
    let by_bytes = (bounds.bytes.saturating_sub(ENVELOPE_BYTES) / longest).max(1);
    keys.chunks(bounds.rows.min(by_bytes))
}

pub fn get<'a>(key: &'a [u8], family: &'a [u8]) -> Get<'a> {
    Get { row: key, columns: vec![Column::whole(family)] }
}

pub fn scan<'a>(range: &'a ScanRange, family: &'a [u8], rows: i32) -> Scan<'a> {
    Scan {
        start: &range.start,
        stop: &range.stop,
        family,
        rows,
        reversed: Some(range.reversed),
        limited: true,
        ..Scan::default()
    }
}

/// A row as read; `None` for one that does not exist. Cells come in the order of their qualifiers.
pub fn stored_row(result: Found) -> Result<Option<StoredRow>, &'static str> {
    let Some(row) = result.row.filter(|_| !result.cells.is_empty()) else { return Ok(None) };
    let mut cells = Vec::with_capacity(result.cells.len());
    for cell in result.cells {
        let tick = cell.timestamp.and_then(|stamp| u64::try_from(stamp).ok());
        let tick = Tick(tick.ok_or("it sent a cell without a timestamp")?);
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

/// HBase replaces its greatest timestamp with the time of the call.
pub fn timestamp(tick: Tick) -> Result<i64, String> {
    i64::try_from(tick.0)
        .ok()
        .filter(|stamp| *stamp < i64::MAX)
        .ok_or_else(|| format!("tick {tick} is no HBase timestamp"))
}

fn check_row_key(row: &[u8]) -> Result<(), String> {
    match row.len() {
        0 => Err("row keys cannot be empty".into()),
        length if length > ROW_KEY_BYTES_MAX => {
            Err(format!("a row key of {length} bytes is longer than HBase takes ({ROW_KEY_BYTES_MAX})"))
        }
        _ => Ok(()),
    }
}

/// Whether HBase takes the row and its cells. It counts 24 bytes for a cell beside its row key, family, qualifier and
/// value.
pub fn check_row<'a>(
    row: &[u8],
    cells: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    family: &[u8],
    cell_bytes_max: usize,
) -> Result<(), String> {
    check_row_key(row)?;
    let size =
        |(qualifier, value): (&[u8], &[u8])| 24 + row.len() + family.len() + qualifier.len() + value.len();
    match cells.map(size).max() {
        Some(size) if size > cell_bytes_max => Err(format!(
            "a cell of {size} bytes is larger than HBase takes ({cell_bytes_max} bytes: hbase.client.keyvalue.maxsize \
             and hbase.server.keyvalue.maxsize)"
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
    /// Writes in the call.
    rows: usize,
}

impl Calls {
    fn new(bounds: Bounds, table: &[u8]) -> Calls {
        let head = wire::call_head(table);
        Calls { bounds, call: Vec::new(), head, full: Vec::new(), mutations: 0, rows: 0 }
    }

    /// Adds what `write` appends: one mutation, of `rows` writes.
    fn add(&mut self, rows: usize, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), String> {
        if self.rows > 0 && self.rows + rows > self.bounds.rows {
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
        self.rows += rows;
        Ok(())
    }

    fn close(&mut self) {
        if self.mutations > 0 {
            let mut call = std::mem::take(&mut self.call);
            wire::finish_call(&mut call, self.head.len(), self.mutations);
            self.full.push(Call { rows: self.rows, arguments: call.into() });
        }
        (self.mutations, self.rows) = (0, 0);
    }

    fn finish(mut self) -> Vec<Call> {
        self.close();
        self.full
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
