//! Figures of the servers that a copy must not overload: what a throttle reads from time to time.

use super::SourceError;
use super::connection::{Connection, text_at};
use super::options::MysqlOptions;
use async_trait::async_trait;
use mysql_async::Row;
use std::time::Duration;
use tokio::sync::Mutex;

/// What is read. Each call bounds itself by nothing: the caller does, and may drop it.
#[async_trait]
pub trait Gauges: Send + Sync {
    /// Statements that the source executes at this moment, ours among them (`Threads_running`).
    async fn threads_running(&self) -> Result<u64, SourceError>;

    /// The number that a SELECT of the operator answers with.
    async fn number(&self, select: &str) -> Result<f64, SourceError>;

    /// How far each replica is behind, by its name.
    async fn replica_lags(&self) -> Vec<(String, Result<Duration, SourceError>)>;
}

/// MySQL servers, each asked on one connection that is used for nothing else and opened again when it breaks.
pub struct MysqlGauges {
    source: Asked,
    replicas: Vec<Asked>,
}

/// One server.
struct Asked {
    options: MysqlOptions,
    /// Taken out while it is in use, so that a call that is dropped half-way loses the connection instead of leaving it
    /// out of step.
    connection: Mutex<Option<Connection>>,
}

impl MysqlGauges {
    /// Nothing is connected yet.
    pub fn new(source: MysqlOptions, replicas: Vec<MysqlOptions>) -> MysqlGauges {
        MysqlGauges { source: Asked::new(source), replicas: replicas.into_iter().map(Asked::new).collect() }
    }
}

#[async_trait]
impl Gauges for MysqlGauges {
    async fn threads_running(&self) -> Result<u64, SourceError> {
        let what = "Threads_running";
        let rows = self.source.query(what, "SHOW GLOBAL STATUS LIKE 'Threads_running'").await?;
        let found = rows.first().and_then(|row| text_at(row, 1).parse().ok());
        found.ok_or_else(|| no_number(what, "it does not say how many statements it executes"))
    }

    async fn number(&self, select: &str) -> Result<f64, SourceError> {
        let what = "throttle.query";
        let rows = self.source.query(what, select).await?;
        match &rows[..] {
            [row] if row.len() == 1 => {
                let found = text_at(row, 0).parse().ok().filter(|found: &f64| found.is_finite());
                found.ok_or_else(|| no_number(what, "the answer is not a number"))
            }
            rows => Err(no_number(what, &format!("the answer has {} rows, or several columns", rows.len()))),
        }
    }

    async fn replica_lags(&self) -> Vec<(String, Result<Duration, SourceError>)> {
        let lag = |replica| async move { (Asked::name(replica), Asked::lag(replica).await) };
        futures::future::join_all(self.replicas.iter().map(lag)).await
    }
}

impl Asked {
    fn new(options: MysqlOptions) -> Asked {
        Asked { options, connection: Mutex::new(None) }
    }

    fn name(&self) -> String {
        self.options.address()
    }

    async fn lag(&self) -> Result<Duration, SourceError> {
        let what = "SHOW REPLICA STATUS";
        let channels = self.query(what, what).await?;
        let behind = |row: &Row| {
            let column =
                row.columns_ref().iter().position(|column| column.name_str() == "Seconds_Behind_Source")?;
            text_at(row, column).parse().ok().map(Duration::from_secs)
        };
        let lags: Option<Vec<Duration>> = channels.iter().map(behind).collect();
        let lags = lags.ok_or_else(|| no_number(what, "the replica does not replicate now"))?;
        lags.into_iter().max().ok_or_else(|| no_number(what, "the server is not a replica"))
    }

    async fn query(&self, what: &str, statement: &str) -> Result<Vec<Row>, SourceError> {
        let mut connection = match self.connection.lock().await.take() {
            Some(connection) => connection,
            None => {
                let mut opened = Connection::open(&self.options).await?;
                // a statement of the operator's can change nothing
                opened.run("a read-only session", "SET SESSION TRANSACTION READ ONLY").await?;
                opened
            }
        };
        let rows = connection.rows(what, statement).await?;
        *self.connection.lock().await = Some(connection);
        Ok(rows)
    }
}

fn no_number(what: &str, reason: &str) -> SourceError {
    SourceError::Refused { what: what.to_owned(), reason: reason.to_owned() }
}

/// Servers of which nothing can be read.
#[derive(Debug, Default)]
pub struct NoGauges;

#[async_trait]
impl Gauges for NoGauges {
    async fn threads_running(&self) -> Result<u64, SourceError> {
        Err(no_number("Threads_running", "there is no server to ask"))
    }

    async fn number(&self, _: &str) -> Result<f64, SourceError> {
        Err(no_number("throttle.query", "there is no server to ask"))
    }

    async fn replica_lags(&self) -> Vec<(String, Result<Duration, SourceError>)> {
        Vec::new()
    }
}
