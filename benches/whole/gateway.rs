//! `gateway` and `gateway-ordered`: the same client writes rows that lie ready. What everything is compared with.

use crate::case::Case;
use crate::ground::{FOLLOWS, Ground, compare};
use crate::header;
use crate::measure::Round;
use crate::rows;
use crate::trace::{Sample, Trace};
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tailfill::model::TargetId;
use tailfill::sink::{PackedRows, RowWrite, WriteRows};

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One run of a gateway case into a new table.
pub async fn run(ground: &Ground, case: Case, ready: &[RowWrite]) -> anyhow::Result<Round> {
    let name = case.name();
    let (sink, mapping) = ground.sink(FOLLOWS, &name).await?;
    ground.new_table(&sink, &mapping, &name).await?;
    let calls = match case {
        Case::GatewayOrdered => rows::ordered(ready),
        _ => rows::in_order_of_arrival(ready),
    };
    ground.quiet().await?;
    let at_once = usize::from(ground.config(FOLLOWS, &name)?.hbase.connections);
    let trace = write(ground, &sink, &calls, at_once).await?;
    let mut round = Round::of(trace.halves(ready.len() as u64)?);
    round.regions = header::regions(ground, &ground.table(&name));
    compare(&sink, &mapping, ready).await?;
    ground.forget_table(&sink, &name).await?;
    Ok(round)
}

/// Writes `calls`, `at_once` of them at a time.
pub async fn write(
    ground: &Ground,
    sink: &impl WriteRows,
    calls: &[PackedRows],
    at_once: usize,
) -> anyhow::Result<Trace> {
    let (meter, written) = (ground.own_meter(), AtomicU64::new(0));
    let written = &written;
    let look = || anyhow::Ok(Sample { at: Instant::now(), rows: written.load(Relaxed), cpu: meter.read()? });
    let mut trace = Trace::default();
    trace.push(true, look()?);
    let each = stream::iter(calls).map(|call| async move {
        let rows = call.writes();
        sink.write(TargetId(0), &rows).await?;
        written.fetch_add(rows.len() as u64, Relaxed);
        anyhow::Ok(())
    });
    let all = each.buffer_unordered(at_once).try_collect::<()>();
    tokio::pin!(all);
    loop {
        tokio::select! {
            done = &mut all => break done?,
            () = tokio::time::sleep(LOOK_EVERY) => trace.push(true, look()?),
        }
    }
    trace.push(true, look()?);
    Ok(trace)
}
