//! What may be under way: the changes that the source's binlog holds and a SELECT need not have seen.
//!
//! MySQL hands a transaction to binlog readers before its engine commits it (DESIGN section 2), so HBase may be
//! *ahead* of every SELECT, and no pair of SELECTs shows that. The binlog itself does.

use super::{Verification, VerifyError};
use crate::model::position::PositionKind;
use crate::model::{GtidSet, Mapping, Position, RowChange, Target};
use crate::sink::layout;
use crate::source::StreamEvent;
use bytes::Bytes;
use std::collections::BTreeSet;

/// Those of `rows` that a transaction outside `before` touches, up to the binlog's present head.
///
/// # Errors
/// `CannotJudge` when the binlog is not read up to its head in time.
pub async fn touched(
    with: &Verification,
    (mapping, target): (&Mapping, &Target),
    rows: &BTreeSet<Bytes>,
    before: GtidSet,
) -> Result<BTreeSet<Bytes>, VerifyError> {
    let wait_max = with.settings.wait_max;
    let reading = read(with, (mapping, target), rows, before);
    tokio::time::timeout(wait_max, reading).await.map_err(|_| VerifyError::CannotJudge {
        reason: format!(
            "the source's binlog could not be read up to its head within {} s",
            wait_max.as_secs()
        ),
    })?
}

async fn read(
    with: &Verification,
    (mapping, target): (&Mapping, &Target),
    rows: &BTreeSet<Bytes>,
    before: GtidSet,
) -> Result<BTreeSet<Bytes>, VerifyError> {
    let mut touched = BTreeSet::new();
    let head = with.source.head().await?.gtids;
    if before.contains_set(&head) {
        return Ok(touched);
    }
    let from = position(with.source.server_uuid().await?, before.clone());
    let mut stream = with.source.stream(&from).await?;
    let mut seen = before;
    while !seen.contains_set(&head) {
        match stream.next().await? {
            StreamEvent::Changes(changes) => {
                for change in changes.iter().filter(|change| change.table == mapping.table) {
                    touched.extend(addresses(mapping, target, change).filter(|row| rows.contains(row)));
                }
            }
            StreamEvent::End { gtid, .. } => seen.insert(&gtid),
            StreamEvent::Begin { .. } | StreamEvent::Heartbeat { .. } => {}
        }
    }
    Ok(touched)
}

/// The row keys that a change writes or deletes. A row that has none (a zero date in a key) is in no target.
fn addresses<'a>(
    mapping: &'a Mapping,
    target: &'a Target,
    change: &'a RowChange,
) -> impl Iterator<Item = Bytes> + 'a {
    let images = [&change.before, &change.after].into_iter().flatten();
    images.filter_map(|row| layout::address(mapping, target, row).ok())
}

fn position(server_uuid: String, gtids: GtidSet) -> Position {
    Position { kind: PositionKind::MysqlGtid, server_uuid, gtids, file: String::new(), offset: 0 }
}
