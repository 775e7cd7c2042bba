//! How many connections the server lets us have.

use super::SourceError;
use super::connection::number_at;
use super::mysql::MysqlSource;

/// Bounds on connections, and how many are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Of this account at once; 0: no bound.
    pub of_account: u64,
    /// Of everybody.
    pub of_server: u64,
    /// Of everybody, now.
    pub now: u64,
}

impl MysqlSource {
    pub(crate) async fn connections(&self) -> Result<Connections, SourceError> {
        let what = "the bounds on connections";
        let bounds = "SELECT @@SESSION.max_user_connections, @@GLOBAL.max_connections";
        let bounds = self.session().query(what, bounds).await?;
        let now = self.session().query(what, "SHOW GLOBAL STATUS LIKE 'Threads_connected'").await?;
        let at = |rows: &[mysql_async::Row], column| rows.first().and_then(|row| number_at(row, column));
        Ok(Connections {
            of_account: at(&bounds, 0).unwrap_or(0),
            of_server: at(&bounds, 1).unwrap_or(0),
            now: at(&now, 1).unwrap_or(0),
        })
    }
}
