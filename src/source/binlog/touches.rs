//! Which registered tables one transaction may have changed, for a person who has it left out. Its rows are not read:
//! they may be what cannot be.

use super::crc;
use super::cursor::{Cursor, Truncated};
use super::dump::{Dump, Events};
use super::event::kind::*;
use super::scan;
use crate::model::{TableId, TransactionId};
use crate::source::session::Session;
use crate::source::{BinlogPlace, SourceError};

/// The tables that its TABLE_MAPs name. `None`: it holds something else than row images and its own bounds, or is
/// compressed, so that any table may be among them.
pub(crate) async fn tables_named_in(
    session: &Session,
    wanted: &TransactionId,
) -> Result<Option<Vec<TableId>>, SourceError> {
    let others = session.gtid_set("SELECT @@GLOBAL.gtid_executed").await?.minus(&wanted.alone());
    let connection = session.open().await?;
    let dump = Dump::UpToEnd(&others);
    let mut events = Events::request(connection, &session.options, &scan::side_uuid(), dump).await?;
    let registry = session.registry();
    let (mut inside, mut tables) = (false, Vec::new());
    while let Some(event) = events.next(&BinlogPlace::default()).await? {
        let header = event.header();
        match header.event_type_raw() {
            GTID | GTID_TAGGED if inside => break,
            GTID | GTID_TAGGED => inside = scan::gtid(&event)? == *wanted,
            _ if !inside => {}
            TABLE_MAP => {
                let Ok((schema, table)) = names(crc::body(&event)) else { return Ok(None) };
                tables.extend(registry.find(schema, table).map(|table| table.id));
            }
            QUERY if is_begin(crc::body(&event)) => {}
            WRITE_ROWS_V1 | UPDATE_ROWS_V1 | DELETE_ROWS_V1 | WRITE_ROWS | UPDATE_ROWS | DELETE_ROWS
            | PARTIAL_UPDATE_ROWS | ROWS_QUERY | HEARTBEAT | HEARTBEAT_V2 => {}
            // its end
            XID | ROTATE | STOP => break,
            _ => return Ok(None),
        }
    }
    Ok(inside.then_some(tables))
}

/// Schema and table of a TABLE_MAP, as its layout has them.
fn names(body: &[u8]) -> Result<(&[u8], &[u8]), Truncated> {
    let mut cursor = Cursor::new(body);
    cursor.take(8)?; // the table's number, and flags
    let length = cursor.u8()?;
    let schema = cursor.take(length.into())?;
    cursor.take(1)?;
    let length = cursor.u8()?;
    Ok((schema, cursor.take(length.into())?))
}

/// Whether a QUERY event only begins a transaction of row images.
fn is_begin(body: &[u8]) -> bool {
    body.ends_with(b"\0BEGIN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_map_names_its_table_and_one_that_is_cut_off_names_none() {
        let body = b"\x07\0\0\0\0\0\x01\0\x04shop\0\x06orders\0\x02";
        assert_eq!(names(body).expect("it is whole"), (&b"shop"[..], &b"orders"[..]));
        for cut in 0..21 {
            assert!(names(&body[..cut]).is_err(), "{cut}");
        }
        assert!(is_begin(b"....\0BEGIN") && !is_begin(b"....\0DELETE FROM t"));
    }
}
