//! The backlog's rows as the tail writes them to HBase, encoded by the library beforehand.

use crate::configuration::Move;
use crate::data::Backlog;
use crate::ground::{FOLLOWS, Ground};
use tailfill::model::{Mapping, Tick};
use tailfill::sink::layout::Codec;
use tailfill::sink::{PackedRows, RowWrite};
use tailfill::source::{Source, StreamEvent};

/// Where not every row is looked up after a case: every so manieth.
pub const LOOK_UP_EVERY: usize = 500;
/// Rows of a call: what the sink sends at once.
pub const CALL_ROWS: usize = 2_000;
/// Batches that are sorted together in `gateway-ordered`.
pub const WINDOW_BATCHES: usize = 16;

/// Every row of the backlog in order of arrival, read from the binlog; each batch of 2,000 has a tick.
pub async fn ready(ground: &Ground, backlog: &Backlog) -> anyhow::Result<Vec<RowWrite>> {
    let mapping = ground.mapping(FOLLOWS, "none").await?;
    encoded(ground, backlog, mapping, 1).await
}

/// Every `step`th row of the backlog as `what` writes it.
pub async fn some_of(what: &Move<'_>, backlog: &Backlog, step: usize) -> anyhow::Result<Vec<RowWrite>> {
    encoded(what.ground, backlog, what.mapping().await?, step).await
}

/// As [`ready`], with another number of salt buckets.
pub async fn salted(ground: &Ground, backlog: &Backlog, buckets: u16) -> anyhow::Result<Vec<RowWrite>> {
    let mut mapping = ground.mapping(FOLLOWS, "none").await?;
    mapping.targets[0].salt_buckets = buckets;
    encoded(ground, backlog, mapping, 1).await
}

async fn encoded(
    ground: &Ground,
    backlog: &Backlog,
    mapping: Mapping,
    step: usize,
) -> anyhow::Result<Vec<RowWrite>> {
    let source = ground.source(&mapping).await?;
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as u64;
    let mut stream = source.stream(&source.position_of(backlog.before.parse()?)).await?;
    let (mut rows, mut seen) = (Vec::with_capacity(backlog.edges.len() / step), 0);
    while seen < backlog.edges.len() {
        let StreamEvent::Changes(changes) = stream.next().await? else { continue };
        let mut changes = changes.reader();
        while let Some(change) = changes.next_change()? {
            let Some(after) = change.after else { continue };
            seen += 1;
            if seen % step != 0 {
                continue;
            }
            let item = Codec::of(&mapping, &mapping.targets[0]).item_write(after)?;
            let tick = Tick(now_ms + (rows.len() / CALL_ROWS) as u64);
            let (delete_family, delete_columns) = (false, Vec::new());
            rows.push(RowWrite {
                row: item.address.row,
                tick,
                delete_family,
                puts: item.puts,
                delete_columns,
            });
        }
    }
    Ok(rows)
}

/// The rows as calls, in order of arrival.
pub fn in_order_of_arrival(rows: &[RowWrite]) -> Vec<PackedRows> {
    rows.chunks(CALL_ROWS).map(PackedRows::of).collect()
}

/// The rows as calls, sorted by key within windows of 16 batches.
pub fn ordered(rows: &[RowWrite]) -> Vec<PackedRows> {
    sorted_by(rows, WINDOW_BATCHES)
}

/// The rows as calls, sorted by key within windows of so many batches.
pub fn sorted_by(rows: &[RowWrite], batches: usize) -> Vec<PackedRows> {
    let windows = rows.chunks(CALL_ROWS.saturating_mul(batches));
    windows
        .flat_map(|window| {
            let mut window = window.to_vec();
            window.sort_by(|a, b| a.row.cmp(&b.row));
            in_order_of_arrival(&window)
        })
        .collect()
}
