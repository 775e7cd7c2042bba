//! Whether a change in statement format leaves the mapped tables alone: what the server says, proven by looking ahead.

use super::ahead::{self, Ahead};
use super::statement::{Question, Statement};
use crate::model::{Reached, TableName, TransactionId};
use crate::source::SourceError;
use crate::source::connection::{Connection, number_at, text_at};
use crate::source::privileges::global_privileges;
use crate::source::session::Session;

/// Whether the answer to `question` proves that the change of `gtid` touches nothing else. `before`: what the stream
/// has read before it.
pub(crate) async fn leaves_others_alone(
    session: &Session,
    question: &Question,
    gtid: &TransactionId,
    before: &Reached,
) -> Result<bool, SourceError> {
    ahead::await_committed(session, &gtid.alone()).await?;
    let mut connection = session.open().await?;
    if !is_so(&mut connection, question).await? {
        return Ok(false);
    }
    drop(connection);
    stays_so(session, question, before).await
}

/// What the server says now.
async fn is_so(connection: &mut Connection, question: &Question) -> Result<bool, SourceError> {
    // information_schema leaves out what a user may not see
    let held = global_privileges(connection).await?;
    let may = |privilege: &str| held.iter().any(|held| held == privilege || held == "ALL PRIVILEGES");
    if !may("SELECT") || !may("TRIGGER") || revokes_in_part(connection).await? {
        return Ok(false);
    }
    for table in question.written.iter().chain(&question.read) {
        if !matches!(found(connection, BASE_TABLE, table).await?, Some(1..)) {
            return Ok(false);
        }
    }
    for table in &question.written {
        if found(connection, CARRIES_ON, table).await? != Some(0) {
            return Ok(false);
        }
    }
    for function in &question.functions {
        if found(connection, FUNCTION, function).await? != Some(0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a privilege on everything may have exceptions.
async fn revokes_in_part(connection: &mut Connection) -> Result<bool, SourceError> {
    let setting = connection.rows("a setting", "SHOW GLOBAL VARIABLES LIKE 'partial_revokes'").await?;
    Ok(setting.first().is_some_and(|row| text_at(row, 1) == "ON"))
}

/// `None` where the answer is no number.
async fn found(
    connection: &mut Connection,
    query: &str,
    name: &TableName,
) -> Result<Option<u64>, SourceError> {
    let times = query.matches('?').count() / 2;
    let names: Vec<&str> = [name.schema.as_str(), name.table.as_str()].repeat(times);
    let rows = connection.rows_with("what a statement may touch", query, names).await?;
    Ok(rows.first().and_then(|row| number_at(row, 0)))
}

const BASE_TABLE: &str = "SELECT COUNT(*) FROM information_schema.TABLES \
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VIEW')";

/// Triggers of a table, and foreign keys that change rows of others when its rows change.
const CARRIES_ON: &str = "SELECT (SELECT COUNT(*) FROM information_schema.TRIGGERS \
     WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ?) + \
     (SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS \
     WHERE UNIQUE_CONSTRAINT_SCHEMA = ? AND REFERENCED_TABLE_NAME = ? \
     AND (DELETE_RULE NOT IN ('RESTRICT', 'NO ACTION') OR UPDATE_RULE NOT IN ('RESTRICT', 'NO ACTION')))";

const FUNCTION: &str =
    "SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? AND ROUTINE_NAME = ?";

/// Whether no statement from the change up to the present head can have changed the answer.
async fn stays_so(session: &Session, question: &Question, before: &Reached) -> Result<bool, SourceError> {
    let head = session.binlog_end().await?;
    let mut ahead = Ahead::open(session, before, head).await?;
    while let Some(logged) = ahead.next().await? {
        match logged.statement {
            Ok(Statement::Other(definition)) if definition.may_change(question) => return Ok(false),
            Ok(_) => {}
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}
