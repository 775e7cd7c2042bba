//! What all connections of one source share.

use super::SourceError;
use super::binlog::statement::Dialect;
use super::connection::{Connection, text_at};
use super::names::NameCase;
use super::options::MysqlOptions;
use super::place::BinlogPlace;
use super::registry::Registry;
use super::text::{self, Charsets};
use crate::model::{ColumnType, Position, Reached, TableSchema};
use mysql_async::Row;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

/// A source as its streams and snapshots use it.
pub(crate) struct Session {
    pub options: MysqlOptions,
    pub server_uuid: String,
    /// `@@version`, as `(major, minor, patch)`.
    pub version: (u16, u16, u16),
    /// What the server knows our dumps by; new in each process.
    pub replica_uuid: String,
    pub case: NameCase,
    pub registry: RwLock<Arc<Registry>>,
    /// Asked of the server once in each process, as far as columns in use need them.
    pub charsets: Mutex<Arc<Charsets>>,
    /// The connection for small queries. Taken out while in use, so that a query that is
    /// cancelled half-way loses the connection instead of leaving it out of step.
    pub control: Mutex<Option<Connection>>,
}

/// One file of SHOW BINARY LOGS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinlogFile {
    pub name: String,
    pub bytes: u64,
}

impl Session {
    /// Whether the binlog has everything behind `gtids`.
    ///
    /// # Errors
    /// `PositionLost` where some of it is purged.
    pub async fn still_has(&self, gtids: &Reached) -> Result<(), SourceError> {
        let missing = self.gtid_set("SELECT @@GLOBAL.gtid_purged").await?.minus(gtids);
        if missing.is_empty() {
            return Ok(());
        }
        Err(SourceError::PositionLost {
            reason: format!(
                "the server has purged {} transactions after this position ({missing})",
                missing.count()
            ),
            advice: crate::advice::purged(),
        })
    }

    /// A new connection to the same server.
    ///
    /// # Errors
    /// `PositionLost` when another server answers at the address.
    pub async fn open(&self) -> Result<Connection, SourceError> {
        let mut connection = Connection::open(&self.options).await?;
        let found = connection.text("the server's identity", "SELECT @@server_uuid").await?;
        if found == self.server_uuid {
            return Ok(connection);
        }
        Err(SourceError::PositionLost {
            reason: format!("another server answers: its server_uuid is {found}, not {}", self.server_uuid),
            advice:
                "after a failover, start again: the start compares the position with the new server's GTIDs"
                    .into(),
        })
    }

    pub async fn take(&self) -> Result<Connection, SourceError> {
        match self.control.lock().await.take() {
            Some(connection) => Ok(connection),
            None => self.open().await,
        }
    }

    pub async fn give_back(&self, connection: Connection) {
        *self.control.lock().await = Some(connection);
    }

    /// A small query on the control connection; tried again once on a new one, since an idle
    /// connection may have been closed.
    pub async fn query(&self, what: &str, statement: &str) -> Result<Vec<Row>, SourceError> {
        let mut connection = self.take().await?;
        let mut done = connection.rows(what, statement).await;
        if matches!(done, Err(SourceError::Unavailable { .. })) {
            connection = self.open().await?;
            done = connection.rows(what, statement).await;
        }
        if !matches!(done, Err(SourceError::Unavailable { .. })) {
            self.give_back(connection).await;
        }
        done
    }

    /// The GTID set that a query of one column answers.
    pub async fn gtid_set(&self, statement: &str) -> Result<Reached, SourceError> {
        let rows = self.query("a GTID set", statement).await?;
        let text = rows.first().map(|row| text_at(row, 0)).unwrap_or_default();
        text.parse().map_err(|error: crate::model::gtid::GtidParseError| SourceError::Refused {
            what: "a GTID set".into(),
            reason: error.to_string(),
        })
    }

    pub fn position(&self, gtids: Reached, file: String, offset: u64) -> Position {
        Position { server_uuid: self.server_uuid.clone(), reached: gtids, file, offset }
    }

    /// Where the binlog ends. The statement's name changed with 8.2.
    pub async fn binlog_end(&self) -> Result<BinlogPlace, SourceError> {
        let statement =
            if self.version >= (8, 2, 0) { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
        let rows = self.query("the binlog's end", statement).await?;
        let row = rows.first().ok_or_else(|| SourceError::Refused {
            what: "the binlog's end".into(),
            reason: "the server writes no binlog: set log_bin".into(),
        })?;
        let offset = super::connection::number_at(row, 1).unwrap_or(4);
        Ok(BinlogPlace { file: text_at(row, 0).into(), offset })
    }

    /// The binlog files that the server has, oldest first.
    pub async fn binlog_files(&self) -> Result<Vec<BinlogFile>, SourceError> {
        let rows = self.query("the list of binlog files", "SHOW BINARY LOGS").await?;
        let bytes = |row| super::connection::number_at(row, 1).unwrap_or(0);
        Ok(rows.iter().map(|row| BinlogFile { name: text_at(row, 0), bytes: bytes(row) }).collect())
    }

    pub fn registry(&self) -> Arc<Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How statements of this server are read.
    pub async fn dialect(&self, connection: &mut Connection) -> Result<Dialect, SourceError> {
        Ok(Dialect::new(self.charsets(connection).await?, self.case))
    }

    /// The character sets of the registered columns that are in use, and latin1.
    pub async fn charsets(&self, connection: &mut Connection) -> Result<Arc<Charsets>, SourceError> {
        let registry = self.registry();
        // and what statements are often in
        let mut names = vec!["latin1".to_owned()];
        for table in registry.tables() {
            names.extend(charset_names(&table.schema, &table.used));
        }
        self.charsets_called(connection, &names).await
    }

    /// The sets with these names, among others; without those that this program does not know.
    ///
    /// # Errors
    /// `Refused` where the server does not say what its bytes mean.
    pub async fn charsets_called(
        &self,
        connection: &mut Connection,
        names: &[String],
    ) -> Result<Arc<Charsets>, SourceError> {
        let mut known = self.charsets.lock().await;
        for name in names {
            if known.find(name).is_none()
                && let Some(table) = text::ask::read(connection, name).await?
            {
                Arc::make_mut(&mut known).add(table);
            }
        }
        Ok(known.clone())
    }
}

/// The character sets of some columns.
pub(crate) fn charset_names(schema: &TableSchema, columns: &[usize]) -> Vec<String> {
    let columns = columns.iter().filter_map(|index| schema.columns.get(*index));
    let names = columns.filter_map(|column| match &column.column_type {
        ColumnType::Text { charset, .. } => Some(charset.clone()),
        _ => None,
    });
    names.collect()
}
