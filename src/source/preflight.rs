//! What `tailfill check` wants to know about a server: facts as plain data, judged elsewhere.

use super::SourceError;
use super::connection::{number_at, text_at};
use super::mysql::MysqlSource;
use super::privileges::global_privileges;
use super::schema::CASCADES;
use super::session::BinlogFile;
use crate::model::table::quote;
use crate::model::{ColumnType, TableName, TableSchema};
use std::collections::HashMap;
use std::time::Duration;

/// Bound on a query that reads a whole table to prove something about it.
const PROOF_TIMEOUT: Duration = Duration::from_secs(300);

/// Settings of a server, as it spells them; empty where a version has no such variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `VERSION()` (`8.4.2-debug`).
    pub version: String,
    /// What the GTIDs of this server begin with.
    pub server_uuid: String,
    /// No other replica, nor the tail, may have it.
    pub server_id: u64,
    /// `ON` or `OFF`.
    pub log_bin: String,
    /// ROW, STATEMENT or MIXED: the global value; sessions may have their own.
    pub binlog_format: String,
    /// FULL, MINIMAL or NOBLOB.
    pub binlog_row_image: String,
    /// Empty, or `PARTIAL_JSON`.
    pub binlog_row_value_options: String,
    /// `MINIMAL` or `FULL` (column names in the binlog).
    pub binlog_row_metadata: String,
    /// NONE or CRC32.
    pub binlog_checksum: String,
    /// OFF, OFF_PERMISSIVE, ON_PERMISSIVE or ON.
    pub gtid_mode: String,
    /// OFF, ON or WARN.
    pub enforce_gtid_consistency: String,
    /// 0: kept for ever.
    pub binlog_expire_logs_seconds: u64,
    /// `ON`: transactions become visible in the order of the binlog.
    pub binlog_order_commits: String,
    /// `ON`: cascades of foreign keys are done inside InnoDB and are not in the binlog. Empty below
    /// 9.6, where that is always so.
    pub innodb_native_foreign_keys: String,
}

/// The server's clock, and how long it took to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// `NOW(6)` in microseconds since 1970.
    pub micros: u64,
    /// `micros` may be wrong by half of it.
    pub round_trip: Duration,
}

/// A privilege that is needed and not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingGrant {
    /// As GRANT spells it.
    pub privilege: &'static str,
    /// What fails without it.
    pub needed_for: &'static str,
    /// The statement that grants it.
    pub statement: String,
}

/// Another replica of the server, from SHOW REPLICAS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The tail's must differ from it.
    pub server_id: u64,
    /// As it was registered (`report_host`); often empty.
    pub host: String,
    /// `@@server_uuid` of the replica.
    pub uuid: String,
}

/// A foreign key that changes rows of its child table by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cascade {
    /// The name of the foreign key.
    pub constraint: String,
    /// Deletes or updates there change the child's rows.
    pub parent: TableName,
    /// As `information_schema.referential_constraints` spells it (`CASCADE`, `SET NULL`).
    pub on_delete: String,
    /// As `on_delete`.
    pub on_update: String,
}

/// Whether some columns name at most one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uniqueness {
    /// A unique index over NOT NULL columns says so.
    ByIndex,
    /// No two rows have equal values now; nothing keeps it so.
    AtPresent,
    /// Two rows have equal values now.
    Duplicates,
    /// The table is too large to look through in the time given.
    Unproven,
}

impl MysqlSource {
    /// The server's settings.
    pub async fn facts(&self) -> Result<Facts, SourceError> {
        let rows = self.session().query("the server's settings", VARIABLES).await?;
        let mut values: HashMap<String, String> =
            rows.iter().map(|row| (text_at(row, 0).to_ascii_lowercase(), text_at(row, 1))).collect();
        let mut text = |name: &str| values.remove(name).unwrap_or_default();
        Ok(Facts {
            version: text("version"),
            server_uuid: text("server_uuid"),
            server_id: text("server_id").parse().unwrap_or(0),
            log_bin: text("log_bin"),
            binlog_format: text("binlog_format"),
            binlog_row_image: text("binlog_row_image"),
            binlog_row_value_options: text("binlog_row_value_options"),
            binlog_row_metadata: text("binlog_row_metadata"),
            binlog_checksum: text("binlog_checksum"),
            gtid_mode: text("gtid_mode"),
            enforce_gtid_consistency: text("enforce_gtid_consistency"),
            binlog_expire_logs_seconds: text("binlog_expire_logs_seconds").parse().unwrap_or(0),
            binlog_order_commits: text("binlog_order_commits"),
            innodb_native_foreign_keys: text("innodb_native_foreign_keys"),
        })
    }

    /// The server's clock.
    pub async fn clock(&self) -> Result<ClockReading, SourceError> {
        let asked = tokio::time::Instant::now();
        // Of UTC: a local time is ambiguous in the hour that a summer's end repeats.
        let statement = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))";
        let rows = self.session().query("the server's clock", statement).await?;
        let round_trip = asked.elapsed();
        let micros = rows.first().and_then(|row| number_at(row, 0)).ok_or_else(|| SourceError::Refused {
            what: "the server's clock".into(),
            reason: "it does not say the time".into(),
        })?;
        Ok(ClockReading { micros, round_trip })
    }

    /// The privileges that we need for these tables and have not. SELECT is tried, the global ones
    /// are read from SHOW GRANTS with the active roles.
    pub async fn missing_grants(&self, tables: &[TableName]) -> Result<Vec<MissingGrant>, SourceError> {
        let session = self.session();
        let mut connection = session.open().await?;
        let user = connection.text("the user", "SELECT CURRENT_USER()").await?;
        let grantee = grantee(&user);
        let held = global_privileges(&mut connection).await?;
        let mut missing = Vec::new();
        for (privilege, needed_for) in GLOBAL_PRIVILEGES {
            if !held.iter().any(|held| held == privilege || held == "ALL PRIVILEGES") {
                let statement = format!("GRANT {privilege} ON *.* TO {grantee}");
                missing.push(MissingGrant { privilege, needed_for, statement });
            }
        }
        for table in tables {
            let probe = format!("SELECT * FROM {} LIMIT 0", table.quoted());
            if let Err(error) = connection.rows("a SELECT", &probe).await {
                if !matches!(&error, SourceError::Refused { reason, .. } if denied(reason)) {
                    return Err(error);
                }
                let statement = format!("GRANT SELECT ON {} TO {grantee}", table.quoted());
                missing.push(MissingGrant { privilege: "SELECT", needed_for: "the backfill", statement });
            }
        }
        Ok(missing)
    }

    /// Whether this user may see everything that a change in statement format can touch: tables, triggers, views.
    pub async fn sees_statements(&self) -> Result<bool, SourceError> {
        let mut connection = self.session().open().await?;
        let held = global_privileges(&mut connection).await?;
        let holds = |privilege: &str| held.iter().any(|held| held == privilege || held == "ALL PRIVILEGES");
        Ok(["SELECT", "TRIGGER"].into_iter().all(holds))
    }

    /// The replicas that are connected under our `server_id`, other than ourselves.
    pub async fn replicas_with_our_id(&self) -> Result<Vec<Replica>, SourceError> {
        let session = self.session();
        let statement = if session.version >= (8, 0, 22) { "SHOW REPLICAS" } else { "SHOW SLAVE HOSTS" };
        let rows = session.query("the replicas", statement).await?;
        let all = rows.iter().map(|row| Replica {
            server_id: number_at(row, 0).unwrap_or(0),
            host: text_at(row, 1),
            uuid: text_at(row, 4),
        });
        let ours = u64::from(session.options.server_id);
        Ok(all.filter(|replica| replica.server_id == ours && replica.uuid != session.replica_uuid).collect())
    }

    /// The foreign keys of `child` that delete or change its rows without a row event of their own.
    pub async fn cascades_onto(&self, child: &TableName) -> Result<Vec<Cascade>, SourceError> {
        let mut connection = self.session().take().await?;
        let rows = connection
            .rows_with("the foreign keys", CASCADES, (child.schema.clone(), child.table.clone()))
            .await?;
        self.session().give_back(connection).await;
        Ok(rows
            .iter()
            .map(|row| Cascade {
                constraint: text_at(row, 0),
                parent: TableName { schema: text_at(row, 1), table: text_at(row, 2) },
                on_delete: text_at(row, 3),
                on_update: text_at(row, 4),
            })
            .collect())
    }

    /// Whether `columns` (key and item of a mapping) name at most one row, byte for byte.
    pub async fn uniqueness(
        &self,
        schema: &TableSchema,
        columns: &[usize],
    ) -> Result<Uniqueness, SourceError> {
        if schema.unique_keys.iter().any(|key| key.iter().all(|column| columns.contains(column))) {
            return Ok(Uniqueness::ByIndex);
        }
        let exact: Vec<String> = columns.iter().map(|column| exactly(schema, *column)).collect();
        let statement = format!(
            "SELECT 1 FROM {} GROUP BY {} HAVING COUNT(*) > 1 LIMIT 1",
            schema.name.quoted(),
            exact.join(", ")
        );
        Ok(match self.found(&statement).await? {
            Some(true) => Uniqueness::Duplicates,
            Some(false) => Uniqueness::AtPresent,
            None => Uniqueness::Unproven,
        })
    }

    /// Whether `columns` hold values that are equal under their collation and differ in bytes (`Bob`
    /// and `bob`): two lists for us, one for a WHERE. `None` when the table is too large to tell.
    pub async fn equal_spellings(
        &self,
        schema: &TableSchema,
        columns: &[usize],
    ) -> Result<Option<bool>, SourceError> {
        let text = |column: &usize| matches!(schema.columns[*column].column_type, ColumnType::Text { .. });
        if !columns.iter().any(text) {
            return Ok(Some(false));
        }
        let plain: Vec<String> = columns.iter().map(|column| quote(&schema.columns[*column].name)).collect();
        let exact: Vec<String> = columns.iter().map(|column| exactly(schema, *column)).collect();
        let statement = format!(
            "SELECT 1 FROM {} GROUP BY {} HAVING COUNT(DISTINCT {}) > 1 LIMIT 1",
            schema.name.quoted(),
            plain.join(", "),
            exact.join(", ")
        );
        self.found(&statement).await
    }

    /// The binlog files that the server has, oldest first.
    pub async fn binlog_files(&self) -> Result<Vec<BinlogFile>, SourceError> {
        self.session().binlog_files().await
    }

    /// The present end of the binlog as (file, offset), for the byte lag.
    pub async fn binlog_end(&self) -> Result<(String, u64), SourceError> {
        let end = self.session().binlog_end().await?;
        Ok((end.file.to_string(), end.offset))
    }

    /// Whether a SELECT finds a row; `None` when the server stopped it for taking too long.
    pub async fn finds(&self, select: &str) -> Result<Option<bool>, SourceError> {
        self.found(&format!("{select} LIMIT 1")).await
    }

    async fn found(&self, statement: &str) -> Result<Option<bool>, SourceError> {
        let mut connection = self.session().open().await?;
        match connection.rows_within("a scan of the table", statement, PROOF_TIMEOUT).await {
            Ok(rows) => Ok(Some(!rows.is_empty())),
            Err(error) if was_stopped(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether the server stopped a query at its MAX_EXECUTION_TIME (ER_QUERY_TIMEOUT).
pub(crate) fn was_stopped(error: &SourceError) -> bool {
    matches!(error, SourceError::Unavailable { reason, .. } if reason.ends_with("(error 3024)"))
}

const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'server_uuid', 'server_id', \
     'log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_value_options', 'binlog_row_metadata', \
     'binlog_checksum', 'gtid_mode', 'enforce_gtid_consistency', 'binlog_expire_logs_seconds', \
     'binlog_order_commits', 'innodb_native_foreign_keys')";

/// The privileges on `*.*` that a run needs, and what for.
pub const GLOBAL_PRIVILEGES: [(&str, &str); 3] = [
    ("REPLICATION SLAVE", "the tail: reading the binlog"),
    ("REPLICATION CLIENT", "the byte lag: SHOW BINARY LOGS"),
    ("XA_RECOVER_ADMIN", "the start: XA RECOVER"),
];

/// ER_DBACCESS_DENIED, ER_TABLEACCESS_DENIED, ER_COLUMNACCESS_DENIED.
fn denied(reason: &str) -> bool {
    ["(error 1044)", "(error 1142)", "(error 1143)"].iter().any(|code| reason.ends_with(code))
}

/// `user@host` as a statement needs it.
fn grantee(current_user: &str) -> String {
    let (user, host) = current_user.rsplit_once('@').unwrap_or((current_user, "%"));
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    format!("{}@{}", quoted(user), quoted(host))
}

/// A column, compared by its bytes.
fn exactly(schema: &TableSchema, column: usize) -> String {
    let column = &schema.columns[column];
    match column.column_type {
        ColumnType::Text { .. } => format!("CAST({} AS BINARY)", quote(&column.name)),
        _ => quote(&column.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grantee_is_quoted() {
        assert_eq!(grantee("tail'fill@10.0.0.%"), "'tail''fill'@'10.0.0.%'");
    }
}
