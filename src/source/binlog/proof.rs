//! Which definition holds: read now, and proven by looking ahead.
//!
//! If no statement ahead can change the table, the definition that was read holds since the position. If one can, nobody
//! knows which of two definitions was read.

use super::ahead::{self, Ahead, Logged};
use super::cursor::Truncated;
use super::statement::{Effect, Statement};
use crate::model::{Parking, Reached, TableId, TableName, TransactionId};
use crate::source::session::Session;
use crate::source::{Proof, SourceError, schema};
use std::sync::Arc;

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
    since: &Reached,
    strictness: Strictness,
) -> Result<Proof, SourceError> {
    let name = name_of(session, table)?;
    ahead::await_committed(session, since).await?;
    let mut connection = session.open().await?;
    let read = schema::read_definition(&mut connection, &name).await;
    drop(connection);
    if let Some(later) = statement(session, &name, since, None, strictness).await? {
        return Ok(Proof::Changed { by: later, read: read.ok().map(Arc::new) });
    }
    // a table that is not there without a statement that took it away is not our user's to see
    Ok(Proof::Holds(Arc::new(read?)))
}

/// The first statement outside `from` and inside `to` that may change the table.
pub(crate) async fn statement_between(
    session: &Session,
    table: TableId,
    from: &Reached,
    to: &Reached,
) -> Result<Option<Parking>, SourceError> {
    statement(session, &name_of(session, table)?, from, Some(to), Strictness::Indexes).await
}

fn name_of(session: &Session, table: TableId) -> Result<TableName, SourceError> {
    let registry = session.registry();
    let registered = registry.get(table).ok_or_else(|| SourceError::Refused {
        what: "the definition of a table".into(),
        reason: "it is not registered".into(),
    })?;
    Ok(registered.schema.name.clone())
}

/// The first statement outside `since`, and inside `within` where that is given, that may change the table.
async fn statement(
    session: &Session,
    table: &TableName,
    since: &Reached,
    within: Option<&Reached>,
    strictness: Strictness,
) -> Result<Option<Parking>, SourceError> {
    let head = session.binlog_end().await?;
    let mut ahead = Ahead::open(session, since, head).await?;
    while let Some(Logged { gtid, place, statement }) = ahead.next().await? {
        let beyond = |gtid: &TransactionId| within.is_some_and(|within| !within.contains(gtid));
        if gtid.as_ref().is_some_and(beyond) {
            continue;
        }
        if let Some((what, reason)) = effect(statement, table, strictness) {
            return Ok(Some(Parking { what, reason, transaction: gtid, place: place.to_string() }));
        }
    }
    Ok(None)
}

/// What a QUERY event may do to the table, if anything. A change in statement format is judged when the stream comes to
/// it: it changes rows, and no definition.
fn effect(
    statement: Result<Statement, Truncated>,
    table: &TableName,
    strictness: Strictness,
) -> Option<(String, String)> {
    let definition = match statement {
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
