//! That one process alone works with a state and a `server_id`: named locks of the server, which a session has as long as
//! it lives. They need no privilege, and go when the process is killed.

use super::SourceError;
use super::connection::{Connection, number_at, text_at};
use super::mysql::MysqlSource;
use crate::retry::{Patience, Pauses};
use std::time::Duration;
use tokio::time::sleep;

/// How long a session may be silent before the server closes it, seconds: so long a machine that died keeps its locks.
const SILENT: &str = "SET SESSION wait_timeout = 60";
/// How often the session says something.
const PING_EVERY: Duration = Duration::from_secs(15);
/// How long another process may have a lock that we had, before we believe that it is another one: longer than a broken
/// connection of ours can keep it.
const REGAIN: Duration = Duration::from_secs(90);
/// How long a process may keep its locks whose machine has died: until the server closes its silent session.
const PREDECESSOR_LEAVES: Duration = Duration::from_secs(70);

/// The locks of this process.
pub struct Claim {
    source: std::sync::Arc<MysqlSource>,
    names: Vec<String>,
    connection: Connection,
}

/// The names of the locks of a state and of a `server_id`.
pub fn names(state_id: &str, server_id: u32) -> Vec<String> {
    vec![format!("tailfill state {state_id}"), format!("tailfill server_id {server_id}")]
}

/// Another session has a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub name: String,
    /// Its number, user and host, as far as they can be seen.
    pub session: String,
}

impl Held {
    /// `state` or `server_id`.
    pub fn what(&self) -> &str {
        self.name.split(' ').nth(1).unwrap_or_default()
    }
}

impl Claim {
    /// Takes the locks; waits until a process that was killed, or whose machine has died, has left them.
    ///
    /// # Errors
    /// What the server says. `Ok(Err(..))`: another session has one of them.
    pub async fn take(
        source: std::sync::Arc<MysqlSource>,
        names: Vec<String>,
    ) -> Result<Result<Claim, Held>, SourceError> {
        let mut connection = open(&source).await?;
        let mut looks = Patience::with_one(PREDECESSOR_LEAVES, Pauses::OF_QUESTIONS);
        loop {
            match lock_all(&mut connection, &names).await? {
                None => return Ok(Ok(Claim { source, names, connection })),
                Some(held) if !looks.again().await => return Ok(Err(held)),
                Some(_) => {}
            }
        }
    }

    /// Keeps the locks, over broken connections too. Ends when another process has one of them for good.
    pub async fn kept(mut self) -> Held {
        loop {
            sleep(PING_EVERY).await;
            if self.connection.run("a sign of life", "DO 0").await.is_err()
                && let Some(held) = self.regain().await
            {
                return held;
            }
        }
    }

    async fn regain(&mut self) -> Option<Held> {
        let mut held_off = Patience::with_a_task(REGAIN, Pauses::OF_A_TASK);
        let mut broken = Patience::for_ever(Pauses::OF_A_TASK);
        loop {
            match self.lock_anew().await {
                Ok(None) => return None,
                Ok(Some(held)) if !held_off.again().await => return Some(held),
                Ok(Some(_)) => {}
                Err(_) => _ = broken.again().await,
            }
        }
    }

    async fn lock_anew(&mut self) -> Result<Option<Held>, SourceError> {
        self.connection = open(&self.source).await?;
        lock_all(&mut self.connection, &self.names).await
    }
}

async fn open(source: &MysqlSource) -> Result<Connection, SourceError> {
    let mut connection = source.session().open().await?;
    connection.run("a session setting", SILENT).await?;
    Ok(connection)
}

async fn lock_all(connection: &mut Connection, names: &[String]) -> Result<Option<Held>, SourceError> {
    for name in names {
        let rows = connection.rows_with("a named lock", "SELECT GET_LOCK(?, 0)", (name,)).await?;
        if rows.first().and_then(|row| number_at(row, 0)) != Some(1) {
            return holder(connection, name).await;
        }
    }
    Ok(None)
}

/// Who has a lock; `None` when it is free by now.
async fn holder(connection: &mut Connection, name: &str) -> Result<Option<Held>, SourceError> {
    let used = connection.rows_with("a named lock", "SELECT IS_USED_LOCK(?)", (name,)).await?;
    let Some(id) = used.first().and_then(|row| number_at(row, 0)) else { return Ok(None) };
    let find = "SELECT USER, HOST FROM information_schema.PROCESSLIST WHERE ID = ?";
    let who = connection.rows_with("the list of sessions", find, (id,)).await.unwrap_or_default();
    let session = match who.first() {
        Some(row) => format!("session {id} of {}, from {}", text_at(row, 0), text_at(row, 1)),
        None => format!("session {id}"),
    };
    Ok(Some(Held { name: name.to_owned(), session }))
}

impl MysqlSource {
    /// The first of these locks that somebody has.
    pub async fn claimed(&self, names: &[String]) -> Result<Option<Held>, SourceError> {
        let mut connection = self.session().open().await?;
        for name in names {
            if let Some(held) = holder(&mut connection, name).await? {
                return Ok(Some(held));
            }
        }
        Ok(None)
    }
}
