//! Lag as an application sees it: a row is committed in MySQL, and HBase is asked for it until it is there.
//!
//! Open loop: a probe is committed every 10 ms, also while earlier ones are still awaited; all that are awaited are asked for in one get. A
//! lag counts from the reply to the commit to the reply that holds the row, so it includes the asking: one call, and a pause
//! of 1 ms before it.

use crate::ground::Ground;
use anyhow::{Context, ensure};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tailfill::model::{Mapping, TargetId, Value, value::DateTime};
use tailfill::sink::hbase::HbaseSink;
use tailfill::sink::layout::{Address, Codec};
use tailfill::sink::{CellNames, ReadRows};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const EVERY: Duration = Duration::from_millis(10);
const CONNECTIONS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(1);
/// The items of probes: nobody else's have numbers as high.
const FIRST_ITEM: u64 = 1 << 40;
/// A row that is not there after this long was lost.
const LOST_AFTER: Duration = Duration::from_secs(120);
/// The order of probes: days from [`FIRST_DAY`] on.
const FIRST_DAY: &str = "2023-01-01";
/// The same in microseconds since 1970.
const FIRST_DAY_MICROS: i64 = 1_672_531_200_000_000;
const DAYS: u64 = 730;
const DAY_MICROS: i64 = 86_400_000_000;

/// Says which list the next probe is of.
pub type Lists = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Probes have numbers that rise over all cases of a run, so that no two are one row.
static NEXT: AtomicU64 = AtomicU64::new(FIRST_ITEM);

/// What probes have seen.
#[derive(Clone, Debug, Default)]
pub struct Lags {
    /// Milliseconds, in rising order.
    ms: Vec<f64>,
}

impl Lags {
    pub fn count(&self) -> usize {
        self.ms.len()
    }

    /// The value that a share of the probes did not exceed; `None` without probes.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = (self.ms.len() as f64 * share).ceil() as usize;
        self.ms.get(rank.max(1) - 1).copied()
    }

    pub fn of(rounds: &[Lags]) -> Lags {
        let mut ms: Vec<f64> = rounds.iter().flat_map(|lags| lags.ms.iter().copied()).collect();
        ms.sort_by(f64::total_cmp);
        Lags { ms }
    }
}

/// A row on its way.
struct Probe {
    address: Address,
    committed: Instant,
}

/// Commits one row and returns how long it took to be readable, from `since` on.
pub async fn one(
    ground: &Ground,
    sink: &HbaseSink,
    mapping: &Mapping,
    lists: &Lists,
    since: Instant,
) -> anyhow::Result<Duration> {
    let mut conn = ground.connect().await?;
    let address = commit(&mut conn, mapping, lists).await?;
    conn.disconnect().await?;
    loop {
        if are_there(sink, &[&address]).await?[0] {
            return Ok(since.elapsed());
        }
        ensure!(since.elapsed() < LOST_AFTER, "a row has not come to HBase within {LOST_AFTER:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Probes for as long as `during` lasts, then waits for those that are under way.
pub async fn probe(
    ground: &Ground,
    sink: &HbaseSink,
    mapping: &Mapping,
    lists: &Lists,
    during: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Lags> {
    let (under_way, awaited) = mpsc::unbounded_channel();
    let mut committers = JoinSet::new();
    let begin = Instant::now();
    for number in 0..CONNECTIONS {
        let (conn, mapping) = (ground.connect().await?, Arc::new(mapping.clone()));
        committers.spawn(commit_at_pace(
            conn,
            mapping,
            lists.clone(),
            begin + EVERY * number,
            under_way.clone(),
        ));
    }
    drop(under_way);
    let ending = async {
        tokio::select! {
            ended = during => ended?,
            Some(ended) = committers.join_next() => ended.context("a connection of probes")??,
        }
        // no more probes: the channel closes when all committers are gone
        committers.shutdown().await;
        anyhow::Ok(())
    };
    let (ended, lags) = tokio::join!(ending, await_all(sink, awaited));
    ended?;
    lags
}

async fn commit_at_pace(
    mut conn: Conn,
    mapping: Arc<Mapping>,
    lists: Lists,
    first: Instant,
    under_way: mpsc::UnboundedSender<Probe>,
) -> anyhow::Result<()> {
    let mut due = first;
    loop {
        tokio::time::sleep_until(due.into()).await;
        due += EVERY * CONNECTIONS;
        let address = commit(&mut conn, &mapping, &lists).await?;
        under_way.send(Probe { address, committed: Instant::now() }).context("nobody awaits a probe")?;
    }
}

/// Commits a row of some list; returns where it will lie.
async fn commit(conn: &mut Conn, mapping: &Mapping, lists: &Lists) -> anyhow::Result<Address> {
    let (list, item) = (lists(), NEXT.fetch_add(1, Relaxed));
    let day = (item - FIRST_ITEM) * 7 % DAYS;
    let created = DateTime::from_micros_since_epoch(FIRST_DAY_MICROS + day as i64 * DAY_MICROS);
    let row =
        vec![Value::UInt(list), Value::UInt(item), Value::DateTime(created), Value::Text("probe".into())];
    let address = Codec::of(mapping, &mapping.targets[0]).address(&row)?;
    let table = mapping.schema.name.quoted();
    let created = format!("'{FIRST_DAY}' + INTERVAL {day} DAY");
    conn.query_drop(format!("INSERT INTO {table} VALUES ({list}, {item}, {created}, 'probe')")).await?;
    Ok(address)
}

/// Which of the items HBase has.
async fn are_there(sink: &HbaseSink, addresses: &[&Address]) -> anyhow::Result<Vec<bool>> {
    let names = |address: &&Address| {
        let qualifiers = address.cell.iter().cloned().collect();
        CellNames { row: address.row.clone(), qualifiers }
    };
    let found = match addresses.iter().any(|address| address.cell.is_some()) {
        true => {
            let wanted: Vec<_> = addresses.iter().map(names).collect();
            sink.read_cells(TargetId(0), &wanted).await?
        }
        false => {
            let keys: Vec<_> = addresses.iter().map(|address| address.row.clone()).collect();
            sink.read(TargetId(0), &keys).await?
        }
    };
    Ok(found.iter().map(Option::is_some).collect())
}

async fn await_all(sink: &HbaseSink, mut probes: mpsc::UnboundedReceiver<Probe>) -> anyhow::Result<Lags> {
    let (mut awaited, mut ms): (Vec<Probe>, Vec<f64>) = (Vec::new(), Vec::new());
    loop {
        if awaited.is_empty() {
            match probes.recv().await {
                Some(probe) => awaited.push(probe),
                None => break,
            }
        }
        while let Ok(probe) = probes.try_recv() {
            awaited.push(probe);
        }
        let addresses: Vec<&Address> = awaited.iter().map(|probe| &probe.address).collect();
        let mut found = are_there(sink, &addresses).await?.into_iter();
        awaited.retain(|probe| {
            let arrived = found.next().unwrap_or(false);
            if arrived {
                ms.push(probe.committed.elapsed().as_secs_f64() * 1e3);
            }
            !arrived
        });
        let lost = awaited.iter().any(|probe| probe.committed.elapsed() > LOST_AFTER);
        ensure!(!lost, "a row has not come to HBase within {LOST_AFTER:?}");
        tokio::time::sleep(PAUSE).await;
    }
    ms.sort_by(f64::total_cmp);
    Ok(Lags { ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let lags = Lags { ms: (1..=200).map(f64::from).collect() };
        let shares = [0.0, 0.5, 0.99, 1.0].map(|share| lags.quantile(share));
        assert_eq!(shares, [Some(1.0), Some(100.0), Some(198.0), Some(200.0)]);
        assert_eq!(Lags::default().quantile(0.5), None);
    }
}
