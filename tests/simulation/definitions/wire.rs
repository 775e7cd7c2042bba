//! A small encoder of binlog events: what a server writes, byte by byte, and no more than the simulation needs.
//!
//! Layouts: MySQL source, libs/mysql/binlog/event. It shares no code with what reads them.

use mysql_common::binlog::consts::{BinlogChecksumAlg, BinlogVersion};
use mysql_common::binlog::events::{BinlogEventFooter, Event, FormatDescriptionEvent};
use uuid::Uuid;

pub const QUERY: u8 = 2;
pub const XID: u8 = 16;
pub const TABLE_MAP: u8 = 19;
pub const WRITE_ROWS: u8 = 30;
pub const UPDATE_ROWS: u8 = 31;
pub const DELETE_ROWS: u8 = 32;
pub const GTID: u8 = 33;

const HEADER: usize = 19;
const CHECKSUM: usize = 4;

/// The number of utf8mb4_bin, as a session and as a column have it.
const UTF8MB4: u8 = 46;

/// One binlog file as it is sent: events at rising offsets.
pub struct Writer {
    offset: u32,
    events: Vec<Event>,
}

impl Writer {
    /// Behind `offset` bytes of the file.
    pub fn at(offset: u32) -> Writer {
        Writer { offset, events: Vec::new() }
    }

    pub fn into_events(self) -> Vec<Event> {
        self.events
    }

    /// The beginning of a transaction.
    pub fn gtid(&mut self, uuid: Uuid, number: u64, committed_micros: u64) {
        let mut data = vec![1];
        data.extend(uuid.as_bytes());
        data.extend(number.to_le_bytes());
        data.push(2); // logical timestamps
        data.extend([0; 16]);
        data.extend(&committed_micros.to_le_bytes()[..7]);
        data.push(100); // length of the transaction; nobody reads it
        data.extend(90_704_u32.to_le_bytes());
        self.write(GTID, &data);
    }

    /// A statement of a session in this schema, with sql_mode and charsets as a server logs them.
    pub fn query(&mut self, schema: &str, text: &str) {
        let mut status = vec![0, 0, 0, 0, 0]; // flags2
        status.push(1);
        status.extend(0x4000_0000_u64.to_le_bytes()); // sql_mode: NO_ENGINE_SUBSTITUTION
        status.extend([4, UTF8MB4, 0, UTF8MB4, 0, UTF8MB4, 0]); // client, connection, server
        let mut data = vec![7, 0, 0, 0, 0, 0, 0, 0, schema.len() as u8, 0, 0];
        data.extend((status.len() as u16).to_le_bytes());
        data.extend(status);
        data.extend(schema.as_bytes());
        data.push(0);
        data.extend(text.as_bytes());
        self.write(QUERY, &data);
    }

    pub fn xid(&mut self) {
        self.write(XID, &77_u64.to_le_bytes());
    }

    pub fn table_map(&mut self, id: u64, columns: &[WireColumn], full: bool) {
        let (schema, table) = ("social", "follows");
        let mut data = id.to_le_bytes()[..6].to_vec();
        data.extend([1, 0, schema.len() as u8]);
        data.extend(schema.as_bytes());
        data.extend([0, table.len() as u8]);
        data.extend(table.as_bytes());
        data.extend([0, columns.len() as u8]);
        data.extend(columns.iter().map(|column| column.code()));
        let meta: Vec<u8> = columns.iter().flat_map(WireColumn::meta).collect();
        data.push(meta.len() as u8);
        data.extend(meta);
        data.extend(bits(columns.iter().map(|column| column.nullable)));
        data.extend(optional(columns, full));
        self.write(TABLE_MAP, &data);
    }

    /// Rows of the table map with this id: each an image, or two of an update.
    pub fn rows(&mut self, kind: u8, id: u64, columns: &[WireColumn], images: &[Vec<Field>]) {
        let mut data = id.to_le_bytes()[..6].to_vec();
        data.extend([1, 0, 2, 0, columns.len() as u8]);
        let all = bits(columns.iter().map(|_| true));
        data.extend(&all);
        if kind == UPDATE_ROWS {
            data.extend(&all);
        }
        images.iter().for_each(|image| data.extend(row(columns, image)));
        self.write(kind, &data);
    }

    fn write(&mut self, kind: u8, data: &[u8]) {
        let length = (HEADER + data.len() + CHECKSUM) as u32;
        self.offset += length;
        let mut bytes = vec![0, 0, 0, 0x60, kind, 1, 0, 0, 0];
        bytes.extend(length.to_le_bytes());
        bytes.extend(self.offset.to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(data);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        let footer = BinlogEventFooter::new(BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32);
        let description = FormatDescriptionEvent::new(BinlogVersion::Version4).with_footer(footer);
        self.events.push(Event::read(&description, bytes.as_slice()).expect("it is whole"));
    }
}

/// A column as a table map says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireColumn {
    pub name: String,
    pub wire: Wire,
    pub nullable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// BIGINT.
    Big { unsigned: bool },
    /// VARCHAR in utf8mb4 of so many bytes.
    Varchar { bytes: u16 },
    /// TEXT in utf8mb4.
    Text,
}

/// A value in a row image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    Null,
    Big(u64),
    Text(Vec<u8>),
}

impl WireColumn {
    fn code(&self) -> u8 {
        match self.wire {
            Wire::Big { .. } => 8,
            Wire::Varchar { .. } => 15,
            Wire::Text => 252, // a BLOB
        }
    }

    fn meta(&self) -> Vec<u8> {
        match self.wire {
            Wire::Big { .. } => Vec::new(),
            Wire::Varchar { bytes } => bytes.to_le_bytes().to_vec(),
            Wire::Text => vec![2], // bytes of its length
        }
    }
}

/// Optional metadata: signedness and character sets always, names with `binlog_row_metadata = FULL`.
fn optional(columns: &[WireColumn], full: bool) -> Vec<u8> {
    let numbers = columns.iter().filter_map(|column| match column.wire {
        Wire::Big { unsigned } => Some(unsigned),
        Wire::Varchar { .. } | Wire::Text => None,
    });
    // most significant bit first
    let signs: Vec<u8> = bits(numbers).into_iter().map(u8::reverse_bits).collect();
    let mut fields = Vec::new();
    let mut field = |kind: u8, value: Vec<u8>| {
        fields.extend([kind, value.len() as u8]);
        fields.extend(value);
    };
    field(1, signs);
    if columns.iter().any(|column| !matches!(column.wire, Wire::Big { .. })) {
        field(2, vec![UTF8MB4]); // one for all, by the number of its collation
    }
    if full {
        let named = |column: &WireColumn| [&[column.name.len() as u8], column.name.as_bytes()].concat();
        field(4, columns.iter().flat_map(named).collect());
    }
    fields
}

/// Least significant bit first.
fn bits(flags: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (place, flag) in flags.enumerate() {
        if place % 8 == 0 {
            bytes.push(0);
        }
        bytes[place / 8] |= u8::from(flag) << (place % 8);
    }
    bytes
}

fn row(columns: &[WireColumn], image: &[Field]) -> Vec<u8> {
    assert_eq!(columns.len(), image.len(), "an image has a field for each column");
    let mut bytes = bits(image.iter().map(|field| *field == Field::Null));
    for (column, field) in columns.iter().zip(image) {
        match (column.wire, field) {
            (_, Field::Null) => {}
            (Wire::Big { .. }, Field::Big(number)) => bytes.extend(number.to_le_bytes()),
            (Wire::Varchar { bytes: ..=255 }, Field::Text(text)) => {
                bytes.push(text.len() as u8);
                bytes.extend(text);
            }
            (_, Field::Text(text)) => {
                bytes.extend((text.len() as u16).to_le_bytes());
                bytes.extend(text);
            }
            (wire, field) => panic!("{field:?} in a column that is {wire:?}"),
        }
    }
    bytes
}
