//! `tailfill position`, and `tailfill resume --from`: where a tail stands and stood, and moving it. A run that has the state
//! moves its own tail; where none has it, this command does, in the state.

use super::state::{SOURCE, open_for_lever, run_id};
use super::{StartAt, begun, by_history, connect, levers, output, status};
use crate::admin::Client;
use crate::advice;
use crate::clock::SteadyClock;
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::{DateTime, TransactionId, Wanted, Work};
use crate::pipeline::jobs::history::{self, Since};
use crate::pipeline::jobs::moves::{Course, Destination, MoveAsk, Moved};
use crate::pipeline::run::moving;
use crate::pipeline::{Definitions, Holds, Levers, Parts, Progress, Recent, Recopies};
use crate::protocol::Plan;
use crate::protocol::plan::Cohort;
use crate::sink::null::NullSink;
use crate::source::mysql::MysqlSource;
use crate::status::Status;
use crate::store::records::PassageRecord;
use crate::store::redb::{FILE_NAME, RedbStore};
use serde::Serialize;
use std::sync::Arc;

/// Where a person wants the tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Behind a position.
    At(StartAt),
    /// Where it stands, without this transaction.
    Without(TransactionId),
}

/// How it is moved there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveOptions {
    pub wish: Wish,
    pub accept_gap: bool,
    pub reason: String,
    /// What runs from then on.
    pub resumes: Vec<Work>,
    pub json: bool,
}

/// Moves the tail, and says what happens next.
pub async fn set(config: &Config, options: MoveOptions) -> Result<Exit, Failure> {
    let MoveOptions { wish, accept_gap, reason, resumes, json } = options;
    let is_live = status::running(config).await?.is_some();
    if !is_live && !config.state_dir.join(FILE_NAME).exists() {
        RedbStore::open_read_only(&config.state_dir).await?; // says that `init` makes it
    }
    let destination = match wish {
        Wish::At(start) => {
            let source = MysqlSource::connect(connect::mysql_options(config)).await?;
            Destination::To(super::run::position(&source, &start).await?)
        }
        Wish::Without(transaction) => Destination::Without(transaction),
    };
    let lever = levers::lever(Wanted::Running, reason);
    let ask = MoveAsk { destination, accept_gap, lever, resumes };
    let moved = match is_live {
        true => Client::open(&config.state_dir)?.move_tail(&ask).await??,
        false => in_state(config, &ask).await?,
    };
    match json {
        true => output::answer(&json_of(&moved)?),
        false => say(&ask, &moved, is_live),
    }
    Ok(Exit::Done)
}

async fn in_state(config: &Config, ask: &MoveAsk) -> Result<Moved, Failure> {
    let store = open_for_lever(&config.state_dir).await?;
    let begun = begun::of_store(&store).await?;
    let resolved = by_history::resolve(config, &begun, &store, &Recopies::none()).await?;
    let run_id = run_id(&store).await?;
    let parts = Parts {
        source_name: SOURCE.to_owned(),
        source: resolved.source,
        sink: Arc::new(NullSink::default()),
        leases: connect::leases(config, None, &resolved.mappings, &run_id),
        store: Arc::new(store),
        clock: Arc::new(SteadyClock::start()),
        plan: Arc::new(Plan::new(resolved.mappings, Cohort::All)),
        settings: Arc::new(connect::settings(config)),
        progress: Arc::new(Progress::default()),
        holds: Holds::default(),
        levers: Levers::default(),
        throttle: connect::throttle(config),
        definitions: Definitions::default(),
        recent: Recent::default(),
    };
    let tables: Vec<_> = parts.plan.mappings().iter().map(|mapping| mapping.schema.name.clone()).collect();
    parts.definitions.load(&*parts.store, &parts.source_name, &tables).await?;
    Ok(moving::set(&parts, ask).await?)
}

fn say(ask: &MoveAsk, moved: &Moved, is_live: bool) {
    output::answer(&sentence(ask, moved));
    if matches!(moved.course, Course::Over { .. }) {
        output::answer(advice::copied_again());
    }
    for work in Work::ALL.into_iter().filter(|work| ask.resumes.contains(work)) {
        let how = if moved.changed.contains(&work) { "is running from now on" } else { "was running" };
        output::answer(&format!("the {} {how}", work.name()));
    }
    if !is_live {
        output::answer("no run is up: the next one starts like this");
    }
    if moved.control.is_paused(Work::Tail) {
        output::answer(&format!("the tail is {}", moved.control.of(Work::Tail)));
        output::eprint_line(advice::resume());
    }
}

/// What a move did, and what comes of it.
fn sentence(ask: &MoveAsk, Moved { from, to, course, .. }: &Moved) -> String {
    match (course, &ask.destination) {
        (Course::Stays, Destination::To(_)) => format!("the tail stands at {from} already"),
        (Course::Stays, Destination::Without(transaction)) => {
            format!("the tail has passed {transaction} already: nothing to skip")
        }
        (Course::Back { again }, _) => format!(
            "the tail continues from {to}: it reads {again} transactions again, with new ticks; until it has passed \
             them, HBase may show older states, and nothing is verified"
        ),
        (Course::Over { mappings, .. }, Destination::Without(transaction)) => {
            format!("the tail leaves {transaction} out; the run copies again: {}", mappings.join(", "))
        }
        (Course::Over { missed, mappings }, _) => format!(
            "the tail continues from {to}, and misses {missed} transactions; the run copies again: {}",
            mappings.join(", ")
        ),
    }
}

/// What `position show --json` prints.
#[derive(Serialize)]
struct Shown<'a> {
    live: bool,
    phase: crate::status::Phase,
    tail: &'a crate::model::Lever,
    positions: &'a crate::status::Positions,
    purge_in_seconds: Option<u64>,
}

/// Shows where the tail stands.
pub async fn show(config: &Config, json: bool) -> Result<String, Failure> {
    let status = status::status(config).await?;
    let live = status.phase != crate::status::Phase::Stopped;
    let Status { phase, positions, purge_in_seconds, .. } = &status;
    let tail = status.control.of(Work::Tail);
    if json {
        let shown = Shown { live, phase: *phase, tail, positions, purge_in_seconds: *purge_in_seconds };
        return json_of(&shown).map(|text| text + "\n");
    }
    let run = if live { phase.name().to_owned() } else { "no run has this state".to_owned() };
    let mut text = format!("{:<14}{run}\n", "run");
    let wanted = if tail.by.is_empty() { tail.wanted.name().to_owned() } else { tail.to_string() };
    text += &format!("{:<14}{wanted}\n", "tail");
    for (name, place) in positions.named() {
        let at =
            if place.file.is_empty() { "-".to_owned() } else { format!("{}:{}", place.file, place.offset) };
        text += &format!("{name:<14}{at}  {}\n", place.gtids);
    }
    Ok(text)
}

/// The history of positions, oldest first.
pub async fn history(config: &Config, since: Since, json: bool) -> Result<String, Failure> {
    let records = match status::running(config).await? {
        Some(_) => Client::open(&config.state_dir)?.position_history(since).await?,
        None => history::read(&RedbStore::open_read_only(&config.state_dir).await?, since).await?,
    };
    if json { json_lines(&records) } else { Ok(records.iter().map(line).collect()) }
}

/// Records as JSON, one on each line.
pub fn json_lines(records: &[impl Serialize]) -> Result<String, Failure> {
    let lines: Result<Vec<String>, Failure> = records.iter().map(json_of).collect();
    Ok(lines?.into_iter().map(|line| line + "\n").collect())
}

fn line(record: &PassageRecord) -> String {
    let PassageRecord { at_ms, cause, by, reason, position, tick_high } = record;
    let at = DateTime::from_ms_since_epoch(*at_ms).in_seconds();
    let by = if by.is_empty() { String::new() } else { format!("  by {by}") };
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("{at}  {:<7} {position}  tick {tick_high}{by}{reason}\n", cause.name())
}

fn json_of(what: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(what).map_err(|error| Failure::new(Exit::Failed, error))
}
