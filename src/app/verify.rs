//! `tailfill verify`: composes a comparison, shows how far it is, prints what it found, and has the verdict kept.

use super::pacing::Pacing;
use super::state::{SOURCE, stored_cohort};
use super::verify_display::shown;
use super::{
    Compared, VerifyOptions, begun, check, connect, output, passes, pilot, recopy, status, verdicts,
};
use crate::admin::Client;
use crate::advice;
use crate::clock::{Clock, SteadyClock};
use crate::config::{Config, checked};
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::{Mapping, Reached, Value, Work};
use crate::pipeline::jobs::Ask;
use crate::pipeline::jobs::holds::{self, HoldAsk};
use crate::protocol::Journal;
use crate::retry::{Patience, Pauses};
use crate::source::{MysqlSource, SourceError};
use crate::status::{Phase, Status, TargetStatus};
use crate::store::records::{self, CopyKey, CountsRecord, CountsState, VerdictRecord};
use crate::store::redb::{FILE_NAME, RedbStore};
use crate::store::{Space, Store, StoreError};
use crate::verify::{
    BusinessAsk, Held, ListsFound, Meter, Query, SampleAsk, Settings, Tail, TailPositions, TailView,
    Verification, VerifyReport, business, full,
};
use async_trait::async_trait;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Changes of this long ago count as late ones.
const LATELY: Duration = Duration::from_secs(600);

/// How long a tail that does not answer is asked before it counts as gone.
const ASK_TAIL: Duration = Duration::from_secs(1);

/// Compares items or answers; exits with 0 when all are equal, 4 when differences remain, 3 when it cannot be told.
/// Differences are mended where that is asked for, and then it is compared once more.
pub async fn verify(config: &Config, options: VerifyOptions) -> Result<Exit, Failure> {
    let Found { exit, lists, of_no_list } = compare(config, &options, false).await?;
    if !options.repair {
        return Ok(exit);
    }
    let asks = asks(lists, !options.yes);
    if asks.is_empty() {
        say_what_stays(of_no_list);
        return Ok(exit);
    }
    let done = recopy::carry_out(config, asks).await?;
    recopy::print(&done, options.json)?;
    recopy::outcome(&done)?;
    if !options.yes {
        say_what_stays(of_no_list);
        output::eprint_line(advice::with_yes());
        return Ok(exit);
    }
    let left = compare(config, &options, true).await?;
    say_what_stays(left.of_no_list);
    Ok(left.exit)
}

/// Differences that no re-copy corrects.
fn say_what_stays(of_no_list: u64) {
    if of_no_list > 0 {
        output::eprint_line(&advice::by_hand(of_no_list));
    }
}

/// What a comparison found.
struct Found {
    exit: Exit,
    /// The lists that confirmed differences lie in, by mapping.
    lists: BTreeMap<String, ListsFound>,
    /// Confirmed differences of no list.
    of_no_list: u64,
}

/// Re-copies of lists.
fn asks(lists: BTreeMap<String, ListsFound>, dry_run: bool) -> Vec<Ask> {
    let found = lists.into_iter().filter(|(_, lists)| !lists.is_empty());
    found.map(|(mapping, lists)| Ask { mapping, lists: lists.keys(), dry_run }).collect()
}

/// `repaired`: lists that differed were copied again just before. What is drawn at random is another part each time: the one
/// that was repaired says nothing about the others.
async fn compare(config: &Config, options: &VerifyOptions, repaired: bool) -> Result<Found, Failure> {
    let (mut verification, source) = composed(config).await?;
    let seed = rand::random();
    let (found, verdict) = match options.compared {
        Compared::Items => {
            let resume = options.resume && !repaired;
            let report = passes::full(config, &verification, resume).await?;
            found_in(report, options.json)?
        }
        Compared::Sample { items: wanted } => {
            verification.settings.sample = Some(SampleAsk { items: wanted, seed });
            found_in(shown(&verification, full(&verification)).await?, options.json)?
        }
        Compared::Answers { random } => {
            let ask = BusinessAsk {
                queries: queries(config, &verification.mappings),
                random,
                seed,
                since: lately(&source).await?,
            };
            answers(&verification, &ask, options.json).await?
        }
    };
    verdicts::keep(config, &verification.cohort, repaired, verdict).await;
    Ok(found)
}

/// Everything that a comparison needs.
async fn composed(config: &Config) -> Result<(Verification, Arc<MysqlSource>), Failure> {
    let Standing { tail, counted } = standing(config).await?;
    let pacing = Pacing::begin(config).await?;
    let resolved = connect::resolve(config, &begun::of(config).await?).await?;
    let cohort = pilot::known(config, &resolved.mappings).await?;
    let sink = connect::sink(config, &resolved.mappings).await?;
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
        cohort,
        tail,
        settings: Settings { chunk_rows: pacing.limits().chunk_rows, ..Settings::default() },
        pacer: Some(Arc::new(pacing)),
        meter: Arc::new(Meter::default()),
    };
    Ok((verification, resolved.source))
}

/// Where the part of the binlog begins in which changed lists are looked for; `None`: it does not go back so far.
async fn lately(source: &MysqlSource) -> Result<Option<Reached>, Failure> {
    let micros = SteadyClock::start().now_micros().saturating_sub(LATELY.as_micros() as u64);
    match source.at_moment(i64::try_from(micros).unwrap_or(0)).await {
        Ok(position) => Ok(Some(position.reached)),
        Err(SourceError::PositionLost { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Prints what a comparison of items has found.
fn found_in(report: VerifyReport, json: bool) -> Result<(Found, VerdictRecord), Failure> {
    print(&report, json)?;
    let mut lists: BTreeMap<String, ListsFound> = BTreeMap::new();
    for target in report.targets.iter().filter(|_| report.judged) {
        lists.entry(target.mapping.clone()).or_default().join(&target.lists);
    }
    let of_no_list = report.targets.iter().filter(|_| report.judged).map(|target| target.of_no_list).sum();
    Ok((Found { exit: report.exit(), lists, of_no_list }, report.verdict()))
}

/// Compares answers, and prints what was found.
async fn answers(
    verification: &Verification,
    ask: &BusinessAsk,
    json: bool,
) -> Result<(Found, VerdictRecord), Failure> {
    let report = shown(verification, business(verification, ask)).await?;
    print(&report, json)?;
    let mappings = report.mappings.iter().filter(|_| report.judged);
    let lists = mappings.map(|mapping| (mapping.mapping.clone(), mapping.found.clone())).collect();
    Ok((Found { exit: report.exit(), lists, of_no_list: 0 }, report.verdict()))
}

/// What the application asks, by mapping.
fn queries(config: &Config, mappings: &[Mapping]) -> Vec<Vec<Query>> {
    let of = |mapping: &Mapping| {
        let configured = config.mapping(&mapping.name).map_or(&[][..], |mapping| &mapping.queries);
        let query = |query: &checked::Query| Query {
            name: query.name.clone(),
            kind: query.kind,
            limit: query.limit.unwrap_or(0),
            sql: query.sql.clone(),
        };
        configured.iter().map(query).collect()
    };
    mappings.iter().map(of).collect()
}

fn print(report: &(impl Serialize + std::fmt::Display), json: bool) -> Result<(), Failure> {
    check::print(&match json {
        true => serde_json::to_string(report).map_err(|error| Failure::new(Exit::Failed, error))? + "\n",
        false => report.to_string(),
    })
}

/// What is known of the runs of this state.
struct Standing {
    /// The live tail, or what the last one left.
    tail: Tail,
    /// Counted targets whose rows all have their counts, as [`named`].
    counted: BTreeSet<(String, String)>,
}

/// A target as the state's records name it: its mapping, and its table and family.
fn named(mapping: &str, table: &str, family: &str) -> (String, String) {
    (mapping.to_owned(), format!("{table}/{family}"))
}

async fn standing(config: &Config) -> Result<Standing, Failure> {
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
        return Ok(Standing { tail, counted });
    }
    if !config.state_dir.join(FILE_NAME).exists() {
        return Ok(Standing { tail: Tail::Stopped { checkpoint: None }, counted: BTreeSet::new() });
    }
    let store = RedbStore::open_read_only(&config.state_dir).await?;
    let journal = Journal::new(Arc::new(store), SOURCE);
    let (checkpoint, cohort) = (journal.checkpoint().await?, stored_cohort(&journal).await?);
    let counted = counted(&*journal.store(), &cohort).await?;
    Ok(Standing { tail: Tail::Stopped { checkpoint }, counted })
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
