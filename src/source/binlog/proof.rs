//! Which definition holds: read now, and proven by looking ahead.
//!
//! The binlog shows a statement before the server has committed it, and the server knows only its present. So: wait
//! until the engine has committed the position, read the definition, read the head of the binlog, and look through the
//! binlog from the position up to that head. If no statement in there can change the table, the definition that was
//! read holds since the position. If one can, nobody knows which of two definitions was read.

use super::event::kind::*;
use super::scan;
use super::statement::{Dialect, Effect, Statement};
use super::stream::{Dump, Events};
use crate::model::{Gtid, GtidSet, Parking, TableId, TableName};
use crate::source::mysql::Session;
use crate::source::{BinlogPlace, Proof, SourceError, schema};
use mysql_common::binlog::events::Event;
use std::sync::Arc;
use std::time::Duration;

/// Pause between two looks at the executed set.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What a later statement must not touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Columns: a statement about indexes alone is judged when the stream comes to it.
    Columns,
    /// Indexes too: one that is dropped and made again may have let two rows have one address in between.
    Indexes,
}

pub(crate) async fn prove(
    session: &Session,
    table: TableId,
    since: &GtidSet,
    strictness: Strictness,
) -> Result<Proof, SourceError> {
    let name = name_of(session, table)?;
    await_committed(session, since).await?;
    let mut connection = session.open().await?;
    let read = schema::read_definition(&mut connection, &name).await;
    drop(connection);
    let head = head(session).await?;
    if let Some(later) = statement(session, &name, since, Until::Head(&head), strictness).await? {
        return Ok(Proof::Changed { by: later, read: read.ok().map(Arc::new) });
    }
    // a table that is not there without a statement that took it away is not our user's to see
    Ok(Proof::Holds(Arc::new(read?)))
}

/// The first statement outside `from` and inside `to` that may change the table.
pub(crate) async fn statement_between(
    session: &Session,
    table: TableId,
    from: &GtidSet,
    to: &GtidSet,
) -> Result<Option<Parking>, SourceError> {
    let head = head(session).await?;
    statement(session, &name_of(session, table)?, from, Until::Set(&head, to), Strictness::Indexes).await
}

/// How far is looked ahead.
enum Until<'a> {
    Head(&'a BinlogPlace),
    /// As far as transactions of a set may lie.
    Set(&'a BinlogPlace, &'a GtidSet),
}

fn name_of(session: &Session, table: TableId) -> Result<TableName, SourceError> {
    let registry = session.registry();
    let registered = registry.get(table).ok_or_else(|| SourceError::Refused {
        what: "the definition of a table".into(),
        reason: "it is not registered".into(),
    })?;
    Ok(registered.schema.name.clone())
}

async fn await_committed(session: &Session, wanted: &GtidSet) -> Result<(), SourceError> {
    while !session.gtid_set("SELECT @@GLOBAL.gtid_executed").await?.contains_set(wanted) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

async fn head(session: &Session) -> Result<BinlogPlace, SourceError> {
    let (file, offset) = session.binlog_end().await?;
    Ok(BinlogPlace { file: file.into(), offset })
}

async fn statement(
    session: &Session,
    table: &TableName,
    since: &GtidSet,
    until: Until<'_>,
    strictness: Strictness,
) -> Result<Option<Parking>, SourceError> {
    let (Until::Head(end) | Until::Set(end, _)) = &until;
    let mut connection = session.open().await?;
    let dialect = session.dialect(&mut connection).await?;
    let dump = Dump::UpToEnd(since);
    let mut events = Events::request(connection, &session.options, &scan::side_uuid(), dump).await?;
    let mut place = BinlogPlace::default();
    let mut gtid = None;
    while let Some(event) = events.next(&place).await? {
        scan::follow(&event, &mut place);
        match event.header().event_type_raw() {
            GTID | GTID_TAGGED => gtid = Some(scan::gtid(&event)?),
            QUERY => {
                let beyond = |gtid: &Gtid| matches!(&until, Until::Set(_, set) if !set.contains(gtid));
                if gtid.as_ref().is_some_and(beyond) {
                    continue;
                }
                if let Some((what, reason)) = effect(&dialect, &event, table, strictness) {
                    let place = place.to_string();
                    return Ok(Some(Parking { what, reason, gtid, place }));
                }
            }
            _ => {}
        }
        if place.is_at_or_past(end) {
            break;
        }
    }
    Ok(None)
}

/// What a QUERY event may do to the table, if anything. A change in statement format is judged when the stream comes to
/// it: it changes rows, and no definition.
fn effect(
    dialect: &Dialect,
    event: &Event,
    table: &TableName,
    strictness: Strictness,
) -> Option<(String, String)> {
    let definition = match dialect.query(event.data()) {
        Ok(Statement::Other(definition)) => definition,
        Ok(_) => return None,
        Err(_) => return Some(("a statement".into(), "it ends before its content does".into())),
    };
    match definition.effect_on(table) {
        Effect::None => None,
        Effect::Redefines { clauses } if clauses.is_empty() && strictness == Strictness::Columns => None,
        Effect::StatementFormat { .. } => None,
        _ => Some((definition.kind(), format!("it may change {table}"))),
    }
}
