//! What keeps changes out of the binlog, or gives them another form there: facts for `tailfill check`.

use super::SourceError;
use super::connection::text_at;
use super::mysql::MysqlSource;
use std::collections::HashMap;

/// Settings that say what reaches the binlog and how long it stays; empty where a version has no such
/// variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    /// `ON`: transactions are written as zstd payloads.
    pub transaction_compression: String,
    /// `OFF`: no file is purged by age (8.0.29 and later).
    pub expires_by_age: String,
    /// `OFF`: what the server itself receives as a replica is not in its binlog.
    pub log_replica_updates: String,
}

/// The server's `binlog-do-db` and `binlog-ignore-db`; both empty when everything is logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilters {
    pub only: Vec<String>,
    pub ignored: Vec<String>,
}

impl LogFilters {
    /// Whether row changes of tables in `schema` are logged (in ROW format the table's database counts,
    /// not the session's).
    pub fn pass(&self, schema: &str) -> bool {
        let names = |list: &[String]| list.iter().any(|name| name == schema);
        (self.only.is_empty() || names(&self.only)) && !names(&self.ignored)
    }
}

impl MysqlSource {
    pub(crate) async fn logging(&self) -> Result<Logging, SourceError> {
        let rows = self.session().query("the server's settings", VARIABLES).await?;
        let mut values: HashMap<String, String> =
            rows.iter().map(|row| (text_at(row, 0).to_ascii_lowercase(), text_at(row, 1))).collect();
        let mut text = |name: &str| values.remove(name).unwrap_or_default();
        let updates = text("log_replica_updates");
        let updates_before_8_0_26 = text("log_slave_updates");
        Ok(Logging {
            transaction_compression: text("binlog_transaction_compression"),
            expires_by_age: text("binlog_expire_logs_auto_purge"),
            log_replica_updates: if updates.is_empty() { updates_before_8_0_26 } else { updates },
        })
    }

    /// # Errors
    /// `Refused` without REPLICATION CLIENT.
    pub async fn log_filters(&self) -> Result<LogFilters, SourceError> {
        let session = self.session();
        let statement =
            if session.version >= (8, 2, 0) { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
        let rows = session.query("the filters of the binlog", statement).await?;
        let list = |column| rows.first().map(|row| names(&text_at(row, column))).unwrap_or_default();
        Ok(LogFilters { only: list(2), ignored: list(3) })
    }
}

const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_transaction_compression', \
     'binlog_expire_logs_auto_purge', 'log_replica_updates', 'log_slave_updates')";

/// The names in `a,b`.
fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_logged_unless_a_filter_leaves_it_out() {
        let filters = |only: &str, ignored: &str| LogFilters { only: names(only), ignored: names(ignored) };
        assert!(filters("", "").pass("social"));
        assert!(filters("shop, social", "").pass("social"));
        assert!(!filters("shop", "").pass("social"));
        assert!(!filters("", "social,shop").pass("social"));
    }
}
