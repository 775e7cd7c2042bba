//! `verify`: a whole comparison beside no run, and each of the two sides scanned bare, in turns.
//!
//! The scans are what a comparison cannot do without: MySQL by chunks on one connection, and HBase by salt buckets, as many
//! at once as a comparison takes, with the pages that it takes. Both use the library and drop what comes.

use crate::case::Case;
use crate::child::Tailfill;
use crate::data::Backlog;
use crate::ground::{FOLLOWS, Ground};
use crate::measure::{BenchReport, Round, ratio};
use crate::reading;
use crate::show::grouped;
use crate::trace::{Sample, Span};
use anyhow::ensure;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use std::path::Path;
use std::time::{Duration, Instant};
use tailfill::model::{Mapping, TargetId};
use tailfill::sink::hbase::HbaseSink;
use tailfill::sink::{ReadRows, ScanRange};

const LOOK_EVERY: Duration = Duration::from_millis(10);
/// As src/verify and src/compare have them.
const SCANS_AT_ONCE: usize = 4;
const PAGE_ROWS: usize = 5_000;

/// Moves the table once; then scans both sides and compares them, as often as there are rounds.
pub async fn run(ground: &Ground, backlog: &Backlog, say: &dyn Fn(&str)) -> anyhow::Result<Vec<BenchReport>> {
    let (case, rows) = (Case::Verify.name(), backlog.edges.len() as u64);
    let what = ground.tall(FOLLOWS, &case);
    let (sink, mapping) = what.sink().await?;
    ground.forget_table(&sink, &case).await?;
    let folder = what.folder()?;
    let complete = async |arguments: &[&str]| Tailfill::complete(&ground.tailfill, &folder, arguments).await;
    complete(&["init"]).await?;
    complete(&["run", "--until", "caught-up"]).await?;
    let source = ground.source(&mapping).await?;
    let (mut mysql, mut hbase, mut verified) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=ground.scale.rounds {
        ground.quiet().await?;
        mysql.push(Round::whole(reading::chunks(ground, &source, &mapping, rows).await?));
        hbase.push(Round::whole(scan(ground, &sink, &mapping, rows).await?));
        verified.push(verify(ground, &folder, rows).await?);
        let rate = |rounds: &[Round]| grouped(rounds.last().map_or(0.0, |round| round.whole.rate()));
        say(&format!(
            "round {number}: MySQL {}, HBase {}, both compared {} rows/s",
            rate(&mysql),
            rate(&hbase),
            rate(&verified)
        ));
    }
    ground.forget_table(&sink, &case).await?;
    let mut compared = BenchReport::of(&*case, &verified);
    let slower: Vec<Round> = mysql
        .iter()
        .zip(&hbase)
        .map(|(mysql, hbase)| if mysql.whole.rate() < hbase.whole.rate() { mysql } else { hbase })
        .cloned()
        .collect();
    compared.compare("the slower scan", &verified, &slower, None);
    let times = ratio(&slower, &verified, |round| Some(round.whole)).unwrap_or(0.0);
    compared.sentences.push(format!(
        "verify: a comparison takes {times:.2} times as long as the slower of both scans alone"
    ));
    let bare = [("verify-mysql", &mysql), ("verify-hbase", &hbase)];
    Ok(bare.map(|(name, rounds)| BenchReport::of(name, rounds)).into_iter().chain([compared]).collect())
}

async fn scan(ground: &Ground, sink: &HbaseSink, mapping: &Mapping, rows: u64) -> anyhow::Result<Span> {
    let meter = ground.own_meter();
    let look = |rows| anyhow::Ok(Sample { at: Instant::now(), rows, cpu: meter.read()? });
    let begin = look(0)?;
    let buckets = u8::try_from(mapping.targets[0].salt_buckets)?;
    let bound = |salt: u8| match salt {
        0 => Bytes::new(),
        salt if salt == buckets => Bytes::new(),
        salt => Bytes::copy_from_slice(&[salt]),
    };
    let bucket =
        |salt| ScanRange { start: bound(salt), stop: bound(salt + 1), reversed: false, limit: PAGE_ROWS };
    let scans = stream::iter((0..buckets).map(|salt| count(sink, bucket(salt))));
    let counts: Vec<u64> = scans.buffer_unordered(SCANS_AT_ONCE).try_collect().await?;
    let seen: u64 = counts.into_iter().sum();
    ensure!(seen == rows, "HBase has {seen} rows of {rows}");
    Ok(Span::between(rows, &begin, &look(rows)?))
}

async fn count(sink: &HbaseSink, bucket: ScanRange) -> anyhow::Result<u64> {
    let (mut rest, mut seen) = (Some(bucket), 0);
    while let Some(range) = rest {
        let found = sink.scan(TargetId(0), &range).await?;
        seen += found.len() as u64;
        rest = range.rest(found.len(), found.last().map(|last| &last.row));
    }
    Ok(seen)
}

/// From the start of the process to its end, which says that both sides are equal.
async fn verify(ground: &Ground, folder: &Path, rows: u64) -> anyhow::Result<Round> {
    let mut command = Tailfill::start(&ground.tailfill, folder, &["verify", "--full", "--json"])?;
    let meter = ground.meter(command.pid());
    let begin = Sample { at: Instant::now(), rows: 0, cpu: meter.read()? };
    loop {
        // its CPU time can be read until its end is taken note of
        let end = Sample { at: Instant::now(), rows, cpu: meter.read()? };
        _ = command.status().await; // for its memory
        if let Some(ended) = command.ended()? {
            command.check(ended)?;
            let mut round = Round::whole(Span::between(rows, &begin, &end));
            round.memory_high = Some(command.memory_high());
            return Ok(round);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
