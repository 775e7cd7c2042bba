//! Whether a table can be read now, and who keeps it from being read.

use super::SourceError;
use super::connection::{Connection, text_at};
use super::mysql::MysqlSource;
use crate::model::TableName;

/// How long a lock is waited for before it is said who has it, seconds.
const SET_PATIENCE: &str = "SET SESSION lock_wait_timeout = 2";

/// Sessions that have a lock which lets nobody read, or wait for one and are before us.
const HOLDERS: &str = "SELECT t.PROCESSLIST_ID, t.PROCESSLIST_USER, t.PROCESSLIST_HOST, t.PROCESSLIST_COMMAND, \
     t.PROCESSLIST_TIME, l.LOCK_STATUS FROM performance_schema.metadata_locks l \
     JOIN performance_schema.threads t ON t.THREAD_ID = l.OWNER_THREAD_ID \
     WHERE l.OBJECT_TYPE = 'TABLE' AND l.OBJECT_SCHEMA = ? AND l.OBJECT_NAME = ? \
     AND l.LOCK_TYPE IN ('SHARED_NO_READ_WRITE', 'EXCLUSIVE') ORDER BY l.LOCK_STATUS, t.PROCESSLIST_ID LIMIT 3";

impl MysqlSource {
    /// Waits a moment for each table to be readable.
    ///
    /// # Errors
    /// `Locked` where another session keeps it from being read. What else may be wrong with a table is no error here.
    pub async fn readable(&self, tables: impl Iterator<Item = &TableName>) -> Result<(), SourceError> {
        let mut connection = self.session().open().await?;
        connection.run("a session setting", SET_PATIENCE).await?;
        for table in tables {
            let read = format!("SELECT 1 FROM {} LIMIT 0", table.quoted());
            match connection.rows("whether a table can be read", &read).await {
                Err(error) if error.is_lock_wait() => {
                    let by = holders(&mut connection, table).await;
                    let address = self.session().options.address();
                    return Err(SourceError::Locked { address, table: table.clone(), by });
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }
}

/// Who has the lock, as far as the server lets us see it.
async fn holders(connection: &mut Connection, table: &TableName) -> String {
    let names = (table.schema.clone(), table.table.clone());
    let rows = match connection.rows_with("who has a lock", HOLDERS, names).await {
        Ok(rows) => rows,
        Err(_) => {
            return "tailfill may not see which one; GRANT SELECT ON performance_schema.* to this user shows it"
                .into();
        }
    };
    let session = |row: &mysql_async::Row| {
        let at = |column| text_at(row, column);
        let does = if at(5) == "GRANTED" { "has the lock" } else { "waits for the lock before tailfill" };
        format!("session {} of {}@{} {does} ({} for {} s)", at(0), at(1), at(2), at(3), at(4))
    };
    match rows.is_empty() {
        true => "the lock is gone by now".into(),
        false => rows.iter().map(session).collect::<Vec<_>>().join(", "),
    }
}
