//! `tailfill verify`: composes a comparison, shows how far it is, and prints and keeps what it found.

use super::state::{SOURCE, stored_cohort};
use super::{VerifyOptions, begun, check, connect, output, recopy, status};
use crate::admin::Client;
use crate::advice;
use crate::clock::{Clock, SteadyClock};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::{LifeEvent, Mapping, Reached, Value, Work, life_cycle};
use crate::pipeline::jobs::Ask;
use crate::pipeline::jobs::holds::{self, HoldAsk};
use crate::protocol::{Journal, plan::Cohort};
use crate::retry::{Patience, Pauses};
use crate::status::{Phase, Status, TargetStatus};
use crate::store::records::{self, CheckpointRecord, CopyKey, CountsRecord, CountsState, LifeRecord};
use crate::store::redb::{FILE_NAME, RedbStore};
use crate::store::{Commit, Space, Store, StoreError};
use crate::verify::{
    Held, ListsFound, Meter, Settings, Tail, TailPositions, TailView, Verification, VerifyReport,
    VerifyTargetReport, full,
};
use async_trait::async_trait;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const REDRAW: Duration = Duration::from_millis(200);
const PLAIN_LINE: Duration = Duration::from_secs(2);

/// How long a tail that does not answer is asked before it counts as gone.
const ASK_TAIL: Duration = Duration::from_secs(1);

/// Compares every item and every cell; exits with 0 when all are equal, 4 when differences remain, 3 when it
/// cannot be told. Differences are mended where that is asked for, and then it is compared once more.
pub async fn verify(config: &Config, options: VerifyOptions) -> Result<Exit, Failure> {
    let report = compare(config, options.json).await?;
    let asks = asks(&report, !options.yes);
    if !options.repair || asks.is_empty() {
        return Ok(report.exit());
    }
    let done = recopy::carry_out(config, asks).await?;
    recopy::print(&done, options.json)?;
    recopy::outcome(&done)?;
    if !options.yes {
        output::eprint_line(advice::with_yes());
        return Ok(report.exit());
    }
    Ok(compare(config, options.json).await?.exit())
}

/// Re-copies of the lists that confirmed differences lie in.
fn asks(report: &VerifyReport, dry_run: bool) -> Vec<Ask> {
    let mut lists: BTreeMap<&str, ListsFound> = BTreeMap::new();
    for target in report.targets.iter().filter(|_| report.judged) {
        lists.entry(&target.mapping).or_default().join(&target.lists);
    }
    let found = lists.into_iter().filter(|(_, lists)| !lists.is_empty());
    found.map(|(mapping, lists)| Ask { mapping: mapping.to_owned(), lists: lists.keys(), dry_run }).collect()
}

async fn compare(config: &Config, json: bool) -> Result<VerifyReport, Failure> {
    let Standing { tail, cohort, counted } = standing(config).await?;
    let resolved = connect::resolve(config, &begun::of(config).await?).await?;
    let sink = connect::sink(config, &resolved.mappings).await?;
    let is_live = matches!(tail, Tail::Live(_));
    let verification = Verification {
        source: resolved.source.clone(),
        sink,
        counts_due: resolved
            .mappings
            .iter()
            .flat_map(|mapping| mapping.targets.iter().map(move |target| (mapping, target)))
            .filter(|(mapping, target)| {
                counted.contains(&named(&mapping.name, &target.table, &target.family))
            })
            .map(|(_, target)| target.id)
            .collect(),
        mappings: resolved.mappings,
        tail,
        settings: Settings { chunk_rows: config.backfill.chunk_rows, ..Settings::default() },
        meter: Arc::new(Meter::default()),
    };
    let display = tokio::spawn(show(verification.meter.clone()));
    let report = full(&verification).await;
    display.abort();
    let _ = display.await; // it was aborted
    let report = report?;
    let text = match json {
        true => serde_json::to_string(&report).map_err(|error| Failure::new(Exit::Failed, error))? + "\n",
        false => report.to_string(),
    };
    check::print(&text)?;
    if !is_live && let Err(error) = keep(config, &verification.mappings, &report, &cohort).await {
        tracing::warn!(%error, "verify could not write its result to the state");
    }
    Ok(report)
}

/// What is known of the runs of this state.
struct Standing {
    /// The live tail, or what the last one left.
    tail: Tail,
    /// The cohort's name.
    cohort: String,
    /// Counted targets whose rows all have their counts, as [`named`].
    counted: BTreeSet<(String, String)>,
}

/// A target as the state's records name it: its mapping, and its table and family.
fn named(mapping: &str, table: &str, family: &str) -> (String, String) {
    (mapping.to_owned(), format!("{table}/{family}"))
}

async fn standing(config: &Config) -> Result<Standing, Failure> {
    let cohort = Cohort::All.name();
    let running = status::running(config).await?;
    if running.as_ref().is_some_and(|status| status.phase == Phase::Copying) {
        let text =
            "the run that is up only copies (--backfill-only): HBase misses all changes since its start";
        return Err(Failure::new(Exit::Refused, text).with_help(advice::verify_later()));
    }
    if let Some(Status { control, .. }) = &running
        && control.is_paused(Work::Tail)
    {
        let text = format!("the tail is {}: HBase misses all changes since then", control.tail);
        return Err(Failure::new(Exit::Refused, text).with_help(advice::resume()));
    }
    if let Some(status) = running.filter(is_tailing) {
        let tail = Tail::Live(Arc::new(AdminTail { config: config.clone() }));
        let is_counted = |target: &&TargetStatus| {
            target.counts.as_ref().is_some_and(|counts| counts.state == CountsState::Counted.name())
        };
        let counted = status.targets.iter().filter(is_counted);
        let counted = counted.map(|target| named(&target.mapping, &target.table, &target.family)).collect();
        return Ok(Standing { tail, cohort, counted });
    }
    if !config.state_dir.join(FILE_NAME).exists() {
        return Ok(Standing { tail: Tail::Stopped { checkpoint: None }, cohort, counted: BTreeSet::new() });
    }
    let store = RedbStore::open_read_only(&config.state_dir).await?;
    let journal = Journal::new(Arc::new(store), SOURCE);
    let (checkpoint, stored) = (journal.checkpoint().await?, stored_cohort(&journal).await?);
    if stored != cohort {
        let text = "so far only a pilot's lists were moved, and verify compares whole tables";
        return Err(Failure::new(Exit::Refused, text).with_help(advice::move_all_lists()));
    }
    let counted = counted(&*journal.store(), &cohort).await?;
    Ok(Standing { tail: Tail::Stopped { checkpoint }, cohort, counted })
}

async fn counted(store: &dyn Store, cohort: &str) -> Result<BTreeSet<(String, String)>, StoreError> {
    let mut counted = BTreeSet::new();
    for (key, record) in store.list(Space::Counts, &[]).await? {
        let CountsRecord { state } = records::decode(&record)?;
        let copy = CopyKey::of_prefix(&key).filter(|copy| copy.source == SOURCE && copy.cohort == cohort);
        if let Some(copy) = copy.filter(|_| state == CountsState::Counted) {
            counted.insert((copy.mapping, copy.target));
        }
    }
    Ok(counted)
}

/// Whether a run is up that writes, or will write, what the source commits.
fn is_tailing(status: &Status) -> bool {
    matches!(status.phase, Phase::Starting | Phase::Tailing | Phase::Replaying | Phase::Draining)
}

/// A tail in another process, asked over its admin address.
struct AdminTail {
    config: Config,
}

#[async_trait]
impl TailView for AdminTail {
    async fn positions(&self) -> Option<TailPositions> {
        let mut patience = Patience::with_a_task(ASK_TAIL, Pauses::OF_OTHERS);
        loop {
            match status::running(&self.config).await {
                Ok(Some(status)) if is_tailing(&status) => return positions(&status),
                Ok(_) => return None,
                Err(error) => tracing::warn!(%error, "waiting for the tail"),
            }
            if !patience.again().await {
                return None;
            }
        }
    }

    async fn hold(&self, mapping: &Mapping, lists: &[Vec<Value>]) -> Option<Held> {
        let held = match Client::open(&self.config.state_dir) {
            Ok(client) => client.hold(&hold_ask(mapping, lists)).await,
            Err(error) => Err(error),
        };
        match held {
            Ok(holds::Held { hold, sealed }) => Some(Held { hold, sealed }),
            Err(error) => {
                tracing::warn!(%error, mapping = %mapping.name, "the run does not hold the lists");
                None
            }
        }
    }

    async fn release(&self, held: &Held) -> bool {
        let Ok(client) = Client::open(&self.config.state_dir) else { return false };
        client.release(held.hold).await.unwrap_or(false)
    }
}

/// A request for a hold as the run takes it.
fn hold_ask(mapping: &Mapping, lists: &[Vec<Value>]) -> HoldAsk {
    HoldAsk { mapping: mapping.name.clone(), lists: lists.to_vec() }
}

fn positions(status: &Status) -> Option<TailPositions> {
    let set = |text: &str| text.parse::<Reached>().ok();
    Some(TailPositions {
        received: set(&status.positions.received.gtids)?,
        written: set(&status.positions.written.gtids)?,
        replaying: status.phase == Phase::Replaying,
    })
}

/// What is kept of a comparison. Key: `verify/` and `at_ms`, 8 bytes big-endian.
#[derive(Debug, Serialize)]
struct VerifiedRecord<'a> {
    /// Milliseconds since 1970.
    at_ms: u64,
    checkpoint: Option<&'a CheckpointRecord>,
    report: &'a VerifyReport,
}

/// Notes the result in the history, and in the life cycle of each target. A state that does not exist is not made.
async fn keep(
    config: &Config,
    mappings: &[Mapping],
    report: &VerifyReport,
    cohort: &str,
) -> Result<(), StoreError> {
    if !report.judged || !config.state_dir.join(FILE_NAME).exists() {
        return Ok(());
    }
    let store = RedbStore::open(&config.state_dir).await?;
    let checkpoint = Journal::new(Arc::new(store.clone()), SOURCE).checkpoint().await?;
    let at_ms = SteadyClock::start().now_ms();
    let record = VerifiedRecord { at_ms, checkpoint: checkpoint.as_ref(), report };
    let key = [&b"verify/"[..], &at_ms.to_be_bytes()].concat();
    let mut commit = Commit::default();
    commit.put.push((Space::History, key, records::encode(&record)?));
    let targets = mappings.iter().flat_map(|m| m.targets.iter().map(move |target| (m, target)));
    for ((mapping, target), found) in targets.zip(&report.targets) {
        let (mapping, target) = named(&mapping.name, &target.table, &target.family);
        let key = CopyKey { source: SOURCE.to_owned(), mapping, cohort: cohort.to_owned(), target };
        if let Some(life) = next_life(&store, &key.prefix(), found).await? {
            commit.put.push((Space::LifeCycle, key.prefix(), records::encode(&life)?));
        }
    }
    store.commit(commit).await.map(drop)
}

/// The life cycle after the comparison; `None` where it says nothing (a copy that is not complete).
async fn next_life(
    store: &dyn Store,
    key: &[u8],
    found: &VerifyTargetReport,
) -> Result<Option<LifeRecord>, StoreError> {
    let record: Option<LifeRecord> = records::read(store, Space::LifeCycle, key).await?;
    let event = if found.is_equal() { LifeEvent::VerifiedEqual } else { LifeEvent::DifferencesFound };
    Ok(record.and_then(|record| {
        Some(LifeRecord { state: life_cycle::step(&record.state, event).ok()?, ..record })
    }))
}

/// Shows `meter` until the future is dropped: a line that is redrawn on a terminal, else one now and then.
async fn show(meter: Arc<Meter>) {
    let begin = Instant::now();
    if !std::io::stderr().is_terminal() {
        loop {
            tokio::time::sleep(PLAIN_LINE).await;
            output::eprint_line(&line(&meter, begin));
        }
    }
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is valid");
    let bar = Bar(ProgressBar::new_spinner().with_style(style));
    loop {
        bar.0.set_message(line(&meter, begin));
        bar.0.tick();
        tokio::time::sleep(REDRAW).await;
    }
}

/// Takes its line away when it is dropped.
struct Bar(ProgressBar);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn line(meter: &Meter, begin: Instant) -> String {
    let seconds = begin.elapsed().as_secs_f64().max(0.001);
    let side = |name: &str, items: u64| format!("{name} {items} items ({:.0}/s)", items as f64 / seconds);
    let mut line = format!(
        "verify: {} | {} | {}",
        meter.stage().name(),
        side("MySQL", meter.source_items.load(Relaxed)),
        side("HBase", meter.sink_items.load(Relaxed))
    );
    let candidates = meter.candidates.load(Relaxed);
    if candidates > 0 {
        line.push_str(&format!(" | {candidates} to confirm"));
    }
    line
}
