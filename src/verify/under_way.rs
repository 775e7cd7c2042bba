//! What may be under way: the changes that the source's binlog holds and a SELECT need not have seen.
//!
//! MySQL hands a transaction to binlog readers before its engine commits it (DESIGN section 2), so HBase may be
//! *ahead* of every SELECT, and no pair of SELECTs shows that. The binlog itself does.

use super::{Verification, VerifyError};
use crate::model::position::PositionKind;
use crate::model::{Gtid, GtidSet, Mapping, Position, RowChangeRef, Target};
use crate::sink::layout;
use crate::source::StreamEvent;
use bytes::Bytes;
use std::collections::BTreeSet;

/// Those of `rows` that a transaction outside `before` touches, up to the binlog's present end.
///
/// # Errors
/// `CannotJudge` when the binlog is not read up to its end in time.
pub async fn touched(
    with: &Verification,
    (mapping, target): (&Mapping, &Target),
    rows: &BTreeSet<Bytes>,
    before: GtidSet,
) -> Result<BTreeSet<Bytes>, VerifyError> {
    let mut touched = BTreeSet::new();
    each_change(with, before, |_, change| {
        if change.table == mapping.table {
            touched.extend(addresses(mapping, target, change).filter(|row| rows.contains(row)));
        }
    })
    .await?;
    Ok(touched)
}

/// The transactions outside `before` that touch a mapped table, up to the binlog's present end.
///
/// # Errors
/// `CannotJudge` when the binlog is not read up to its end in time.
pub async fn touching(with: &Verification, before: GtidSet) -> Result<GtidSet, VerifyError> {
    let mut touching = GtidSet::default();
    each_change(with, before, |gtid, _| touching.insert(gtid)).await?;
    Ok(touching)
}

/// Shows every change of a mapped table outside `before`, up to the end.
async fn each_change(
    with: &Verification,
    before: GtidSet,
    see: impl FnMut(&Gtid, RowChangeRef<'_>),
) -> Result<(), VerifyError> {
    let wait_max = with.settings.wait_max;
    tokio::time::timeout(wait_max, read(with, before, see)).await.map_err(|_| VerifyError::CannotJudge {
        reason: format!(
            "the source's binlog could not be read up to its end within {} s",
            wait_max.as_secs()
        ),
    })?
}

async fn read(
    with: &Verification,
    before: GtidSet,
    mut see: impl FnMut(&Gtid, RowChangeRef<'_>),
) -> Result<(), VerifyError> {
    let end = with.source.binlog_end().await?;
    let from = position(with.source.server_uuid().await?, before);
    let mut stream = with.source.stream(&from).await?;
    let mut transaction = None;
    loop {
        match stream.next().await? {
            StreamEvent::Begin { gtid, .. } => transaction = Some(gtid),
            StreamEvent::Changes(changes) => {
                // Changes stand between the begin and the end of their transaction.
                let Some(gtid) = &transaction else { continue };
                let mut changes = changes.reader();
                while let Some(change) = changes.next_change()? {
                    see(gtid, change);
                }
            }
            StreamEvent::End { place, .. } | StreamEvent::Heartbeat { place } => {
                if place.is_at_or_past(&end) {
                    return Ok(());
                }
            }
        }
    }
}

/// The row keys that a change writes or deletes. A row that has none (a zero date in a key) is in no target.
fn addresses<'a>(
    mapping: &'a Mapping,
    target: &'a Target,
    change: RowChangeRef<'a>,
) -> impl Iterator<Item = Bytes> + 'a {
    let images = [change.before, change.after].into_iter().flatten();
    images.filter_map(|row| Some(layout::address(mapping, target, row).ok()?.row))
}

fn position(server_uuid: String, gtids: GtidSet) -> Position {
    Position { kind: PositionKind::MysqlGtid, server_uuid, gtids, file: String::new(), offset: 0 }
}
