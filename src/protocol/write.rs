//! The only file that sends a write: under a lease, before its deadline (I4), with a tick that the
//! journal holds (I2; the types see to that). What is written to a counted row, and when it is sent again, `counted`
//! decides.

use super::ListWrites;
use super::journaled::Journaled;
use crate::error::Disposition;
use crate::failpoints::{Failpoints, KillPoint, kill_at};
use crate::lock::Held;
use crate::model::{TargetId, Tick};
use crate::retry::{Patience, Pauses};
use crate::sink::{CellNames, CountedWrite, PackedRows, PackedWrite, RowWrite, Sink, SinkError, WriteRows};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Why a write was not completed.
#[derive(Debug)]
pub enum NotWritten {
    /// The lease's deadline came before the sink took everything. Part of what is not in `taken` may have been applied:
    /// send the same again under a new lease.
    Deadline {
        /// The last error, if there was one.
        trouble: Option<SinkError>,
        taken: Taken,
    },
    /// Some targets were refused for a reason that lasts; the others were written to.
    Refused { refused: Vec<(TargetId, SinkError)>, accepted: Vec<TargetId> },
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub rows: u64,
    pub accepted: Vec<TargetId>,
}

/// What the sink has acknowledged of some writes before the deadline: all rows of some targets, and of one those up to a
/// row, with all its cells. It need not be sent again.
#[derive(Debug, Default)]
pub struct Taken {
    targets: Vec<TargetId>,
    /// Up to this row, tick included, in the order of [`send`].
    up_to: Option<(TargetId, Vec<u8>, Tick)>,
    pub rows: u64,
}

impl Taken {
    /// Whether all of it was acknowledged.
    pub fn holds(&self, writes: &ListWrites) -> bool {
        if self.targets.contains(&writes.target) {
            return true;
        }
        let Some((target, row, tick)) = &self.up_to else { return false };
        *target == writes.target
            && writes.rows().all(|write| (write.row, write.tick) <= (row.as_slice(), *tick))
    }
}

/// Writes `writes` to the sink, grouped by target and sorted by row key, so that rows of several batches
/// and ticks that lie in one region travel together.
///
/// Passing errors are retried with the same content and ticks as long as the lease lasts. At most `at_once` rows are
/// asked for together, so that of what a slow sink takes something is acknowledged in time.
pub async fn send(
    sink: &dyn WriteRows,
    held: &Held,
    writes: &[&Journaled<ListWrites>],
    at_once: usize,
) -> Result<Sent, NotWritten> {
    let mut by_target: BTreeMap<TargetId, Vec<Keyed<'_>>> = BTreeMap::new();
    for write in writes {
        let write = write.get();
        debug_assert!(held.lists().contains(&write.list), "I4: a write goes out under the lease of its list");
        by_target.entry(write.target).or_default().extend(write.rows().map(keyed));
    }
    let (mut rows_written, mut accepted, mut refused) = (0, Vec::new(), Vec::new());
    'targets: for (target, mut rows) in by_target {
        if !accepted.is_empty() {
            kill_at(KillPoint::BatchPartlySent);
        }
        rows.sort_unstable_by(|(a_key, a), (b_key, b)| (a_key, a.row, a.tick).cmp(&(b_key, b.row, b.tick)));
        let rows: Vec<PackedWrite<'_>> = rows.into_iter().map(|(_, row)| row).collect();
        let mut sent = 0;
        for part in rows.chunks(at_once.max(1)) {
            match send_to_target(sink, held, target, part).await {
                Ok(()) => {
                    sent += part.len();
                    rows_written += part.len() as u64;
                }
                Err(Failed::Deadline(trouble)) => {
                    let up_to = whole(&rows, sent).map(|last| (target, last.row.to_vec(), last.tick));
                    let taken = Taken { targets: accepted, up_to, rows: rows_written };
                    return Err(NotWritten::Deadline { trouble, taken });
                }
                Err(Failed::Refused(error)) => {
                    refused.push((target, error));
                    continue 'targets;
                }
            }
        }
        accepted.push(target);
    }
    match refused.is_empty() {
        true => Ok(Sent { rows: rows_written, accepted }),
        false => Err(NotWritten::Refused { refused, accepted }),
    }
}

/// The last row, tick included, of which all was among the first `sent` writes: the cells of a wide row are writes of
/// their own.
fn whole<'a>(writes: &[PackedWrite<'a>], sent: usize) -> Option<PackedWrite<'a>> {
    let (sent, left) = writes.split_at(sent);
    let place = |write: &PackedWrite<'a>| (write.row, write.tick);
    let next = left.first().map(place).filter(|_| !Failpoints::default().cells_taken_for_rows());
    sent.iter().rev().find(|write| Some(place(write)) != next).copied()
}

/// A row with the beginning of its key: most comparisons need not look at the row itself.
type Keyed<'a> = (u128, PackedWrite<'a>);

fn keyed(row: PackedWrite<'_>) -> Keyed<'_> {
    let mut key = [0; 16];
    let length = row.row.len().min(key.len());
    key[..length].copy_from_slice(&row.row[..length]);
    (u128::from_be_bytes(key), row)
}

/// Why one target was not written to.
enum Failed {
    Deadline(Option<SinkError>),
    Refused(SinkError),
}

async fn send_to_target(
    sink: &dyn WriteRows,
    held: &Held,
    target: TargetId,
    rows: &[PackedWrite<'_>],
) -> Result<(), Failed> {
    let (mut patience, mut last) = (Patience::for_ever(Pauses::UNDER_A_LEASE), None);
    loop {
        if Instant::now() >= held.deadline() {
            return Err(Failed::Deadline(last));
        }
        match write_before(held.deadline(), sink, target, rows).await {
            Ok(()) => return Ok(()),
            Err(error) if error.disposition() != Disposition::Retry => {
                return Err(Failed::Refused(error));
            }
            Err(error) => {
                tracing::debug!(%error, rows = rows.len(), "the run sends a write again with the same ticks");
                last = Some(error);
            }
        }
        patience.again().await;
    }
}

/// One attempt, given up at the deadline: a write is several calls, and none may be sent after it (I4). A call
/// that is under way then may still land, which its tick makes harmless.
async fn write_before(
    deadline: Instant,
    sink: &dyn WriteRows,
    target: TargetId,
    rows: &[PackedWrite<'_>],
) -> Result<(), SinkError> {
    tokio::select! { biased;
        () = tokio::time::sleep_until(deadline) => Err(too_late(rows.len())),
        outcome = sink.write(target, rows) => outcome,
    }
}

/// One attempt at a counted write, given up at the deadline: one that is under way then, or whose reply was lost, may
/// still land, once, and only where `c:t` still is as it expects.
pub(super) async fn counted_before(
    deadline: Instant,
    sink: &dyn WriteRows,
    target: TargetId,
    write: &CountedWrite,
) -> Result<bool, SinkError> {
    tokio::select! { biased;
        () = tokio::time::sleep_until(deadline) => Err(too_late(1)),
        outcome = sink.write_counted(target, write) => outcome,
    }
}

/// What I11 forbids, for tests: the cells by a plain write, and then the count, wherever `c:t` is by now.
pub(super) async fn uncompared(
    deadline: Instant,
    sink: &dyn Sink,
    target: TargetId,
    write: &CountedWrite,
) -> Result<bool, SinkError> {
    let cell = |puts, delete_columns| {
        let CountedWrite { row, tick, .. } = write.clone();
        RowWrite { row, tick, delete_family: false, puts, delete_columns }
    };
    let puts = write.puts.iter().map(|put| cell(vec![put.clone()], Vec::new()));
    let cells = puts.chain(write.delete_columns.iter().map(|name| cell(Vec::new(), vec![name.clone()])));
    let cells: Vec<RowWrite> = cells.collect();
    write_before(deadline, sink, target, &PackedRows::of(&cells).writes()).await?;
    if !cells.is_empty() {
        kill_at(KillPoint::CountedItemsWritten); // without their count
    }
    let names = CellNames { row: write.row.clone(), qualifiers: Vec::new() };
    let now = sink.read_counted(target, &[names]).await?;
    let expected = now.first().and_then(|row| row.tick);
    let count = CountedWrite { expected, puts: Vec::new(), delete_columns: Vec::new(), ..write.clone() };
    counted_before(deadline, sink, target, &count).await
}

fn too_late(rows: usize) -> SinkError {
    SinkError::Unavailable {
        gateway: "(any)".into(),
        reason: format!("HBase did not take {rows} rows before the leases of their lists ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::PackedRows;
    use bytes::Bytes;

    #[test]
    fn a_row_of_which_some_cells_were_not_sent_is_not_whole() {
        let cell = |row: &'static [u8], tick, name: &'static [u8]| RowWrite {
            row: Bytes::from_static(row),
            tick: Tick(tick),
            delete_family: false,
            puts: vec![(Bytes::from_static(name), Bytes::new())],
            delete_columns: Vec::new(),
        };
        let cells = [
            cell(b"a", 1, b"x"),
            cell(b"a", 1, b"y"),
            cell(b"a", 2, b"x"),
            cell(b"b", 2, b"x"),
            cell(b"b", 2, b"y"),
        ];
        let packed = PackedRows::of(&cells);
        let writes = packed.writes();
        let whole = |sent| whole(&writes, sent).map(|last| (last.row, last.tick.0));
        let all: Vec<_> = (0..=writes.len()).map(whole).collect();
        let (a1, a2, b2) = (Some((&b"a"[..], 1)), Some((&b"a"[..], 2)), Some((&b"b"[..], 2)));
        assert_eq!(all, [None, None, a1, a2, a2, b2]);
    }
}
