//! The MySQL server and the table.

use anyhow::{Context, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};

/// A database of a MySQL server on this machine, used as root without password.
#[derive(clap::Args)]
pub struct Database {
    /// The server's port on 127.0.0.1.
    #[arg(long)]
    port: u16,
    /// The database that holds the table `follows`.
    #[arg(long, default_value = "social")]
    database: String,
}

const TABLE: &str = "CREATE TABLE follows (
    followee_id BIGINT UNSIGNED NOT NULL,
    follower_id BIGINT UNSIGNED NOT NULL,
    created_at DATETIME(3) NOT NULL,
    note VARCHAR(100) CHARACTER SET utf8mb4 NULL,
    PRIMARY KEY (followee_id, follower_id),
    KEY latest (followee_id, created_at)
)";

impl Database {
    pub fn name(&self) -> &str {
        &self.database
    }

    /// A connection to the database. Sessions read what is committed, as most applications' do, so that two that work on
    /// neighbouring edges seldom lock each other out.
    pub async fn connect(&self) -> anyhow::Result<Conn> {
        let settings = ["SET time_zone = '+00:00'", "SET transaction_isolation = 'READ-COMMITTED'"];
        self.open(Some(&self.database), &settings).await
    }

    /// Makes the database if it is not there, and the table anew and empty.
    pub async fn create_table(&self) -> anyhow::Result<()> {
        let plain = !self.database.is_empty()
            && self.database.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        ensure!(plain, "--database must be letters, digits and underscores");
        let mut server = self.open(None, &[]).await?;
        server.query_drop(format!("CREATE DATABASE IF NOT EXISTS {}", self.database)).await?;
        server.disconnect().await?;
        let mut conn = self.connect().await?;
        conn.query_drop("DROP TABLE IF EXISTS follows").await?;
        conn.query_drop(TABLE).await?;
        Ok(conn.disconnect().await?)
    }

    async fn open(&self, database: Option<&str>, settings: &[&str]) -> anyhow::Result<Conn> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some("root"))
            .db_name(database)
            .prefer_socket(false)
            .setup(settings.to_vec());
        Conn::new(options).await.with_context(|| format!("cannot use MySQL on 127.0.0.1:{}", self.port))
    }
}
