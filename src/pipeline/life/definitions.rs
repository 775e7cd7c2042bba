//! The schema history of a run: in the store, and shared by the reader, which asks for it at each connect and takes
//! new definitions in, the sealer, which takes parkings in, and re-copies, which bring tables back.
//!
//! An entry is durable before anything behind it is sealed or left out (docs/decisions/0008-schema-history.md).

use crate::advice;
use crate::model::history::{Entry, Meaning};
use crate::model::{Definition, History, Parking, Position, Reached, TableId, TableName, TransactionId};
use crate::pipeline::life::fitting;
use crate::pipeline::life::parking;
use crate::pipeline::parts::patience;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::trouble;
use crate::protocol::ProtocolError;
use crate::retry::{Patience, Pauses};
use crate::source;
use crate::status::{Awaited, Kind};
use crate::store::{Commit, Put, Space, StoreError, records};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::sleep;

/// The name of a mapped table.
pub fn name_of(parts: &Parts, table: TableId) -> Option<TableName> {
    parts.plan.of_table(table).next().map(|mapping| mapping.schema.name.clone())
}

/// Takes the definition after an ALTER in, durably. `false`: its table is parked, or was brought back behind it.
pub async fn follow(
    parts: &Parts,
    table: TableId,
    since: &Reached,
    definition: &Arc<Definition>,
) -> Result<bool, StoreError> {
    let Some(name) = name_of(parts, table) else { return Ok(false) };
    let _one_at_a_time = parts.definitions.writing().await;
    let mut history = parts.definitions.of(&name);
    if history.beginning(since).is_some() {
        return Ok(true);
    }
    let goes_on = |last: &Entry| !last.is_parking() && !last.since.contains_set(since);
    if !history.last().is_none_or(goes_on) {
        return Ok(false);
    }
    history.add(Entry::defined(since.clone(), definition.clone()));
    if !parts.settings.failpoints.definition_after_rows() {
        put(parts, &name, history, Vec::new()).await?;
    }
    Ok(true)
}

/// Parks a table where its rows cannot be read from: all targets of its mappings, and its history, in one durable
/// commit. Nothing is left out before. Also the last targets of a run are parked: it stays up, and its checkpoint advances.
/// `false`: the table was brought back behind it already.
pub async fn park(
    parts: &Parts,
    table: TableId,
    transaction: &TransactionId,
    parking: Parking,
) -> Result<bool, ProtocolError> {
    let Some(name) = name_of(parts, table) else { return Ok(false) };
    let _nobody_else_parks = parts.plan.parking().await;
    let _one_at_a_time = parts.definitions.writing().await;
    let mut history = parts.definitions.of(&name);
    let entry = Entry::parked(transaction.alone(), parking.clone());
    history.add(entry.clone());
    let ends_with_it = history.last() == Some(&entry);
    let targets = match ends_with_it {
        true => parking::records_of_parked(parts, table, &parking).await?,
        false => Vec::new(),
    };
    put(parts, &name, history, targets).await?;
    if ends_with_it {
        for target in parts.plan.of_table(table).flat_map(|mapping| &mapping.targets) {
            parts.plan.written_to().park(target.id);
        }
    }
    Ok(ends_with_it)
}

async fn put(
    parts: &Parts,
    name: &TableName,
    history: History,
    mut beside: Vec<Put>,
) -> Result<(), StoreError> {
    let key = records::definitions_key(&parts.source_name, name);
    if !(parts.settings.failpoints.parking_forgotten() && history.last().is_some_and(Entry::is_parking)) {
        beside.push((Space::Definitions, key, records::encode(&history)?));
    }
    parts.store.commit(Commit { put: beside, ..Commit::default() }).await?;
    parts.definitions.note(name.clone(), history);
    Ok(())
}

/// The mapped tables whose rows have to be read by a definition: none where rows are values already.
fn tables(parts: &Parts) -> BTreeMap<TableId, TableName> {
    let all = parts.plan.mappings().iter().filter(|_| parts.source.definitions().is_some());
    all.map(|mapping| (mapping.table, mapping.schema.name.clone())).collect()
}

/// What a table is now, if that holds since a position; else the statement that stands against it.
async fn prove(
    parts: &Parts,
    source: &dyn source::Definitions,
    table: TableId,
    since: &Reached,
) -> Result<Result<Arc<Definition>, Parking>, ProtocolError> {
    Ok(source.prove(table, since).await?.believed(parts.settings.failpoints))
}

/// Begins the histories of all tables at a position, as it proves their definitions. `Some`: a statement stands against
/// one, so that the next attempt needs a newer position.
pub async fn begin(parts: &Parts, since: &Reached) -> Result<Option<(TableName, Parking)>, ProtocolError> {
    let Some(source) = parts.source.definitions() else { return Ok(None) };
    let mut begun = Vec::new();
    for (table, name) in tables(parts) {
        match prove(parts, source, table, since).await? {
            Err(parking) => return Ok(Some((name, parking))),
            Ok(definition) => begun.push((name, Entry::defined(since.clone(), definition))),
        }
    }
    for (name, entry) in begun {
        put(parts, &name, History { entries: vec![entry] }, Vec::new()).await?;
    }
    Ok(None)
}

/// Begins the histories that are not there yet where a state goes on: of a mapping that joins, or of a state that an
/// earlier build made. What cannot be proven is parked.
pub async fn begin_missing(parts: &Parts, checkpoint: &Reached) -> Result<(), ProtocolError> {
    let Some(source) = parts.source.definitions() else { return Ok(()) };
    for (table, name) in tables(parts) {
        if parts.definitions.of(&name).last().is_some() {
            continue;
        }
        // what was skipped may be of this table, and the tail would bring what lies before it above the copy
        if let Some(before) = parts.source.left_out(checkpoint).await?
            && !parts.settings.failpoints.hole_not_refused()
        {
            return Err(ProtocolError::Refused {
                reason: format!(
                    "{name} cannot be mapped yet: the tail was moved over a transaction, and has not read {before}, which lies \
                     before it"
                ),
                advice: advice::map_later().into(),
            });
        }
        let entry = match prove(parts, source, table, checkpoint).await? {
            Ok(definition) => Entry::defined(checkpoint.clone(), definition),
            Err(parking) => Entry::parked(checkpoint.clone(), parking),
        };
        put(parts, &name, History { entries: vec![entry] }, Vec::new()).await?;
    }
    Ok(())
}

/// Whether everything after an older position can be read, before that becomes the checkpoint.
///
/// # Errors
/// `Refused`: a statement lies before the histories, or a table was parked and brought back in between.
pub async fn begin_earlier(parts: &Parts, from: &Reached) -> Result<(), ProtocolError> {
    let mut earlier = Vec::new();
    for (table, name) in tables(parts) {
        let mut history = parts.definitions.of(&name);
        let passed = |entry: &&Entry| entry.is_parking() && !from.contains_set(&entry.since);
        if let (Some(Entry { meaning: Meaning::Parked(parking), .. }), false) =
            (history.entries.iter().find(passed), history.last().is_some_and(Entry::is_parking))
        {
            return Err(refused_from(&name, parking));
        }
        let Some(first) = history.entries.first_mut() else { continue };
        if from.contains_set(&first.since) {
            continue;
        }
        if let Some(source) = parts.source.definitions()
            && !parts.settings.failpoints.nothing_looked_for_before()
            && let Some(found) = source.statement_between(table, from, &first.since).await?
        {
            return Err(refused_from(&name, &found));
        }
        first.since = from.clone();
        earlier.push((name, history));
    }
    for (name, history) in earlier {
        put(parts, &name, history, Vec::new()).await?;
    }
    Ok(())
}

/// What is done about a statement that lies behind the position that `--from` names.
pub fn refused_from(name: &TableName, found: &Parking) -> ProtocolError {
    ProtocolError::Refused {
        reason: format!("tailfill cannot read rows of {name} after that position: {found}"),
        advice: advice::behind_statement().into(),
    }
}

/// The entries of tables (`None`: all) where changes are gone over: nobody knows what happened to their definitions in
/// there.
pub fn over_gap(
    parts: &Parts,
    to: &Position,
    of: Option<&BTreeSet<TableId>>,
) -> Result<Vec<Put>, StoreError> {
    let mut put = Vec::new();
    for (_, name) in tables(parts).into_iter().filter(|(table, _)| of.is_none_or(|of| of.contains(table))) {
        let mut history = parts.definitions.of(&name);
        let place = format!("{}:{}", to.file, to.offset);
        let reason = "tailfill does not know how the table changed in the gap".to_owned();
        let parking = Parking { what: "a gap".into(), reason, transaction: None, place };
        history.entries.push(Entry::parked(to.reached.clone(), parking));
        let key = records::definitions_key(&parts.source_name, &name);
        put.push((Space::Definitions, key, records::encode(&history)?));
        parts.definitions.note(name, history);
    }
    Ok(put)
}

/// Brings the rows of a table back whose history ends with a parking: proves its present definition while the reader
/// stands still, so that it passes nothing meanwhile, notes it, has the reader connect again, and waits until the sealer
/// goes on by it. What was left out until then lies before any mark that is taken after this. `None`: the tail follows
/// the table already (HBase refused a target, or a re-copy was interrupted). A new proof would leave rows out that are in
/// journaled batches, which could not be cut again (I2).
///
/// # Errors
/// `Refused`: the mapped columns are gone, or are of another type.
pub async fn bring_back(
    parts: &Parts,
    table: TableId,
    waits: impl Fn(Awaited),
) -> Result<Option<Reached>, ProtocolError> {
    let (Some(name), Some(source)) = (name_of(parts, table), parts.source.definitions()) else {
        return Ok(None);
    };
    if parts.definitions.parking(&name).is_none() {
        return Ok(None);
    }
    let (mut patience, mut statements) = (patience::with_one(parts), Patience::for_ever(Pauses::OF_OTHERS));
    loop {
        match try_return(parts, source, table, &name, &waits).await {
            Ok(Attempt::Followed(since)) => return Ok(Some(since)),
            Ok(Attempt::Changed(later)) => {
                patience = patience::with_one(parts);
                let what = format!("the statements that change the table to end ({later})");
                waits(Awaited::new(Kind::Definition, what));
                statements.again().await;
            }
            Err(error) => {
                let (error, pause) = patience::pause_after(&mut patience, error)?;
                waits(trouble(&error));
                sleep(pause).await;
            }
        }
    }
}

/// What came of one attempt to bring a table back.
enum Attempt {
    /// The sealer goes on by the definition that begins there.
    Followed(Reached),
    /// A statement stands against it.
    Changed(Parking),
}

async fn try_return(
    parts: &Parts,
    source: &dyn source::Definitions,
    table: TableId,
    name: &TableName,
    waits: &impl Fn(Awaited),
) -> Result<Attempt, ProtocolError> {
    let proof = "the tail to pause, so that the present definition of the table can be checked";
    waits(Awaited::new(Kind::Definition, proof));
    let Some((passed, guard)) = parts.definitions.pause().await else {
        return Err(ProtocolError::Refused {
            reason: "this run does not tail the binlog now".into(),
            advice: "run the command again while a run tails, or while no run is up".into(),
        });
    };
    let since = await_committed(parts, &passed, waits).await?;
    let definition = match prove(parts, source, table, &since).await? {
        Ok(definition) => definition,
        Err(later) => return Ok(Attempt::Changed(later)),
    };
    fitting::fits(parts, table, &definition)?;
    note_return(parts, name, since.clone(), definition).await?;
    drop(guard);
    waits(Awaited::new(Kind::Tail, "the position at which the definition was checked"));
    match parts.definitions.until_reached(name, &since).await {
        Ok(()) => Ok(Attempt::Followed(since)),
        Err(parking) => Ok(Attempt::Changed(parking)),
    }
}

async fn note_return(
    parts: &Parts,
    name: &TableName,
    since: Reached,
    definition: Arc<Definition>,
) -> Result<(), StoreError> {
    let _one_at_a_time = parts.definitions.writing().await;
    let mut history = parts.definitions.of(name);
    history.entries.push(Entry::defined(since, definition));
    put(parts, name, history, Vec::new()).await
}

/// The executed set, once it has what was read from the binlog already.
async fn await_committed(
    parts: &Parts,
    passed: &Reached,
    waits: &impl Fn(Awaited),
) -> Result<Reached, ProtocolError> {
    let mut looks = Patience::for_ever(Pauses::OF_QUESTIONS);
    loop {
        let executed = parts.source.executed().await?;
        if executed.contains_set(passed) {
            return Ok(executed);
        }
        waits(Awaited::new(Kind::SourceCommit, passed.minus(&executed).to_string()));
        looks.again().await;
    }
}
