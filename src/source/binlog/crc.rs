//! The CRC-32 at the end of every event.
//!
//! mysql_common takes the checksum off an event but does not compare it, so it is done here, on
//! every event that came over the network. Events inside a compressed payload have none; the
//! payload's own event covers them (WL#3549).

use crate::failpoints::Failpoints;
use mysql_common::binlog::consts::{BinlogChecksumAlg, EventFlags, EventType};
use mysql_common::binlog::events::{BinlogEventHeader, Event};
use mysql_common::proto::MySerialize;

/// What is known about an event's integrity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    Verified,
    /// The server sends no checksums (`binlog_checksum = NONE`), or the event lies in a payload.
    Unchecked,
    Corrupt,
}

/// Compares an event with its checksum.
pub fn check(event: &Event) -> Integrity {
    let footer = event.footer();
    if !footer.get_checksum_enabled() || Failpoints::default().crc_not_checked() {
        return Integrity::Unchecked;
    }
    match (footer.get_checksum_alg(), event.checksum()) {
        (Ok(Some(BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32)), Some(expected)) => {
            if checksum(event) == u32::from_le_bytes(expected) {
                Integrity::Verified
            } else {
                Integrity::Corrupt
            }
        }
        (Ok(None | Some(BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_OFF)), _) => Integrity::Unchecked,
        _ => Integrity::Corrupt,
    }
}

/// An event's data without a checksum that was left on it. The ROTATE that opens a stream comes before
/// the format description that announces checksums, and has one already; mysql_common takes its
/// four bytes for the end of the file name.
pub fn body(event: &Event) -> &[u8] {
    let data = event.data();
    let Some((body, trailer)) = data.split_last_chunk::<4>() else { return data };
    let mut header = Vec::with_capacity(BinlogEventHeader::LEN);
    event.header().serialize(&mut header);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header);
    hasher.update(body);
    if hasher.finalize() == u32::from_le_bytes(*trailer) { body } else { data }
}

/// CRC-32 (IEEE) over header and data; a format description event has its algorithm byte too, and
/// its "in use" flag counts as cleared (the server sets it in a file that it still writes).
fn checksum(event: &Event) -> u32 {
    let mut header = Vec::with_capacity(BinlogEventHeader::LEN);
    event.header().serialize(&mut header);
    let is_description = event.header().event_type_raw() == EventType::FORMAT_DESCRIPTION_EVENT as u8;
    if is_description {
        let in_use = EventFlags::LOG_EVENT_BINLOG_IN_USE_F.bits().to_le_bytes();
        header[FLAGS_AT] &= !in_use[0];
        header[FLAGS_AT + 1] &= !in_use[1];
    }
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header);
    hasher.update(event.data());
    if is_description {
        hasher.update(&[BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32 as u8]);
    }
    hasher.finalize()
}

/// Where the flags stand in the 19 bytes of a header.
const FLAGS_AT: usize = 17;

#[cfg(test)]
mod tests {
    use super::*;
    use mysql_common::binlog::consts::BinlogVersion;
    use mysql_common::binlog::events::{BinlogEventFooter, FormatDescriptionEvent};

    /// An XID event with a right checksum, as bytes.
    fn event_bytes() -> Vec<u8> {
        let mut bytes =
            vec![0, 0, 0, 0x60, EventType::XID_EVENT as u8, 1, 0, 0, 0, 31, 0, 0, 0, 99, 0, 0, 0, 0, 0];
        bytes.extend(42_u64.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend(crc.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Event {
        let footer = BinlogEventFooter::new(BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32);
        let description = FormatDescriptionEvent::new(BinlogVersion::Version4).with_footer(footer);
        Event::read(&description, bytes).unwrap()
    }

    #[test]
    fn a_checksum_before_the_format_description_is_taken_off() {
        let unannounced = FormatDescriptionEvent::new(BinlogVersion::Version4);
        let event = Event::read(&unannounced, event_bytes().as_slice()).unwrap();
        assert_eq!((event.data().len(), body(&event).len()), (12, 8));
        assert_eq!(body(&read(&event_bytes())).len(), 8);
    }

    #[test]
    fn one_flipped_bit_anywhere_in_an_event_is_noticed() {
        let good = event_bytes();
        assert_eq!(check(&read(&good)), Integrity::Verified);
        // All but the length field, which the reader needs to find the event's end.
        for bit in (0..good.len() * 8).filter(|bit| !(9 * 8..13 * 8).contains(bit)) {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if bad[4] == EventType::FORMAT_DESCRIPTION_EVENT as u8 {
                continue;
            }
            assert_eq!(check(&read(&bad)), Integrity::Corrupt, "bit {bit}");
        }
    }
}
