//! The real source: a MySQL server (8.0 to 9.x) with GTIDs.

use super::binlog::moment;
use super::binlog::proof::{self, Strictness};
use super::binlog::scan;
use super::binlog::stream::MysqlStream;
use super::binlog::touches;
use super::connection::{Connection, text_at};
use super::names::NameCase;
use super::options::MysqlOptions;
use super::registry::{InUse, Registry};
use super::session::{BinlogFile, Session};
use super::snapshot::reader::MysqlSnapshot;
use super::{BinlogPlace, ChangeStream, Definitions, Proof, Snapshot, Source, SourceError, schema};
use crate::model::{
    Definition, Histories, Parking, Position, Reached, TableId, TableName, TableSchema, TransactionId,
};
use async_trait::async_trait;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;

/// A MySQL server whose binlog is tailed and whose tables are read.
pub struct MysqlSource {
    session: Arc<Session>,
}

impl MysqlSource {
    /// Connects and logs in.
    ///
    /// # Errors
    /// `LoginRefused` (user, password), `Refused` (unknown database, TLS, MariaDB), `Unavailable`.
    pub async fn connect(options: MysqlOptions) -> Result<MysqlSource, SourceError> {
        let mut connection = Connection::open(&options).await?;
        let rows =
            connection.rows("the server's identity", "SELECT @@version, @@lower_case_table_names").await?;
        let row = rows.first().ok_or_else(|| connection.unavailable("it does not say its version"))?;
        let (version, lower_case) = (text_at(row, 0), text_at(row, 1));
        if version.to_ascii_lowercase().contains("mariadb") {
            return Err(SourceError::Refused {
                what: "this server".into(),
                reason: format!("it is {version}, and tailfill supports MySQL 8.0 and later"),
            });
        }
        let server_uuid = connection.text("the server's identity", "SELECT @@server_uuid").await?;
        let session = Session {
            server_uuid,
            version: parse_version(&version),
            replica_uuid: random_uuid(),
            case: NameCase::of(&lower_case),
            registry: RwLock::default(),
            charsets: Mutex::default(),
            control: Mutex::new(Some(connection)),
            options,
        };
        Ok(MysqlSource { session: Arc::new(session) })
    }

    /// A table's present definition.
    ///
    /// # Errors
    /// `Schema` when the database or table is not there.
    pub async fn schema(&self, table: &TableName) -> Result<TableSchema, SourceError> {
        let mut connection = self.session.take().await?;
        let schema = schema::read(&mut connection, table).await?;
        self.session.give_back(connection).await;
        Ok(schema)
    }

    /// The same with all that the bytes of its rows depend on.
    ///
    /// # Errors
    /// As [`MysqlSource::schema`].
    pub async fn definition(&self, table: &TableName) -> Result<Definition, SourceError> {
        let mut connection = self.session.take().await?;
        let definition = schema::read_definition(&mut connection, table).await?;
        self.session.give_back(connection).await;
        Ok(definition)
    }

    /// Whether the server takes two names for those of one table.
    pub fn is_same_table(&self, one: &TableName, other: &TableName) -> bool {
        let case = self.session.case;
        case.same(&one.schema, &other.schema) && case.same(&one.table, &other.table)
    }

    /// Says which tables the run maps, and which of their columns (indexes) it needs; the others come
    /// as [`Value::Null`](crate::model::Value::Null). The primary key is always needed. Ids go by
    /// order. Streams and snapshots that are open keep what was registered when they were opened.
    ///
    /// # Errors
    /// `Schema` when an index is out of range.
    pub fn register(&self, tables: Vec<impl Into<InUse>>) -> Result<Vec<TableId>, SourceError> {
        let registry = Registry::new(tables, self.session.case)?;
        let ids = registry.tables().iter().map(|table| table.id).collect();
        *self.session.registry.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(registry);
        Ok(ids)
    }

    /// The position before the oldest transaction that the server still has.
    pub async fn earliest(&self) -> Result<Position, SourceError> {
        let gtids = self.session.gtid_set("SELECT @@GLOBAL.gtid_purged").await?;
        let files = self.session.binlog_files().await?;
        let file = files.into_iter().next().map(|file| file.name).unwrap_or_default();
        Ok(self.session.position(gtids, file, 4))
    }

    /// The position `FILE:OFFSET`, which must lie between two transactions.
    ///
    /// # Errors
    /// `PositionLost` when the file is not there, or the offset not between two transactions.
    pub async fn position_at(&self, file: &str, offset: u64) -> Result<Position, SourceError> {
        scan::position_at(&self.session, file, offset).await
    }

    /// The position before the first transaction that the server committed at a moment or later, microseconds since
    /// 1970. Where it has committed none since, what it has committed now.
    ///
    /// # Errors
    /// `PositionLost` when the moment lies in the future, or before what the binlog keeps.
    pub async fn at_moment(&self, micros: i64) -> Result<Position, SourceError> {
        moment::position_at(&self.session, micros).await
    }

    /// Whether the binlog has everything behind `gtids`.
    ///
    /// # Errors
    /// `PositionLost` where some of it is purged.
    pub async fn still_has(&self, gtids: &Reached) -> Result<(), SourceError> {
        self.session.still_has(gtids).await
    }

    /// The end of the binlog: **ahead** of what SELECTs see, so never a place to start a backfill
    /// from; for the byte lag, and for showing what goes wrong when it is started from.
    pub async fn binlog_head(&self) -> Result<Position, SourceError> {
        scan::head(&self.session).await
    }

    /// The position after the transactions of `gtids`.
    pub fn position_of(&self, gtids: Reached) -> Position {
        self.session.position(gtids, String::new(), 0)
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }
}

#[async_trait]
impl Source for MysqlSource {
    async fn server_uuid(&self) -> Result<String, SourceError> {
        Ok(self.session.server_uuid.clone())
    }

    async fn executed(&self) -> Result<Reached, SourceError> {
        self.session.gtid_set("SELECT @@GLOBAL.gtid_executed").await
    }

    async fn start(&self) -> Result<Position, SourceError> {
        scan::start(&self.session).await
    }

    async fn binlog_end(&self) -> Result<BinlogPlace, SourceError> {
        self.session.binlog_end().await
    }

    async fn bytes_since(&self, place: &BinlogPlace) -> Result<Option<u64>, SourceError> {
        let end = self.session.binlog_end().await?;
        if end.file == place.file {
            return Ok(Some(end.offset.saturating_sub(place.offset)));
        }
        Ok(bytes_from(place, &self.session.binlog_files().await?))
    }

    async fn binlog_kept_for(&self) -> Result<Option<Duration>, SourceError> {
        // before MySQL 8.0.29 there is no variable that turns the purge off
        let query = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
                     ('binlog_expire_logs_seconds', 'binlog_expire_logs_auto_purge')";
        let rows = self.session.query("the expiry of binlogs", query).await?;
        let value = |name: &str| rows.iter().find(|row| text_at(row, 0) == name).map(|row| text_at(row, 1));
        let purges = value("binlog_expire_logs_auto_purge").is_none_or(|text| text != "OFF");
        let seconds: u64 =
            value("binlog_expire_logs_seconds").and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok((purges && seconds > 0).then(|| Duration::from_secs(seconds)))
    }

    async fn head(&self) -> Result<Position, SourceError> {
        self.binlog_head().await
    }

    async fn stream(&self, from: &Position) -> Result<Box<dyn ChangeStream>, SourceError> {
        self.stream_by(from, &Histories::new(), &Reached::default()).await
    }

    async fn stream_by(
        &self,
        from: &Position,
        histories: &Histories,
        journaled: &Reached,
    ) -> Result<Box<dyn ChangeStream>, SourceError> {
        Ok(Box::new(MysqlStream::open(self.session.clone(), from, histories, journaled).await?))
    }

    async fn stream_beside(
        &self,
        from: &Position,
        histories: &Histories,
    ) -> Result<Box<dyn ChangeStream>, SourceError> {
        Ok(Box::new(MysqlStream::open_beside(self.session.clone(), from, histories).await?))
    }

    fn definitions(&self) -> Option<&dyn Definitions> {
        Some(self)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, SourceError> {
        Ok(Box::new(MysqlSnapshot::open(&self.session).await?))
    }

    async fn original_micros(&self, transaction: &TransactionId) -> Result<Option<u64>, SourceError> {
        scan::original_micros(&self.session, transaction).await
    }

    async fn original_micros_after(
        &self,
        after: &BinlogPlace,
        transaction: &TransactionId,
    ) -> Result<Option<u64>, SourceError> {
        match scan::micros_behind(&self.session, after, transaction).await {
            Ok(Some(micros)) => Ok(Some(micros)),
            // purged, or begun again: the search by its GTID tells which
            _ => scan::original_micros(&self.session, transaction).await,
        }
    }

    async fn left_out(&self, reached: &Reached) -> Result<Option<TransactionId>, SourceError> {
        scan::left_out(&self.session, reached).await
    }

    async fn tables_named_in(
        &self,
        transaction: &TransactionId,
    ) -> Result<Option<Vec<TableId>>, SourceError> {
        touches::tables_named_in(&self.session, transaction).await
    }

    async fn prepared_xa(&self) -> Result<Vec<String>, SourceError> {
        // formatID, gtrid_length, bqual_length, data (hex with CONVERT XID)
        let rows = self.session.query("XA RECOVER", "XA RECOVER CONVERT XID").await?;
        Ok(rows.iter().map(|row| format!("{}:{}", text_at(row, 3), text_at(row, 0))).collect())
    }
}

#[async_trait]
impl Definitions for MysqlSource {
    async fn prove(&self, table: TableId, since: &Reached) -> Result<Proof, SourceError> {
        proof::prove(&self.session, table, since, Strictness::Indexes).await
    }

    async fn statement_between(
        &self,
        table: TableId,
        from: &Reached,
        to: &Reached,
    ) -> Result<Option<Parking>, SourceError> {
        proof::statement_between(&self.session, table, from, to).await
    }
}

fn parse_version(text: &str) -> (u16, u16, u16) {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

fn random_uuid() -> String {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string()
}

/// Bytes of `files` behind `place`.
fn bytes_from(place: &BinlogPlace, files: &[BinlogFile]) -> Option<u64> {
    let first = files.iter().position(|file| *file.name == *place.file)?;
    let sizes: u64 = files[first..].iter().map(|file| file.bytes).sum();
    Some(sizes.saturating_sub(place.offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_over_several_files() {
        let file = |number: u64, bytes| BinlogFile { name: format!("binlog.{number:06}"), bytes };
        let files = [file(7, 1_000), file(8, 500), file(9, 157)];
        let place = |file: &str, offset| BinlogPlace { file: file.into(), offset };
        assert_eq!(bytes_from(&place("binlog.000007", 900), &files), Some(100 + 500 + 157));
        assert_eq!(bytes_from(&place("binlog.000009", 157), &files), Some(0));
        assert_eq!(bytes_from(&place("binlog.000006", 4), &files), None, "it is purged");
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(parse_version("9.7.4-log"), (9, 7, 4));
        assert_eq!(parse_version("8.0.36"), (8, 0, 36));
        assert_eq!(parse_version(""), (0, 0, 0));
    }
}
