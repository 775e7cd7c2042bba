//! Rows on their way to the sink: packed in blocks, so that a row costs no allocation.
//!
//! A block holds the encoded row keys and cells of one batch, or of one chunk, in one buffer. What is queued,
//! leased, sorted and sent refers to it.

use super::RowWrite;
use crate::model::Tick;
use std::convert::Infallible;
use std::ops::Range;

/// What stands behind a qualifier: a value follows, or the column is NULL.
const VALUE: u8 = 1;
const NULL: u8 = 0;

/// Appends a cell to packed cells: qualifier's length (4, little-endian), qualifier, kind (1); and for a value its
/// length (4) and bytes, which `value` appends.
///
/// `value` says whether there is one: `false` is NULL, and then it must have appended nothing.
pub fn push_cell<E>(
    cells: &mut Vec<u8>,
    qualifier: &[u8],
    value: impl FnOnce(&mut Vec<u8>) -> Result<bool, E>,
) -> Result<bool, E> {
    cells.extend_from_slice(&length(qualifier.len()));
    cells.extend_from_slice(qualifier);
    push_value(cells, value)
}

/// Appends the beginning of a cell, whose qualifier `qualifier` appends; [`push_value`] or [`push_null`] must follow.
pub fn push_qualifier<E>(
    cells: &mut Vec<u8>,
    qualifier: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let length_at = cells.len();
    cells.extend_from_slice(&[0; 4]);
    qualifier(cells)?;
    let bytes = length(cells.len() - length_at - 4);
    cells[length_at..length_at + 4].copy_from_slice(&bytes);
    Ok(())
}

/// Appends the rest of a cell behind its qualifier, as [`push_cell`] does.
pub fn push_value<E>(
    cells: &mut Vec<u8>,
    value: impl FnOnce(&mut Vec<u8>) -> Result<bool, E>,
) -> Result<bool, E> {
    let kind_at = cells.len();
    cells.extend_from_slice(&[NULL, 0, 0, 0, 0]);
    let value_at = cells.len();
    if !value(cells)? {
        cells.truncate(kind_at + 1);
        return Ok(false);
    }
    cells[kind_at] = VALUE;
    let bytes = length(cells.len() - value_at);
    cells[kind_at + 1..value_at].copy_from_slice(&bytes);
    Ok(true)
}

/// Appends the rest of a cell that is NULL.
pub fn push_null(cells: &mut Vec<u8>) {
    cells.push(NULL);
}

/// A MySQL value has at most 4 GiB less one byte, and its forms here are no longer than the packet it came in.
fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("a value is shorter than the packet that brought it").to_le_bytes()
}

/// Bytes of a packed cell's beginning: the qualifier's length, and the qualifier.
pub fn packed_name_bytes(qualifier: &[u8]) -> usize {
    4 + qualifier.len()
}

/// A length in [`Packed`].
pub fn short(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a row is shorter than the packet that brought it")
}

/// Takes packed cells apart: qualifier, and value unless NULL.
#[derive(Clone, Debug)]
struct Cells<'a>(&'a [u8]);

impl<'a> Cells<'a> {
    fn bytes(&mut self) -> &'a [u8] {
        let (length, rest) = self.0.split_first_chunk::<4>().expect("packed here");
        let (bytes, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        self.0 = rest;
        bytes
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let qualifier = self.bytes();
        let (kind, rest) = self.0.split_first().expect("packed here");
        self.0 = rest;
        Some((qualifier, (*kind == VALUE).then(|| self.bytes())))
    }
}

/// Rows of one group lie together: a write of many of them touches few servers. All rows of a list are of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group(pub u8);

impl Group {
    /// How many there can be.
    pub const COUNT: usize = 256;

    /// Of the row with this key: its salt, by which tables are split into regions.
    pub fn of_row(key: &[u8]) -> Group {
        Group(key.first().copied().unwrap_or(0))
    }
}

/// What is written to one HBase row at one tick, as [`RowWrite`], in the packed form.
#[derive(Clone, Copy, Debug)]
pub struct PackedWrite<'a> {
    /// The row key, its salt included.
    pub row: &'a [u8],
    /// The timestamp of each put and marker.
    pub tick: Tick,
    /// A DeleteFamily marker at `tick`.
    pub delete_family: bool,
    /// Whether a NULL column gets a marker; else it is only left out.
    markers: bool,
    cells: &'a [u8],
}

impl<'a> PackedWrite<'a> {
    /// The row's group.
    pub fn group(&self) -> Group {
        Group::of_row(self.row)
    }

    /// Bytes of key and cells, about.
    pub fn bytes(&self) -> usize {
        self.row.len() + self.cells.len()
    }

    /// Cells put at `tick`: qualifier, value.
    #[inline]
    pub fn puts(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        Cells(self.cells).filter_map(|(qualifier, value)| Some((qualifier, value?)))
    }

    /// Qualifiers that get a DeleteColumns marker at `tick`.
    #[inline]
    pub fn delete_columns(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let cells = if self.markers { self.cells } else { &[] };
        Cells(cells).filter(|(_, value)| value.is_none()).map(|(qualifier, _)| qualifier)
    }

    /// The same, taken apart.
    pub fn unpack(&self) -> RowWrite {
        let copy = bytes::Bytes::copy_from_slice;
        RowWrite {
            row: copy(self.row),
            tick: self.tick,
            delete_family: self.delete_family,
            puts: self.puts().map(|(qualifier, value)| (copy(qualifier), copy(value))).collect(),
            delete_columns: self.delete_columns().map(copy).collect(),
        }
    }
}

/// Where a row lies in the buffer of a block: its key, and behind it its packed cells.
#[derive(Clone, Copy, Debug)]
pub struct Packed {
    pub at: usize,
    pub key_bytes: u32,
    /// What names the item: the key, and in the wide layout the qualifier of its only cell (as packed) behind it.
    pub address_bytes: u32,
    pub cell_bytes: u32,
    pub delete_family: bool,
    pub markers: bool,
}

impl Packed {
    /// The row's key in `buffer`.
    pub fn key<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[self.at..self.at + self.key_bytes as usize]
    }

    /// The item's address in `buffer`: equal bytes are the same item.
    pub fn address<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[self.at..self.at + self.address_bytes as usize]
    }

    /// Makes a write of an item's address, without cells or with a NULL one, the item's deletion.
    pub fn delete(&mut self) {
        match self.is_cell() {
            true => self.markers = true,
            false => self.delete_family = true,
        }
    }

    /// Whether the address is a cell of a row that other items share.
    pub fn is_cell(&self) -> bool {
        self.address_bytes > self.key_bytes
    }

    fn write<'a>(&self, buffer: &'a [u8], tick: Tick) -> PackedWrite<'a> {
        let cells_at = self.at + self.key_bytes as usize;
        PackedWrite {
            row: self.key(buffer),
            tick,
            delete_family: self.delete_family,
            markers: self.markers,
            cells: &buffer[cells_at..cells_at + self.cell_bytes as usize],
        }
    }
}

/// Packed cells taken apart, as a write of an empty row key: NULLs are markers.
pub fn unpacked(cells: &[u8], tick: Tick) -> RowWrite {
    PackedWrite { row: &[], tick, delete_family: false, markers: true, cells }.unpack()
}

/// Rows of one tick in one buffer.
#[derive(Debug)]
pub struct RowBlock {
    buffer: Vec<u8>,
    rows: Vec<Packed>,
    tick: Tick,
}

impl RowBlock {
    pub(crate) fn new(buffer: Vec<u8>, rows: Vec<Packed>, tick: Tick) -> RowBlock {
        RowBlock { buffer, rows, tick }
    }

    pub(crate) fn tick(&self) -> Tick {
        self.tick
    }

    /// Bytes of keys and cells.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The key of the row at a place, and where it is one cell of a row that items share, the name of that cell.
    pub fn address(&self, place: usize) -> (&[u8], Option<&[u8]>) {
        let row = &self.rows[place];
        let key_bytes = row.key_bytes as usize;
        // the name stands as packed: behind its length
        let cell = row.is_cell().then(|| &row.address(&self.buffer)[key_bytes + packed_name_bytes(b"")..]);
        (row.key(&self.buffer), cell)
    }

    /// Some of its rows, by their places.
    pub fn writes(&self, places: Range<usize>) -> impl ExactSizeIterator<Item = PackedWrite<'_>> {
        self.rows[places].iter().map(|row| row.write(&self.buffer, self.tick))
    }
}

/// Writes of any ticks, packed: for those that make writes by hand.
#[derive(Debug, Default)]
pub struct PackedRows {
    buffer: Vec<u8>,
    rows: Vec<(Packed, Tick)>,
}

impl PackedRows {
    /// Copies the writes into one buffer, in their order.
    pub fn of<'a>(writes: impl IntoIterator<Item = &'a RowWrite>) -> PackedRows {
        let mut packed = PackedRows::default();
        writes.into_iter().for_each(|write| packed.push(write));
        packed
    }

    /// In the order given.
    pub fn writes(&self) -> Vec<PackedWrite<'_>> {
        self.rows.iter().map(|(row, tick)| row.write(&self.buffer, *tick)).collect()
    }

    fn push(&mut self, write: &RowWrite) {
        let at = self.buffer.len();
        self.buffer.extend_from_slice(&write.row);
        let cells_at = self.buffer.len();
        for (qualifier, value) in &write.puts {
            let put = |out: &mut Vec<u8>| {
                out.extend_from_slice(value);
                Ok::<bool, Infallible>(true)
            };
            let Ok(_) = push_cell(&mut self.buffer, qualifier, put);
        }
        for qualifier in &write.delete_columns {
            let Ok(_) = push_cell(&mut self.buffer, qualifier, |_| Ok::<bool, Infallible>(false));
        }
        let row = Packed {
            at,
            key_bytes: (cells_at - at) as u32,
            address_bytes: (cells_at - at) as u32,
            cell_bytes: (self.buffer.len() - cells_at) as u32,
            delete_family: write.delete_family,
            markers: true,
        };
        self.rows.push((row, write.tick));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_apart_again() {
        let write = RowWrite {
            row: "key".into(),
            tick: Tick(7),
            delete_family: false,
            puts: vec![
                ("a".into(), "1".into()),
                ("".into(), "".into()),
                ("long".into(), vec![0; 300].into()),
            ],
            delete_columns: vec!["n".into(), "".into()],
        };
        let marker = RowWrite { delete_family: true, puts: vec![], delete_columns: vec![], ..write.clone() };
        let packed = PackedRows::of([&write, &marker]);
        let unpacked: Vec<RowWrite> = packed.writes().iter().map(PackedWrite::unpack).collect();
        assert_eq!(unpacked, [write, marker]);
    }

    #[test]
    fn a_null_without_marker_is_left_out() {
        let mut buffer = b"k".to_vec();
        let none = |_: &mut Vec<u8>| Ok::<bool, ()>(false);
        push_cell(&mut buffer, b"n", none).unwrap();
        let cell_bytes = buffer.len() as u32 - 1;
        let row = Packed {
            at: 0,
            key_bytes: 1,
            address_bytes: 1,
            cell_bytes,
            delete_family: false,
            markers: false,
        };
        let block = RowBlock::new(buffer, vec![row], Tick(1));
        let write = block.writes(0..1).next().unwrap();
        assert_eq!((write.row, write.puts().count(), write.delete_columns().count()), (&b"k"[..], 0, 0));
    }
}
