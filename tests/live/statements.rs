//! Statements of real servers, in the charset, sql_mode and format of their sessions: what parks a table, and what does
//! not.

use crate::support::mysql::{Database, read_up_to_now};
use crate::support::own::Own;
use mysql_async::prelude::Queryable;
use std::time::Duration;
use tailfill::model::{Position, TableName, Value};
use tailfill::source::{MysqlSource, Source, StreamEvent};

const FOLLOWS: &str = "(followee_id BIGINT UNSIGNED NOT NULL, follower_id BIGINT UNSIGNED NOT NULL, \
     note VARCHAR(40), PRIMARY KEY (followee_id, follower_id))";

/// A database whose table `name` is followed from here on.
struct Followed {
    database: Database,
    source: MysqlSource,
    start: Position,
}

impl Followed {
    async fn on(mut database: Database, name: &str, columns: &str) -> Followed {
        database.run(&format!("CREATE TABLE `{name}` {columns}")).await;
        let (source, _) = database.source(&[name]).await;
        let start = source.start().await.expect("start");
        Followed { database, source, start }
    }

    /// Runs a statement whose text is in the charset of the session.
    async fn run_bytes(&mut self, statement: &[u8]) {
        self.database.conn.query_drop(statement).await.expect("the server takes it");
    }

    /// Why the table was parked, if it was.
    async fn parked(&self) -> Option<String> {
        let wanted = self.source.executed().await.expect("executed");
        let mut seen = self.start.reached.clone();
        let mut stream = self.source.stream(&self.start).await.expect("stream");
        let mut parked = None;
        while !seen.contains_set(&wanted) {
            let event = tokio::time::timeout(Duration::from_secs(120), stream.next()).await.expect("in time");
            match event.expect("the stream goes on") {
                StreamEvent::End { transaction, .. } => seen.insert(&transaction),
                StreamEvent::Parked { parking, .. } => parked = parked.or(Some(parking.to_string())),
                _ => {}
            }
        }
        parked
    }

    async fn is_parked_for(&self, said: &str) {
        let parked = self.parked().await.unwrap_or_else(|| panic!("nothing parked it; expected {said}"));
        assert!(parked.contains(said), "{parked}");
    }
}

#[tokio::test]
async fn a_truncate_by_a_latin1_client_parks_a_table_whose_name_is_not_ascii() {
    let mut followed = Followed::on(Database::create("latin1").await, "straße", FOLLOWS).await;
    followed.run_bytes(b"SET NAMES latin1").await;
    followed.run_bytes(b"TRUNCATE TABLE stra\xDFe").await;
    followed.is_parked_for("TRUNCATE").await;
}

#[tokio::test]
async fn a_column_that_a_latin1_client_drops_and_adds_again_parks_the_table() {
    let columns = "(id INT PRIMARY KEY, größe INT NOT NULL)";
    let mut followed = Followed::on(Database::create("groesse").await, "t", columns).await;
    followed.run_bytes(b"SET NAMES latin1").await;
    followed
        .run_bytes(b"ALTER TABLE t DROP COLUMN gr\xF6\xDFe, ADD COLUMN gr\xF6\xDFe INT NOT NULL DEFAULT 5")
        .await;
    followed.is_parked_for("größe").await;
}

#[tokio::test]
async fn statements_about_something_else_park_nothing_whatever_their_syntax() {
    let mut followed = Followed::on(Database::create("unrelated").await, "follows", FOLLOWS).await;
    for statement in [
        &b"CREATE FUNCTION js1(a INT) RETURNS INT DETERMINISTIC LANGUAGE JAVASCRIPT AS $$ // don't\n return a+1; $$"[..],
        b"CREATE TABLE users (id INT PRIMARY KEY, follows INT)",
        b"ALTER TABLE users RENAME COLUMN follows TO follow_count",
        b"SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
        br"CREATE TABLE x (p VARCHAR(9) COMMENT 'C:\data\')",
        b"SET sql_mode = 'ANSI_QUOTES'",
        b"CREATE TABLE \"a'b\" (\"c;d\" INT COMMENT '\"follows')",
        b"SET sql_mode = DEFAULT, NAMES gbk",
        b"CREATE TABLE y (a INT COMMENT '\xD5\x5C')",
        b"SET NAMES sjis",
        b"CREATE TABLE z (a INT COMMENT '\x83\x5C')",
    ] {
        followed.run_bytes(statement).await;
    }
    assert_eq!(followed.parked().await, None);
    // and what the table is called in quotes is still known
    followed.run_bytes(b"SET NAMES utf8mb4, sql_mode = 'ANSI_QUOTES'").await;
    followed.run_bytes(b"DROP TABLE \"follows\"").await;
    followed.is_parked_for("DROP TABLE").await;
}

/// A followed table on a server of the test's own: a change in statement format that nobody can prove to be harmless
/// parks the tables of everybody.
async fn alone(mysql: &Own, name: &str) -> Followed {
    let mut followed = Followed::on(Database::create_at(mysql.port, name).await, "follows", FOLLOWS).await;
    followed.database.run("INSERT INTO follows VALUES (1, 10, 'a'), (2, 10, 'b')").await;
    followed
}

async fn in_statement_format(followed: &mut Followed, statements: &[&str]) {
    followed.database.run("SET SESSION binlog_format = 'STATEMENT'").await;
    for statement in statements {
        followed.database.run(statement).await;
    }
    followed.database.run("SET SESSION binlog_format = 'ROW'").await;
}

#[tokio::test]
async fn changes_in_statement_format_that_do_not_name_the_table_park_it() {
    let mysql = Own::mysql(&["--log-bin-trust-function-creators=ON"]).await;
    let mut view = alone(&mysql, "view").await;
    view.database.run("CREATE VIEW v AS SELECT * FROM follows").await;
    in_statement_format(&mut view, &["DELETE FROM v WHERE follower_id = 10"]).await;
    view.is_parked_for("DELETE").await;
    drop(view);

    let mut trigger = alone(&mysql, "trigger").await;
    trigger.database.run("CREATE TABLE other (a INT PRIMARY KEY)").await;
    let carries_on =
        "CREATE TRIGGER t AFTER INSERT ON other FOR EACH ROW DELETE FROM follows WHERE follower_id = 10";
    trigger.database.run(carries_on).await;
    in_statement_format(&mut trigger, &["INSERT INTO other VALUES (1)"]).await;
    trigger.is_parked_for("INSERT").await;
    drop(trigger);

    let mut function = alone(&mysql, "function").await;
    let deletes =
        "CREATE FUNCTION f1() RETURNS INT BEGIN DELETE FROM follows WHERE follower_id = 10; RETURN 1; END";
    function.database.run(deletes).await;
    in_statement_format(&mut function, &["DO f1()"]).await;
    assert!(function.parked().await.is_some());
    drop(function);

    let mut database = Database::create_at(mysql.port, "cascade").await;
    database.run("CREATE TABLE users (id BIGINT UNSIGNED PRIMARY KEY)").await;
    database.run("INSERT INTO users VALUES (1), (2)").await;
    let columns = FOLLOWS.trim_end_matches(')');
    let columns = format!("{columns}), FOREIGN KEY (followee_id) REFERENCES users (id) ON DELETE CASCADE)");
    let mut cascade = Followed::on(database, "follows", &columns).await;
    cascade.database.run("INSERT INTO follows VALUES (1, 10, 'a'), (2, 10, 'b')").await;
    in_statement_format(&mut cascade, &["DELETE FROM users WHERE id = 1"]).await;
    cascade.is_parked_for("DELETE").await;
    drop(cascade);

    // a view that is a table by the time that anybody asks
    let mut late = alone(&mysql, "late").await;
    late.database.run("CREATE VIEW v AS SELECT * FROM follows").await;
    in_statement_format(&mut late, &["DELETE FROM v WHERE follower_id = 10"]).await;
    late.database.run("DROP VIEW v").await;
    late.database.run("CREATE TABLE v (a INT PRIMARY KEY)").await;
    late.is_parked_for("DELETE").await;
    drop(late);

    // a trigger, and a foreign key, that are gone by the time that anybody asks: what takes them away names neither table
    let mut fired = alone(&mysql, "fired").await;
    fired.database.run("CREATE TABLE other (a INT PRIMARY KEY)").await;
    fired.database.run(carries_on).await;
    in_statement_format(&mut fired, &["INSERT INTO other VALUES (1)"]).await;
    fired.database.run("DROP TRIGGER t").await;
    fired.is_parked_for("INSERT").await;
    drop(fired);

    let mut database = Database::create_at(mysql.port, "cascaded").await;
    database.run("CREATE TABLE users (id BIGINT UNSIGNED PRIMARY KEY)").await;
    database.run("INSERT INTO users VALUES (1), (2)").await;
    let columns = FOLLOWS.trim_end_matches(')');
    let columns = format!(
        "{columns}), CONSTRAINT c FOREIGN KEY (followee_id) REFERENCES users (id) ON DELETE CASCADE)"
    );
    let mut cascaded = Followed::on(database, "follows", &columns).await;
    cascaded.database.run("INSERT INTO follows VALUES (1, 10, 'a'), (2, 10, 'b')").await;
    in_statement_format(&mut cascaded, &["DELETE FROM users WHERE id = 1"]).await;
    cascaded.database.run("ALTER TABLE follows DROP FOREIGN KEY c").await;
    cascaded.is_parked_for("DELETE").await;
}

#[tokio::test]
async fn changes_in_statement_format_that_are_proven_to_be_harmless_park_nothing() {
    let mysql = Own::mysql(&[]).await;
    let mut followed = alone(&mysql, "checksums").await;
    let follows = format!("`{}`.`follows`", followed.database.name);
    for statement in [
        "CREATE DATABASE percona",
        "CREATE TABLE percona.checksums (db CHAR(64), tbl CHAR(64), chunk INT, this_crc CHAR(40), this_cnt INT, \
         PRIMARY KEY (db, tbl, chunk))",
        "CREATE TABLE heartbeat (id INT PRIMARY KEY, ts VARCHAR(26))",
    ] {
        followed.database.run(statement).await;
    }
    let checksum = format!(
        "REPLACE INTO percona.checksums (db, tbl, chunk, this_cnt, this_crc) SELECT 'a', 'follows', 1, COUNT(*), \
         COALESCE(LOWER(CONV(BIT_XOR(CAST(CRC32(CONCAT_WS('#', note)) AS UNSIGNED)), 10, 16)), 0) \
         FROM {follows} FORCE INDEX (PRIMARY) WHERE followee_id >= 1"
    );
    in_statement_format(
        &mut followed,
        &[
            &checksum,
            "REPLACE INTO heartbeat VALUES (1, NOW(6))",
            &checksum,
            "UPDATE heartbeat SET ts = 'x' WHERE id = 1",
        ],
    )
    .await;
    assert_eq!(followed.parked().await, None);
}

#[tokio::test]
async fn names_are_compared_as_a_server_compares_them_that_stores_them_in_lower_case() {
    let mysql = Own::mysql(&["--lower-case-table-names=1"]).await;
    let mut database = Database::create_at(mysql.port, "lower").await;
    database.run(&format!("CREATE TABLE `Äpfel` {FOLLOWS}")).await;
    let source = MysqlSource::connect(tailfill::source::MysqlOptions::new("127.0.0.1", mysql.port, "root"))
        .await
        .expect("connect");
    let configured = TableName { schema: database.name.to_uppercase(), table: "ÄPFEL".into() };
    let schema = source.schema(&configured).await.expect("it is there");
    assert_eq!(schema.name, TableName { schema: database.name.clone(), table: "äpfel".into() });
    source.register(vec![(schema.into(), vec![0, 1, 2])]).expect("register");
    let start = source.start().await.expect("start");
    database.run("INSERT INTO äPFEL VALUES (1, 10, 'a')").await;
    database.run("DELETE FROM Äpfel").await;
    let mut stream = source.stream(&start).await.expect("stream");
    let read = read_up_to_now(&source, stream.as_mut(), &start.reached).await;
    assert_eq!(read.changes.len(), 2);
    assert_eq!(read.changes[1].before.as_ref().expect("a delete")[2], Value::Text("a".into()));
    let mut followed = Followed { database, source, start };
    followed.run_bytes("TRUNCATE `ÄpfEL`".as_bytes()).await;
    followed.is_parked_for("TRUNCATE").await;
}
