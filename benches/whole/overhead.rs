//! `lease` and `journal`: what the two cost by themselves, and what share of a run's time that is.
//!
//! The shares are computed: how many a run made, by what one costs when nothing else is done. Both are upper bounds of what they
//! cost a run, which does other work while it waits for them.

use crate::case::Case;
use crate::ground::{Ground, lease_options};
use crate::measure::{BenchReport, Round, Spread, median};
use crate::plan::Rounds;
use crate::show::grouped;
use anyhow::{Context, ensure};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tailfill::clock::SystemEntropy;
use tailfill::lock::{Leases, ListId, MemcacheLeases};
use tailfill::model::gtid::Gtid;
use tailfill::model::{Point, Reached, Tick, TransactionId};
use tailfill::protocol::{Entry, Journal, Pending};
use tailfill::store::redb::RedbStore;

/// Lists that are leased in one round trip.
const BATCHES: [usize; 3] = [64, 1_000, 4_000];
const REPLY_WITHIN: Duration = Duration::from_secs(1);
/// The runs whose time the shares are of.
const RUNS: [Case; 2] = [Case::Tail, Case::Backfill];

/// Pairs of acquire and release through [`Leases`] and the real memcached.
pub async fn lease(ground: &Ground, rounds: &Rounds) -> anyhow::Result<BenchReport> {
    ground.quiet().await?;
    let server =
        Arc::new(MemcacheLeases::new(vec![format!("127.0.0.1:{}", ground.ports.memcached)], REPLY_WITHIN));
    let names = vec![format!("{}_lease", ground.database)];
    let entropy = Arc::new(SystemEntropy);
    let leases = Leases::new(Some(server), names, lease_options(), entropy, "bench".to_owned());
    let (mut by_batch, mut others) = (Vec::new(), 0.0_f64);
    for size in BATCHES {
        let mut measured = Vec::new();
        for _ in 0..ground.scale.rounds {
            measured.push(pairs(ground, &leases, size).await?);
        }
        others = measured.iter().map(|pairs| pairs.cores_of_others).fold(others, f64::max);
        by_batch.push((size, measured));
    }
    ensure!(leases.counts().degraded_total == 0, "memcached did not grant every lease");
    let mut report = BenchReport::bare(Case::Lease.name(), ground.scale.rounds as usize, others);
    let mut costs = Vec::new();
    for (size, measured) in &by_batch {
        let rate = Spread::of(measured.iter().map(|pairs| 1.0 / pairs.seconds)).context("it was measured")?;
        report.more.insert(format!("pairs_per_second_batch_{size}"), json!(rate));
        let cpu = median(measured.iter().map(|pairs| pairs.cpu_seconds)).context("it was measured")?;
        report.more.insert(format!("cpu_micros_per_pair_batch_{size}"), json!(cpu * 1e6));
        report.sentences.push(format!(
            "lease: {} pairs of acquire and release a second in batches of {}, {:.1} µs of CPU each (tailfill and memcached)",
            grouped(rate.median),
            grouped(*size as f64),
            cpu * 1e6
        ));
        costs.push((*size, 1.0 / rate.median));
    }
    for case in RUNS {
        let Some(own) = rounds.get(&case) else { continue };
        let leased = |round: &Round| Some(round.last_status.as_ref()?.number("/leases/acquired") as f64);
        let Some(pairs) = median(own.iter().filter_map(leased)) else { continue };
        // a chunk or a window leases some thousand lists at once
        let (size, cost) = *costs.last().context("it was measured")?;
        let share = median(own.iter().filter_map(|round| Some(leased(round)? * cost / round.whole.seconds)));
        report.more.insert(format!("pairs_of_{}", case.name()), json!(pairs));
        report.more.insert(format!("share_of_{}", case.name()), json!(share));
        report.sentences.push(format!(
            "lease: {} made {} pairs; one after the other in batches of {} that is {:.1} % of its time",
            case.name(),
            grouped(pairs),
            grouped(size as f64),
            share.unwrap_or(0.0) * 100.0
        ));
    }
    Ok(report)
}

/// What a pair costs.
struct Pairs {
    seconds: f64,
    cpu_seconds: f64,
    cores_of_others: f64,
}

async fn pairs(ground: &Ground, leases: &Leases, size: usize) -> anyhow::Result<Pairs> {
    let lists: Vec<ListId> = (0..size as u64).map(|list| ListId::new(0, &list.to_be_bytes())).collect();
    let (meter, begin) = (ground.own_meter(), Instant::now());
    let (before, mut pairs) = (meter.read()?, 0.0);
    while begin.elapsed() < ground.scale.repeat {
        let wanted: Vec<_> = lists.iter().map(|list| (*list, leases.ticket())).collect();
        let held = leases.acquire_any(&wanted).await.held.context("somebody else has the bench's leases")?;
        ensure!(held.lists().len() == size, "somebody else has some of the bench's leases");
        held.release().await;
        pairs += size as f64;
    }
    let (seconds, used) = (begin.elapsed().as_secs_f64(), meter.read()?.minus(&before));
    Ok(Pairs {
        seconds: seconds / pairs,
        cpu_seconds: used.total() / pairs,
        cores_of_others: used.others() / seconds,
    })
}

/// Durable commits of one journal entry each, in a store like that of a run, on the same disk.
pub async fn journal(ground: &Ground, rounds: &Rounds) -> anyhow::Result<BenchReport> {
    ground.quiet().await?;
    let (meter, begin, mut commits) = (ground.own_meter(), Instant::now(), Vec::new());
    let before = meter.read()?;
    for number in 0..ground.scale.rounds {
        commits.push(commit_seconds(ground, number).await?);
    }
    let others = meter.read()?.minus(&before).others() / begin.elapsed().as_secs_f64();
    let mut report = BenchReport::bare(Case::Journal.name(), commits.len(), others);
    let spread = Spread::of(commits).context("it was measured")?;
    report.more.insert(
        "commit_ms".into(),
        json!(Spread { median: spread.median * 1e3, min: spread.min * 1e3, max: spread.max * 1e3 }),
    );
    report.sentences.push(format!("journal: a durable commit takes {:.2} ms", spread.median * 1e3));
    for case in RUNS {
        let Some(own) = rounds.get(&case) else { continue };
        let share = |round: &Round| Some(commits_of(round)? * spread.median / round.whole.seconds);
        let made = median(own.iter().filter_map(commits_of));
        let share = median(own.iter().filter_map(share));
        let (Some(made), Some(share)) = (made, share) else { continue };
        report.more.insert(format!("commits_of_{}", case.name()), json!(made));
        report.more.insert(format!("share_of_{}", case.name()), json!(share));
        report.sentences.push(format!(
            "journal: {} made at most {} durable commits, that is at most {:.1} % of its time",
            case.name(),
            grouped(made),
            share * 100.0
        ));
    }
    Ok(report)
}

/// How many commits a run made at most: one for each batch (many share one), two for each chunk (its bounds and its
/// end), and two for each second (a mark and a checkpoint).
fn commits_of(round: &Round) -> Option<f64> {
    let status = round.last_status.as_ref()?;
    let (batches, chunks) = (status.number("/tail/batches"), status.number("/targets/0/chunks_done"));
    Some((batches + 2 * chunks) as f64 + 2.0 * round.process_seconds)
}

async fn commit_seconds(ground: &Ground, number: u32) -> anyhow::Result<f64> {
    let folder = ground.work.join(format!("journal-{number}"));
    let store = RedbStore::open(&folder).await?;
    let journal = Journal::new(Arc::new(store), "bench");
    let executed: Reached = ground.executed().await?.parse()?;
    let origin =
        executed.gtids().iter().next().map(|(origin, _)| origin.clone()).context("MySQL has GTIDs")?;
    let (begin, mut commits) = (Instant::now(), 0_u64);
    while begin.elapsed() < ground.scale.repeat {
        let transaction = |number| TransactionId::from(Gtid { origin: origin.clone(), number });
        let point = |number| Point { transaction: transaction(number), row: 50 };
        let mut transactions = Reached::default();
        // a batch of 2,000 rows in transactions of 50
        (0..40).for_each(|offset| transactions.insert(&transaction(commits * 40 + 1 + offset)));
        let entry = Entry::Batch {
            from: point(commits * 40 + 1),
            to: point(commits * 40 + 40),
            transactions,
            original_micros: 1_800_000_000_000_000,
        };
        journal.append(&[Pending { tick: Tick(commits + 1), entry: Some(entry) }], &mut None).await?;
        commits += 1;
    }
    let seconds = begin.elapsed().as_secs_f64() / commits as f64;
    drop(journal);
    std::fs::remove_dir_all(folder)?;
    Ok(seconds)
}
