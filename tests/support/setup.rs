//! A configuration of a test's own, and the program run with it as a user runs it.

use super::mysql::{Database, mysql_port};
use super::tailfill;
use ::tailfill::sink::hbase::{HbaseOptions, HbaseSink};
use mysql_async::prelude::Queryable;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FOLLOWS: &str = "CREATE TABLE follows (follower_id BIGINT UNSIGNED NOT NULL, followee_id BIGINT UNSIGNED \
     NOT NULL, created_at DATETIME(3) NOT NULL, note VARCHAR(20), PRIMARY KEY (followee_id, follower_id))";

/// A database with one table of follows, an HBase table name, a folder with a configuration of both.
pub struct Setup {
    pub database: Database,
    /// The HBase table; made by `init`, dropped by [`Setup::close`].
    pub table: String,
    pub dir: tempfile::TempDir,
    /// The configuration; tests replace parts of it.
    pub config: String,
}

/// How the program ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

/// The port of a server that `scripts/services` started.
pub fn port(variable: &str) -> u16 {
    let port = std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: start `scripts/services up` and export what `env` prints")
    });
    port.parse().unwrap_or_else(|_| panic!("{variable} is not a port"))
}

/// A port of loopback where nothing listens.
pub fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

impl Setup {
    pub async fn create(test: &str) -> Setup {
        Setup::create_at(mysql_port(), test).await
    }

    /// With another MySQL than the shared one.
    pub async fn create_at(mysql: u16, test: &str) -> Setup {
        let mut database = Database::create_at(mysql, test).await;
        database.run(FOLLOWS).await;
        let table = database.name.clone();
        let server_id = rand::random::<u32>() | 1 << 31;
        let config = format!(
            r#"state_dir = "state"
[source]
url = "mysql://root@127.0.0.1:{mysql}/{table}"
server_id = {server_id}
[lease]
servers = ["127.0.0.1:{}"]
[hbase]
gateways = ["127.0.0.1:{}"]
[admin]
listen = "127.0.0.1:0"
[[mapping]]
name = "followers"
table = "{table}.follows"
key = ["followee_id"]
item = ["follower_id"]
order = {{ by = "created_at", descending = true }}
[[mapping.target]]
table = "{table}"
salt_buckets = 4
"#,
            port("TAILFILL_MEMCACHED_PORT"),
            port("TAILFILL_THRIFT2_PORT"),
        );
        let dir = tempfile::Builder::new().prefix("tailfill-check-").tempdir().expect("a temporary folder");
        Setup { database, table, dir, config }
    }

    /// Replaces a part of the configuration, which must be there.
    pub fn with(&mut self, part: &str, by: &str) -> &mut Setup {
        assert!(self.config.contains(part), "{part:?} is not in the configuration");
        self.config = self.config.replace(part, by);
        self
    }

    /// Replaces the table of follows by another.
    pub async fn with_table(&mut self, statement: &str) {
        self.database.run("DROP TABLE follows").await;
        self.database.run(statement).await;
    }

    /// A user with these grants, as whom tailfill logs in. `%db` in a grant is the database.
    pub async fn with_user(&mut self, grants: &[&str]) -> String {
        let user = format!("tf_{:08x}", rand::random::<u32>());
        self.database.run(&format!("CREATE USER '{user}'@'%' IDENTIFIED BY 'secret'")).await;
        for grant in grants {
            let grant = grant.replace("%db", &self.table);
            self.database.run(&format!("GRANT {grant} TO '{user}'@'%'")).await;
        }
        std::fs::write(self.dir.path().join("password"), "secret\n").expect("the folder can be written");
        self.with("mysql://root@", &format!("mysql://{user}@"));
        self.with("[lease]", "password_file = \"password\"\n[lease]");
        user
    }

    fn config_path(&self) -> PathBuf {
        self.dir.path().join("tailfill.toml")
    }

    /// In one step: another command may read it at this moment.
    pub fn write_config(&self, config: &str) -> PathBuf {
        let (path, new) = (self.config_path(), self.dir.path().join("tailfill.toml.new"));
        let written = std::fs::write(&new, config).and_then(|()| std::fs::rename(&new, &path));
        written.expect("the test's folder can be written");
        path
    }

    /// `tailfill ARGUMENTS -c CONFIG`, to its end.
    pub async fn tailfill(&self, arguments: &[&str]) -> Run {
        self.tailfill_with(&self.config, arguments).await
    }

    /// The same with another configuration.
    pub async fn tailfill_with(&self, config: &str, arguments: &[&str]) -> Run {
        self.write_config(config);
        let mut command = Command::new(tailfill::program());
        command.args(arguments).arg("-c").arg(self.config_path()).env_remove("TAILFILL_LOG");
        command.env_remove("TAILFILL_FAILPOINTS").stdin(Stdio::null());
        let ran = tokio::task::spawn_blocking(move || {
            let begin = Instant::now();
            (command.output(), begin.elapsed())
        });
        let (output, took) = ran.await.expect("it does not panic");
        let output = output.expect("the program under test can be started");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().expect("it was not killed");
        Run { code, out: text(&output.stdout), err: text(&output.stderr), took }
    }

    /// Drops the HBase tables named, and users made by [`Setup::with_user`].
    pub async fn close(mut self, users: &[String]) {
        for user in users {
            self.database.conn.query_drop(format!("DROP USER '{user}'@'%'")).await.expect("drop");
        }
        let gateway = format!("127.0.0.1:{}", port("TAILFILL_THRIFT2_PORT"));
        let sink =
            HbaseSink::connect(HbaseOptions::new(vec![gateway]), vec![]).await.expect("the gateway answers");
        sink.drop_table(&self.table).await.expect("the table can be dropped");
    }
}

impl Run {
    /// Fails unless it ended with `code`.
    #[track_caller]
    pub fn code(self, code: i32) -> Run {
        assert_eq!(self.code, code, "it wrote:\n{}\n{}", self.out, self.err);
        self
    }

    /// Fails unless its output says each of these.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Run {
        for word in words {
            let said = self.out.contains(word) || self.err.contains(word);
            assert!(said, "{word:?} is not in:\n{}\n{}", self.out, self.err);
        }
        self
    }
}
