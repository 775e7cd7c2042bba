//! Events by type, and the layouts of those that need no table.

use super::cursor::{Cursor, Truncated};

/// Event types (`Log_event_type` in MySQL's libs/mysql/binlog/event/binlog_event.h).
pub mod kind {
    pub const QUERY: u8 = 2;
    pub const STOP: u8 = 3;
    pub const ROTATE: u8 = 4;
    pub const INTVAR: u8 = 5;
    pub const APPEND_BLOCK: u8 = 9;
    pub const RAND: u8 = 13;
    pub const USER_VAR: u8 = 14;
    pub const FORMAT_DESCRIPTION: u8 = 15;
    pub const XID: u8 = 16;
    pub const BEGIN_LOAD_QUERY: u8 = 17;
    pub const EXECUTE_LOAD_QUERY: u8 = 18;
    pub const TABLE_MAP: u8 = 19;
    pub const WRITE_ROWS_V1: u8 = 23;
    pub const UPDATE_ROWS_V1: u8 = 24;
    pub const DELETE_ROWS_V1: u8 = 25;
    pub const INCIDENT: u8 = 26;
    pub const HEARTBEAT: u8 = 27;
    pub const IGNORABLE: u8 = 28;
    pub const ROWS_QUERY: u8 = 29;
    pub const WRITE_ROWS: u8 = 30;
    pub const UPDATE_ROWS: u8 = 31;
    pub const DELETE_ROWS: u8 = 32;
    pub const GTID: u8 = 33;
    pub const ANONYMOUS_GTID: u8 = 34;
    pub const PREVIOUS_GTIDS: u8 = 35;
    pub const TRANSACTION_CONTEXT: u8 = 36;
    pub const VIEW_CHANGE: u8 = 37;
    pub const XA_PREPARE: u8 = 38;
    pub const PARTIAL_UPDATE_ROWS: u8 = 39;
    pub const TRANSACTION_PAYLOAD: u8 = 40;
    pub const HEARTBEAT_V2: u8 = 41;
    pub const GTID_TAGGED: u8 = 42;
}

/// Why a compressed transaction's head is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    #[error("{0}")]
    Truncated(#[from] Truncated),
    #[error("a transaction is compressed in an unknown way")]
    Unknown,
}

/// The 64-bit offset that ends in the 32 bits of an event's header: files may grow beyond 4 GiB.
pub fn widen(before: u64, log_pos: u32) -> u64 {
    let candidate = before & !0xFFFF_FFFF | u64::from(log_pos);
    // Positions rise within a file; a small step back is a heartbeat that repeats one.
    if candidate + (1 << 31) < before { candidate + (1 << 32) } else { candidate }
}

/// The size that a TRANSACTION_PAYLOAD event says its content has when inflated: fields of (type
/// lenenc, length lenenc, value lenenc) up to the end mark 0 (WL#3549).
pub fn payload_size(data: &[u8]) -> Result<u64, PayloadError> {
    const PAYLOAD_SIZE: u64 = 1;
    const COMPRESSION_TYPE: u64 = 2;
    const UNCOMPRESSED_SIZE: u64 = 3;
    let (mut stored, mut inflated, mut compression) = (0, None, None);
    let mut cursor = Cursor::new(data);
    loop {
        let field = cursor.lenenc()?;
        if field == 0 {
            break;
        }
        let length = cursor.length()?;
        let value = Cursor::new(cursor.take(length)?).lenenc()?;
        match field {
            PAYLOAD_SIZE => stored = value,
            COMPRESSION_TYPE => compression = Some(value),
            UNCOMPRESSED_SIZE => inflated = Some(value),
            _ => {}
        }
    }
    match (compression, inflated) {
        // ZSTD; 255 is "not compressed".
        (Some(0), Some(size)) => Ok(size),
        (Some(255), size) => Ok(size.unwrap_or(stored)),
        _ => Err(PayloadError::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_beyond_four_gibibytes_are_widened() {
        assert_eq!(widen(4, 200), 200);
        assert_eq!(widen(0xFFFF_FF00, 0x10), 0x1_0000_0010);
        assert_eq!(widen(0x1_0000_0010, 0x20), 0x1_0000_0020);
        assert_eq!(widen(500, 400), 400);
    }

    #[test]
    fn the_stated_size_of_a_payload_is_read() {
        let data = [2, 1, 0, 3, 3, 0xFC, 0, 1, 1, 1, 40, 0, 9, 9];
        assert_eq!(payload_size(&data).unwrap(), 256);
        assert!(payload_size(&[2, 1, 7, 0]).is_err());
        assert!(payload_size(&[2, 1]).is_err());
    }
}
